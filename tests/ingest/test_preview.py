"""What a change would do, said before it is made: exactly what answering the stored items anew does after it."""

import random

import numpy as np
import pytest

from nearclass import Item
from nearclass.ingest import items as item_writer
from nearclass.ingest.item_rows import ItemRows

TITLES = (
    "electric kettle 1.7 l", "steel kettle with whistle", "toaster for two slices", "tablet 10 inch", "tablet for kids",
    "e-book reader with paper screen", "reader for e-books, 6 inch", "notebook 14 inch", "laser printer, duplex",
    "ink for printers", "trail running shoes", "ankle boots, lined", "garden hose 20 m", "spade for roots", "teapot",
    "drawing tablet with pen", "slippers", "watering can",
)  # fmt: skip


@pytest.fixture
def stocked(catalog):
    catalog.ingest([Item(f"i{number:02d}", title=title) for number, title in enumerate(TITLES)])
    return catalog


def answers(catalog):
    return {item.id: (item.decision, item.class_id) for item in catalog.items().list()}


def one_by_one(catalog):
    """Every stored item read by its key, answered anew and written, whatever comes out: the plain way."""
    live = catalog._live.of(None)
    writer = item_writer.ItemWriter(catalog.store, live, None)
    for page in catalog.store.scan(live.place.items, fields=(), page=5):
        writer.reassign([row["key"] for row in page])
    return answers(catalog)


CHANGES = {
    "add": lambda one: one.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."]),
    "edit": lambda one: one.classes.edit("kettles", synonyms=("teapot", "watering can")),
    "rename": lambda one: one.classes.rename("tablets", "Drawing"),
    "move": lambda one: one.classes.move("tablets", "garden"),
    "merge": lambda one: one.classes.merge(["tablets"], "laptops"),
    "split": lambda one: one.split("tablets", ["Drawing tablets", "Tablets for kids"]),
    "retire": lambda one: one.classes.retire("computers"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("learnt", [False, True])
def test_the_preview_is_what_reassigning_does_afterwards(stocked, name, learnt):
    if learnt:
        stocked.learn()
        stocked.items().reassign()
    before, revision, changes = answers(stocked), stocked.classes.taxonomy.revision, len(stocked.classes.log())
    draft = stocked.draft()
    CHANGES[name](draft)
    found = draft.preview(stocked.classes.taxonomy)
    plain = one_by_one(draft)
    assert answers(stocked) == before
    assert (stocked.classes.taxonomy.revision, len(stocked.classes.log())) == (revision, changes)
    taxonomy = stocked.classes.taxonomy
    CHANGES[name](stocked)
    assert stocked.preview(taxonomy) == found
    assert stocked.reassign(taxonomy) == found
    assert answers(stocked) == plain
    assert stocked.stale_items() == 0


WORDS = ("kettle", "tea", "tablet", "reader", "e-book", "paper", "shoe", "boot", "hose", "spade", "ink", "screen")


def edits(seed):
    """Random changes of the classes, by the same calls to whatever catalogue is given."""
    rng = random.Random(seed)

    def text():
        return " ".join(rng.sample(WORDS, 3))

    def step(catalog):
        live = [one for one in catalog.classes.taxonomy.ids() if catalog.classes.taxonomy.is_live(one)]
        leaves = sorted(catalog.classes.taxonomy.assignable())
        kind = rng.choice(["add", "edit", "retire", "rename", "merge", "move", "announce", "learn"])
        if kind == "add":
            catalog.classes.add(
                f"{text()} {rng.random():.6f}", parent=rng.choice([None, "garden"]), descriptions=[text()]
            )
        elif kind == "edit":
            catalog.classes.edit(rng.choice(leaves), synonyms=(text(), text()))
        elif kind == "retire" and len(leaves) > 4:
            catalog.classes.retire(rng.choice(leaves))
        elif kind == "rename":
            catalog.classes.rename(rng.choice(live), f"{text()} {rng.random():.6f}")
        elif kind == "merge" and len(leaves) > 4:
            catalog.classes.merge([leaves[0]], leaves[-1])
        elif kind == "move":
            catalog.classes.move(rng.choice(leaves), None)
        elif kind == "learn":
            catalog.learn()
        else:
            catalog.classes.announce()

    return step


@pytest.mark.parametrize("seed", range(3))
def test_answering_only_what_changed_comes_to_the_same_as_answering_each_item(stocked, seed):
    step = edits(seed)
    for _ in range(5):
        step(stocked)
        foreseen = stocked.preview()
        assert stocked.reassign() == foreseen
        quick = answers(stocked)
        assert one_by_one(stocked.draft()) == quick


def test_a_preview_says_where_items_go_which_classes_lose_and_what_was_confirmed(stocked):
    assert answers(stocked)["i03"][1] == answers(stocked)["i15"][1] == "tablets"
    stocked.items().confirm(["i03", "i04"], "tablets")
    draft = stocked.draft()
    draft.classes.retire("tablets")
    found = draft.preview(stocked.classes.taxonomy)
    assert found.items == len(TITLES)
    assert "i03" in found.conflicts
    assert set(found.conflicts) <= {"i03", "i04"}
    assert found.losing[0][0] == ("Computers", "Tablets")
    assert sum(move.count for move in found.moves) == found.changed
    assert any("drawing tablet with pen" in move.examples for move in found.moves)
    assert not any("tablet 10 inch" in move.examples for move in found.moves)


def test_each_example_of_a_preview_says_what_speaks_for_where_it_goes(stocked):
    draft = stocked.draft()
    draft.classes.add("E-readers", parent="computers", descriptions=["Devices to read electronic books on."])
    found = draft.preview(stocked.classes.taxonomy)
    assert all(len(move.evidence) == len(move.examples) for move in found.moves)
    reader = next(move for move in found.moves if move.after[-1] == "E-readers")
    assert {piece.text for piece in reader.evidence} <= {"E-readers", "Devices to read electronic books on."}
    assert all(piece.similarity > 0.3 for piece in reader.evidence)
    assert found.to_dict()["moves"][0]["evidence"][0]["kind"] in {"name", "description"}


def test_a_draft_of_a_draft_and_a_change_after_it_stand_apart(stocked):
    draft = stocked.draft()
    draft.classes.add("E-readers")
    inner = draft.draft()
    inner.classes.retire("e-readers")
    assert draft.classes.taxonomy.is_live("e-readers")
    assert "e-readers" not in stocked.classes.taxonomy


def rows(catalog):
    place = catalog._live.of(None).place
    found = catalog.store.query(place.items, fields=("item_id", "class_id", "revision", "updated_at"))
    return {row["item_id"]: row for row in found}


def test_only_items_with_another_answer_are_written(stocked):
    before = rows(stocked)
    CHANGES["add"](stocked)
    assert stocked.stale_items() == len(TITLES)
    assert stocked.reassign().changed > 0
    after = rows(stocked)
    written = {one for one in after if after[one] != before[one]}
    assert {"i05", "i06"} <= written < set(before)
    assert {after[one]["revision"] for one in written} == {stocked.classes.taxonomy.revision}
    assert {after[one]["revision"] for one in set(before) - written} == {1}
    assert stocked.stale_items() == 0
    again = [Item(f"i{number:02d}", title=title) for number, title in enumerate(TITLES)]
    assert stocked.ingest(again).reassigned == 0
    assert rows(stocked) == after


def test_what_was_cut_off_is_completed_by_the_next_one(stocked, monkeypatch):
    CHANGES["retire"](stocked)
    foreseen, plain = stocked.preview(), one_by_one(stocked.draft())
    monkeypatch.setattr("nearclass.ingest.renewal.PAGE", 4)
    monkeypatch.setattr("nearclass.ingest.stored._PAGE", 1)
    left = [3]
    whole = ItemRows.upsert

    def upsert(self, some):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        whole(self, some)

    monkeypatch.setattr(ItemRows, "upsert", upsert)
    with pytest.raises(KeyboardInterrupt):
        stocked.reassign()
    revision = stocked.classes.taxonomy.revision
    assert 0 < sum(row["revision"] == revision for row in rows(stocked).values()) < foreseen.changed
    assert stocked.stale_items() > 0
    assert 0 < stocked.preview().changed < foreseen.changed
    stocked.reassign()
    assert answers(stocked) == plain
    assert stocked.stale_items() == 0


def test_a_confirmed_item_stays_where_it_is_until_the_confirmation_is_taken_back(stocked):
    stocked.items().confirm(["i03", "i15"], "tablets")
    stocked.items().confirm(["i16"], "boots")
    CHANGES["retire"](stocked)
    assert set(stocked.reassign().conflicts) == {"i03", "i15"}
    assert answers(stocked)["i03"][1] == "tablets"
    again = [Item(f"i{number:02d}", title=title) for number, title in enumerate(TITLES)]
    stocked.ingest(again)
    assert answers(stocked)["i03"][1] == "tablets"
    stocked.items().unconfirm(["i03"])
    assert answers(stocked)["i03"][1] != "tablets"
    stocked.classes.restore("computers")
    assert stocked.reassign().conflicts == ()
    assert answers(stocked)["i03"][1] == "tablets"


def test_items_that_were_written_while_the_classes_changed_are_answered_by_the_new_ones(stocked, monkeypatch):
    """As where another process answers all items anew between the answer of a chunk and its writing."""
    answer = item_writer.answer

    def late(pending, answering):
        monkeypatch.setattr(item_writer, "answer", answer)
        found = answer(pending, answering)
        CHANGES["add"](stocked)
        stocked.reassign()
        return found

    monkeypatch.setattr(item_writer, "answer", late)
    stocked.ingest([Item("late", title="6 inch e-book reader")])
    assert stocked.items().get("late").class_id == "computers/e-readers"
    assert stocked.items().get("late").revision == stocked.classes.taxonomy.revision


def test_items_of_given_vectors_are_answered_anew_in_their_own_space(stocked, shop):
    from dataclasses import replace

    rng = np.random.default_rng(1)
    leaves = [spec for spec in shop if spec.parent_id]
    vectors = {spec.id: tuple(rng.normal(size=6)) for spec in leaves}
    stocked.import_vectors([replace(spec, vector=vectors[spec.id]) for spec in leaves], "resnet")
    stocked.ingest([Item(one, vector=vector) for one, vector in vectors.items()], space="resnet")
    stocked.reassign()
    stocked.classes.retire("boots")
    assert stocked.stale_spaces() == {None: len(TITLES), "resnet": len(leaves)}
    found = stocked.reassign(space="resnet")
    assert (found.items, found.changed) == (len(leaves), 1)
    assert stocked.stale_spaces() == {None: len(TITLES)}


def test_columns_are_what_a_query_finds(stocked, tmp_path):
    place = stocked._live.of(None).place
    stocked.items().delete(["i01"])
    stocked.ingest([Item("i02", title="toaster, red"), Item("new", title="kayak")])
    fields = ("item_id", "title", "revision", "score", "vector")
    wanted = {row["key"]: row for row in stocked.store.query(place.items, fields=fields)}
    draft = stocked.draft()
    draft.items().delete(["i05"])
    for store, gone in ((stocked.store, []), (draft.store, ["i05"])):
        found = {}
        for page in store.columns(place.items, fields=fields, page=5):
            for at, key in enumerate(page["key"]):
                found[key] = {name: page[name][at] for name in fields}
        assert {row["item_id"] for row in found.values()} == {row["item_id"] for row in wanted.values()} - set(gone)
        for key, row in found.items():
            assert np.array_equal(row.pop("vector"), wanted[key]["vector"])
            assert row == {name: wanted[key][name] for name in fields if name != "vector"}
