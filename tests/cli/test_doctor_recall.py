"""nearclass doctor --recall: how many of the nearest stored items the engine finds."""

import numpy as np
import pytest

from nearclass.health.finding import State
from nearclass.health.recall import item_recall, measure
from nearclass.schemas.collections import classes_spec, key_of
from nearclass.store import Hit, Store

DIM = 16


def fill(store, name, count, dim=DIM):
    vectors = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    fields = {"class_id": "", "bias": 0.0, "digest": "", "revision": 0}
    store.create(name, classes_spec(dim))
    store.upsert(
        name, classes_spec(dim), [{"key": key_of(str(n)), "vector": one, **fields} for n, one in enumerate(vectors)]
    )
    store.flush(name)


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


def test_an_exact_search_finds_everything(store):
    fill(store, "items", 500)
    found = measure(store, "items")
    assert (found.items, found.searches, found.nearest, found.nearest_ten) == (500, 200, 1.0, 1.0)
    assert found.search_ms > 0
    finding = item_recall(store, "items", "minilm")
    assert finding.state is State.OK
    assert "of 200 of 500 items, the nearest other one is found for 100.0% (recall@1)" in finding.found


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_measured_where_there_is_nothing_to_find(store, count):
    assert measure(store, "nowhere") is None
    if count:
        fill(store, "items", count)
        assert measure(store, "items") is None
    assert item_recall(store, "items", "minilm").state is State.OK


def test_fewer_items_than_ten_can_all_be_found(store):
    fill(store, "items", 4)
    found = measure(store, "items")
    assert (found.searches, found.nearest, found.nearest_ten) == (4, 1.0, 1.0)


def test_a_search_that_misses_the_nearest_is_warned_of(store, monkeypatch):
    fill(store, "items", 300)
    whole = Store.search

    def search(self, name, vectors, k, **options):
        """Without the nearest other one, every second time."""
        [hits] = whole(self, name, vectors, k + 1, **options)
        hits = [hit for place, hit in enumerate(hits) if place != 1] if int(hits[0].key, 16) % 2 else hits
        return [[Hit(*hit) for hit in hits[:k]]]

    monkeypatch.setattr(Store, "search", search)
    found = measure(store, "items")
    assert 0.4 < found.nearest < 0.6
    assert 0.92 < found.nearest_ten < 0.97
    finding = item_recall(store, "items", "minilm")
    assert finding.state is State.WARNING
    assert "index" in finding.fix


@pytest.mark.slow
def test_the_index_of_a_server_finds_nearly_everything(milvus):
    with Store.open(milvus) as opened:
        fill(opened, "recall", 3000)
        opened._session._client.flush("recall", timeout=120)
        found = measure(opened, "recall")
        opened.drop("recall")
    assert found.items == 3000
    assert found.nearest >= 0.99
    assert found.nearest_ten >= 0.98


@pytest.mark.slow
def test_the_command_measures_it_where_it_is_asked_to(catalog, run, tmp_path):
    catalog.close()
    done = run("--uri", "shop.db", "doctor", "--recall", "-o", "csv", cwd=tmp_path)
    assert "fewer than two items are stored" in done.out
