"""What a change would do, said before it is made: exactly what answering the stored items anew does after it."""

import pytest

from nearclass import Item

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
    before, revision = answers(stocked), stocked.classes.taxonomy.revision
    draft = stocked.draft()
    CHANGES[name](draft)
    found = draft.preview(stocked.classes.taxonomy)
    foreseen = answers(draft)
    assert answers(stocked) == before
    assert stocked.classes.taxonomy.revision == revision
    assert len(stocked.classes.log()) == 1
    CHANGES[name](stocked)
    assert stocked.preview().changed == found.changed
    stocked.items().reassign()
    assert answers(stocked) == foreseen


def test_a_preview_says_where_items_go_which_classes_lose_and_what_was_confirmed(stocked):
    was = answers(stocked)["i03"][1]
    assert was == "tablets"
    stocked.items().confirm(["i03", "i04"], "tablets")
    draft = stocked.draft()
    draft.classes.retire("tablets")
    found = draft.preview(stocked.classes.taxonomy)
    assert found.items == len(TITLES)
    assert "i03" in found.conflicts
    assert set(found.conflicts) <= {"i03", "i04"}
    assert found.losing[0][0] == ("Computers", "Tablets")
    assert sum(move.count for move in found.moves) == found.changed
    assert any("tablet 10 inch" in move.examples for move in found.moves)


def test_a_draft_of_a_draft_and_a_change_after_it_stand_apart(stocked):
    draft = stocked.draft()
    draft.classes.add("E-readers")
    inner = draft.draft()
    inner.classes.retire("e-readers")
    assert draft.classes.taxonomy.is_live("e-readers")
    assert "e-readers" not in stocked.classes.taxonomy
