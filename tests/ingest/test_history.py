"""The history of the classes: every change is logged with who, when and why, also where one was cut off."""

import threading
import time

import pytest

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.errors import StoreError, TaxonomyError
from nearclass.ingest.lifecycle import LivingClasses
from nearclass.store.history import History
from nearclass.store.state import State
from nearclass.store.taxonomy import TaxonomyStore


def test_a_change_is_logged_with_who_made_it_when_what_and_why(catalog):
    catalog.classes.signed("anna", "new supplier").add("E-readers", parent="computers")
    last, first = catalog.classes.log()
    assert (first.revision, first.command, first.count) == (1, "import", 13)
    assert (last.revision, last.base, last.by, last.command, last.message) == (2, 1, "anna", "add", "new supplier")
    assert last.classes == ("computers/e-readers",)
    assert abs(last.at - time.time()) < 60


def test_who_makes_changes_is_a_setting_and_else_the_user_of_the_system(open_catalog, monkeypatch):
    monkeypatch.setenv("LOGNAME", "berta")
    catalog = open_catalog()
    catalog.classes.add("A")
    catalog.close()
    again = open_catalog(author="carla")
    again.classes.add("B")
    assert [entry.by for entry in again.classes.log()] == ["carla", "berta"]


def test_what_changes_nothing_is_not_logged(catalog, shop):
    catalog.import_classes(shop)
    with pytest.raises(TaxonomyError):
        catalog.classes.add("Kettles", parent="home")
    assert len(catalog.classes.log()) == 1


def test_a_change_that_was_cut_off_after_its_classes_is_completed_with_its_entry(catalog, cut_off, open_catalog):
    cut_off(catalog)
    assert len(catalog.classes.log()) == 1
    catalog.close()
    again = open_catalog()
    assert [(entry.revision, entry.command) for entry in again.classes.log()] == [(2, "add"), (1, "import")]
    assert "computers/e-readers" in again.classes.taxonomy
    again.classes.edit("kettles", name="Jugs")
    assert [entry.revision for entry in again.classes.log()] == [3, 2, 1]


def test_a_change_that_was_cut_off_before_its_classes_is_undone_with_its_entry(catalog, open_catalog, monkeypatch):
    def fail(*_args, **_kwargs):
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(TaxonomyStore, "save", fail)
        with pytest.raises(StoreError):
            catalog.classes.add("E-readers")
    catalog.close()
    again = open_catalog()
    again.classes.add("Readers")
    assert [(entry.revision, entry.count) for entry in again.classes.log()] == [(2, 1), (1, 13)]
    assert again.classes.log()[0].classes == ("readers",)
    assert "e-readers" not in again.classes.taxonomy


def test_the_classes_of_an_earlier_revision_can_be_read(catalog):
    before = list(catalog.classes.taxonomy)
    catalog.classes.add("E-readers", parent="computers")
    catalog.classes.edit("kettles", name="Jugs")
    middle = catalog.classes.taxonomy
    catalog.classes.retire("hoses")
    assert sorted(spec.id for spec in catalog.classes.at(1)) == sorted(spec.id for spec in before)
    assert catalog.classes.at(1)["kettles"].name == "Kettles"
    assert {spec.id: spec for spec in catalog.classes.at(3)} == {spec.id: spec for spec in middle}
    assert catalog.classes.at(4) == catalog.classes.taxonomy
    with pytest.raises(TaxonomyError, match="from 0 to 4"):
        catalog.classes.at(5)


def test_an_answer_carries_the_revision_that_it_was_given_under(catalog):
    catalog.ingest([Item("k1", title="steel kettle")])
    catalog.classes.rename("kettles", "Jugs")
    assert catalog.assign("steel kettle")[0].revision == 2
    assert catalog.items().get("k1").revision == 1
    catalog.items().reassign()
    assert catalog.items().get("k1").revision == 2


def test_classes_of_any_size_are_kept_in_documents_that_fit(open_catalog):
    catalog = open_catalog()
    texts = tuple(f"{number} " + "long words " * 150 for number in range(24))
    catalog.import_classes([ClassSpec(f"c{number}", f"C{number}", descriptions=texts[:number]) for number in range(25)])
    catalog.import_classes([ClassSpec(f"c{number}", f"D{number}") for number in range(25)])
    assert catalog.classes.log()[0].count == 25
    assert catalog.classes.at(1)["c24"].descriptions == texts


def test_threads_that_change_classes_through_one_editor_lose_nothing(catalog):
    threads = [threading.Thread(target=catalog.classes.add, args=(f"Class {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"class-{number}" for number in range(6)} <= set(catalog.classes.taxonomy.ids())
    assert [entry.revision for entry in catalog.classes.log()] == [7, 6, 5, 4, 3, 2, 1]


@pytest.fixture
def two_writers(catalog):
    """Two editors of one store as two processes have them that share a server."""

    def editor():
        state = State(catalog.store, catalog.settings.catalog)
        taxonomies = TaxonomyStore(state, shared=True)
        made = LivingClasses(
            catalog.settings.catalog, catalog.store, state, taxonomies, catalog._spaces,
            catalog._encoders, catalog._images,
        )  # fmt: skip
        made._history = History(state, shared=True)
        return made, taxonomies

    return editor(), editor()


def test_a_writer_that_another_one_overtook_is_refused_and_says_what_to_do(two_writers, monkeypatch):
    (one, _), (two, taxonomies) = two_writers
    started = threading.Event()
    latest = two._latest

    def overtaken():
        found = latest()
        if not started.is_set():
            started.set()
            one.signed("anna").edit("kettles", name="Jugs")
        return found

    monkeypatch.setattr(two, "_latest", overtaken)
    monkeypatch.setattr(type(two._store), "embedded", False)
    with pytest.raises(TaxonomyError, match="after revision 1") as caught:
        two.edit("kettles", name="Pots")
    assert "classes log" in caught.value.hint
    assert taxonomies.reload()["kettles"].name == "Jugs"
    assert two.edit("kettles", name="Pots").name == "Pots"
    assert [entry.revision for entry in two.log()] == [3, 2, 1]


def test_of_two_writers_that_see_each_other_none_writes(two_writers, monkeypatch):
    (one, _), (two, _) = two_writers
    other = one._history.open(one.taxonomy, [one.taxonomy["kettles"]], "anna", "edit", "")
    with pytest.raises(TaxonomyError, match="by anna"):
        two.edit("kettles", name="Pots")
    monkeypatch.setattr(time, "time", lambda: other.at + 120)  # whoever it was is dead
    assert two.edit("kettles", name="Pots").name == "Pots"
    assert not one._history.left_open()


def test_another_process_reads_the_same_log(catalog, tmp_path, encoder):
    catalog.classes.signed("anna").add("E-readers")
    entries = catalog.classes.log()
    catalog.close()
    with Catalog.open(settings=Settings(uri=str(tmp_path / "shop.db")), encoder=encoder) as again:
        assert again.classes.log() == entries
