"""Classes that are renamed, moved, merged and split."""

import pytest

from nearclass import ClassSpec, Item
from nearclass.errors import TaxonomyError

TITLES = {"k1": "electric kettle 1.7 l", "k2": "steel kettle", "t1": "toaster for two slices", "p1": "tablet 10 inch"}


@pytest.fixture
def stocked(catalog):
    catalog.ingest([Item(one, title=title) for one, title in TITLES.items()])
    return catalog


def nearest(catalog, item_id):
    return catalog.items().get(item_id).class_id


def test_a_renamed_class_keeps_its_id_and_its_items(stocked):
    stocked.classes.rename("Kettles", "Water boilers")
    assert stocked.classes.taxonomy.path("kettles") == ("Home & Kitchen", "Water boilers")
    assert nearest(stocked, "k1") == "kettles"
    assert stocked.classes.log()[0].command == "rename"


def test_a_class_moves_with_what_is_below_it_and_never_below_itself(stocked):
    stocked.classes.move("computers", "home")
    assert stocked.classes.taxonomy.path("tablets") == ("Home & Kitchen", "Computers", "Tablets")
    with pytest.raises(TaxonomyError, match="each other's parents"):
        stocked.classes.move("home", "tablets")
    stocked.classes.move("tablets", None)
    assert stocked.classes.taxonomy.path("tablets") == ("Tablets",)


def test_a_merged_class_leads_to_the_one_that_stays_for_ever(stocked, tmp_path):
    stocked.items().confirm(["k2"], "kettles")
    stocked.classes.merge(["kettles"], "toasters")
    taxonomy = stocked.classes.taxonomy
    assert [taxonomy.find(text).id for text in ("kettles", "Kettles", "Home & Kitchen > Kettles")] == ["toasters"] * 3
    assert "kettles" not in taxonomy.assignable()
    items = stocked.items()
    assert (items.get("k1").class_id, items.get("k2").confirmed_class) == ("toasters", "toasters")
    assert {item.id for item in items.list(class_id="kettles")} == {"k1", "k2", "t1"}
    assert items.confirm(["t1"], "Kettles").id == "toasters"
    stocked.classes.merge(["toasters"], "printers")
    assert stocked.classes.taxonomy.find("kettles").id == "printers"
    assert stocked.items().get("k2").confirmed_class == "printers"


def test_the_texts_of_a_merged_class_go_to_the_one_that_stays_unless_they_shall_not(stocked):
    stocked.classes.merge(["kettles"], "toasters")
    spec = stocked.classes.taxonomy["toasters"]
    assert spec.synonyms == ("Kettles", "water boiler")
    assert spec.descriptions == ("Appliances that brown slices of bread.", "Appliances that boil water for tea.")
    assert stocked.assign("water boiler")[0].candidates[0].class_id == "toasters"
    stocked.classes.merge(["hoses"], "spades", evidence=False)
    assert stocked.classes.taxonomy["spades"].synonyms == ()


def test_what_is_below_a_merged_class_goes_below_the_one_that_stays(stocked):
    stocked.classes.merge(["shoes"], "garden")
    assert stocked.classes.taxonomy.path("boots") == ("Garden", "Boots")
    with pytest.raises(TaxonomyError, match="cannot be merged into it"):
        stocked.classes.merge(["garden"], "boots")
    assert len(stocked.classes.log()) == 2


def test_a_merged_class_comes_back_neither_by_a_file_nor_by_restoring(stocked, shop):
    stocked.classes.merge(["kettles"], "toasters")
    change = stocked.import_classes([shop[1]])
    assert [problem.code for problem in change.problems] == ["merged_class"]
    with pytest.raises(TaxonomyError, match="merged into 'toasters'"):
        stocked.classes.restore("kettles")
    assert stocked.classes.taxonomy.find("kettles").id == "toasters"


def test_learning_counts_what_was_confirmed_as_a_merged_class(stocked):
    stocked.items().confirm(["k1", "k2"], "kettles")
    stocked.classes.merge(["kettles"], "toasters")
    assert stocked.learn(dry_run=True).labels == 2


def test_the_items_of_a_split_class_go_to_the_nearest_part_unless_they_are_confirmed(stocked):
    stocked.ingest([Item("s1", title="steel kettle for the stove"), Item("s2", title="kettle")])
    stocked.items().confirm(["s2"], "kettles")
    change, shared = stocked.split("kettles", ["Electric kettles: With a plug.", {"name": "Stove kettles"}])
    assert change.added == ("kettles/electric-kettles", "kettles/stove-kettles")
    assert shared.conflicts == ("s2",)
    assert sum(shared.moved.values()) == 3
    assert nearest(stocked, "k1") == "kettles/electric-kettles"
    assert nearest(stocked, "s1") == "kettles/stove-kettles"
    assert (nearest(stocked, "s2"), stocked.items().get("s2").confirmed_class) == ("kettles", "kettles")
    assert stocked.classes.taxonomy.parent("kettles/stove-kettles") == "kettles"
    assert "kettles" not in stocked.classes.taxonomy.assignable()
    assert stocked.stale_items() == 6


def test_a_split_class_can_be_retired_beside_its_parts(stocked):
    change, _ = stocked.split("kettles", ["Electric kettles", "Stove kettles"], retire=True)
    assert [change.taxonomy.parent(one) for one in change.added] == ["home", "home"]
    assert not change.taxonomy.is_live("kettles")


@pytest.mark.parametrize("parts", [["One"], ["One", "One"], ["One", {"id": "toasters", "name": "T"}], ["One", " : x"]])
def test_parts_that_cannot_be_classes_change_nothing(stocked, parts):
    with pytest.raises(TaxonomyError):
        stocked.split("kettles", parts)
    assert len(stocked.classes.log()) == 1


def test_a_merged_class_is_exported_and_imported_as_it_is(stocked, open_catalog):
    stocked.classes.merge(["kettles"], "toasters")
    specs = list(stocked.classes.taxonomy)
    stocked.close()
    other = open_catalog(catalog="other")
    other.import_classes([ClassSpec(**{name: getattr(spec, name) for name in spec.__slots__}) for spec in specs])
    assert other.classes.taxonomy.find("kettles").id == "toasters"


def test_a_rollback_brings_the_classes_of_a_revision_back_and_retires_newer_ones(stocked):
    was = {spec.id: spec for spec in stocked.classes.taxonomy}
    stocked.items().confirm(["k2"], "kettles")
    stocked.classes.merge(["kettles"], "toasters")
    stocked.classes.add("E-readers")
    change = stocked.classes.rollback(1)
    now = {spec.id: spec for spec in change.taxonomy}
    assert not change.taxonomy.is_live("e-readers")
    assert {class_id: spec for class_id, spec in now.items() if class_id in was} == was
    assert stocked.items().get("k2").confirmed_class == "kettles"
    assert stocked.assign("water boiler")[0].candidates[0].class_id == "kettles"
    assert [entry.command for entry in stocked.classes.log()] == ["rollback 1", "add", "merge", "import"]
