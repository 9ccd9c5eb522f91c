"""Items by a number: the same as sorting all of them, of which few are read."""

import random

import pytest

from nearclass.query import ranking
from nearclass.query.ranking import ranked
from nearclass.schemas.collections import ABSENT, items_spec, key_of
from nearclass.schemas.filters import Compare
from nearclass.store import Store

ROWS = 3000


def row(number, **fields):
    texts = ("title", "description", "text", "image", "content_hash", "row_hash", "class_id", "confirmed_class")
    return {
        "key": key_of(str(number)), "vector": [1.0, 0.0], "item_id": str(number), **dict.fromkeys(texts, ""),
        "decision": "review", "score": 0.5, "confidence": ABSENT, "margin": ABSENT, "truncated": 0, "revision": 1,
        "updated_at": 0, "attributes": {}, **fields,
    }  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with two collections of items, and their rows: some margins are equal, some absent."""
    draw = random.Random(4)
    with Store.open(str(tmp_path_factory.mktemp("ranking") / "r.db")) as store:
        rows = {}
        for name, count in (("texts", ROWS), ("pictures", 40)):
            rows[name] = [
                row(
                    f"{name}{n}",
                    margin=ABSENT if n % 10 == 3 else round(draw.random() ** 2, 3),
                    decision="review" if n % 3 else "novel",
                    updated_at=1_700_000_000_000 + n // 100,
                )
                for n in range(count)
            ]
            store.create(name, items_spec(2))
            store.upsert(name, items_spec(2), rows[name])
            store.flush(name)
        yield store, rows


def in_order(rows, field, *, highest=False):
    there = sorted(
        (one for one in rows if one[field] > ABSENT), key=lambda one: (one[field] * (-1) ** highest, one["key"])
    )
    return [one["item_id"] for one in there] + [
        one["item_id"] for one in sorted(rows, key=lambda one: one["key"]) if one[field] <= ABSENT
    ]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sort", ["margin", "updated", "score", "confidence"])
@pytest.mark.parametrize("limit", [1, 50, 2900, 5000])
def test_the_first_are_those_of_sorting_all(stored, sort, limit, reverse):
    store, rows = stored
    field, highest = ranking.SORTS[sort]
    found = ranked(store, [("texts", None)], sort, limit, ("item_id",), reverse=reverse)
    assert [one["item_id"] for one in found] == in_order(rows["texts"], field, highest=highest ^ reverse)[:limit]


def test_a_condition_and_a_second_collection_count(stored):
    store, rows = stored
    novel = Compare("decision", "==", "novel")
    found = ranked(store, [("texts", novel), ("pictures", None)], "margin", 60, ("item_id",))
    wanted = [one for one in rows["texts"] if one["decision"] == "novel"] + rows["pictures"]
    assert [one["item_id"] for one in found] == in_order(wanted, "margin")[:60]


def test_few_rows_are_read_of_many(stored, monkeypatch):
    store, rows = stored
    monkeypatch.setattr(ranking, "_SAMPLE", 100)
    read = []
    query = store.query

    def counted(*args, **options):
        found = query(*args, **options)
        read.append(len(found))
        return found

    monkeypatch.setattr(store, "query", counted)
    found = ranked(store, [("texts", None)], "margin", 10, ("item_id",))
    assert [one["item_id"] for one in found] == in_order(rows["texts"], "margin")[:10]
    assert sum(read) < ROWS / 4
