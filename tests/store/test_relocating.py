"""A catalogue is taken to another database whole, and the source stays as it is."""

import shutil

import pytest

from nearclass import Catalog, Item, Settings
from nearclass.errors import StoreError, UsageError
from nearclass.ingest.labelled import Labelled
from nearclass.store.copying import CatalogReader
from nearclass.store.relocating import relocate
from nearclass.store.store import Store

QUESTIONS = ["a kettle", "boots for hiking", "a hose"]


@pytest.fixture
def stocked(catalog):
    catalog.ingest([Item(f"i{n}", title=title, attributes={"n": n / 3}) for n, title in enumerate(QUESTIONS * 5)])
    catalog.learn([Labelled(Item(f"l{n}", title=f"{title} {n}"), frozenset({class_id})) for n in range(6) for title, class_id in zip(QUESTIONS, ("kettles", "boots", "hoses"), strict=True)])  # fmt: skip
    catalog.items().confirm(["i1"], "boots")
    yield catalog
    catalog.close()


def held(catalog):
    answers = [(one.class_id, one.candidates, one.evidence, one.decision) for one in catalog.assign(QUESTIONS)]
    log = [(one.revision, one.command, one.by) for one in catalog.classes.log()]
    return answers, log, catalog.items().list(), catalog.learning.active_version(), catalog.learning.labelled_texts()


@pytest.mark.parametrize("kind", ["lite", "server"])
def test_everything_is_there_and_answers_alike(stocked, kind, request, tmp_path, encoder):
    uri = str(tmp_path / "far" / "other.db") if kind == "lite" else request.getfixturevalue("server")
    before, settings = held(stocked), stocked.settings
    stocked.close()
    moved = relocate(settings, uri, "copy")
    assert (moved.catalog, len(moved.spaces)) == ("copy", 1)
    assert moved.rows[f"items of {moved.spaces[0]}"] == 15
    with Catalog.open(settings=Settings(uri=uri, catalog="copy"), encoder=encoder) as copy:
        assert held(copy) == before
        copy.items().delete(["i2"])
    with Catalog.open(settings=settings, encoder=encoder) as again:
        assert held(again) == before
    with pytest.raises(StoreError, match="is not empty"):
        relocate(settings, uri, "copy")


def test_a_name_in_the_same_database_will_do_but_not_its_own(stocked, encoder):
    settings = stocked.settings
    stocked.close()
    with pytest.raises(UsageError, match="is already"):
        relocate(settings, settings.uri)
    assert relocate(settings, settings.uri, "second").catalog == "second"


def test_a_row_that_is_another_one_there_is_found(stocked, tmp_path, monkeypatch):
    settings = stocked.settings
    stocked.close()
    pages = CatalogReader.pages

    def garbled(self, table, page=1000):
        for rows in pages(self, table, page):
            if table.kind == "items" and self._catalog == "copy":
                rows[0] = {**rows[0], "title": "another"}
            yield rows

    monkeypatch.setattr(CatalogReader, "pages", garbled)
    with pytest.raises(StoreError, match="rows of items of .* are not the same"):
        relocate(settings, str(tmp_path / "other.db"), "copy")


def test_a_catalogue_that_is_not_there_makes_no_database(tmp_path):
    with pytest.raises(StoreError, match="there is no database"):
        relocate(Settings(uri=str(tmp_path / "none.db")), str(tmp_path / "other.db"))
    assert list(tmp_path.iterdir()) == []


def test_both_spaces_of_a_move_go_along_and_the_way_back_stays_open(stocked, tmp_path, tiny_model, encoder):
    stocked.reembedding.run(str(tiny_model))
    stocked.reembedding.swap()
    settings = stocked.settings
    stocked.close()
    moved = relocate(settings, str(tmp_path / "other.db"))
    assert len(moved.spaces) == 2
    with Catalog.open(settings=Settings(uri=str(tmp_path / "other.db"))) as copy:
        assert copy.assign("a kettle")[0].space != encoder.space.name
        assert copy.reembedding.rollback().serving == encoder.space.name
        assert copy.items().count() == 15


def test_a_copy_that_was_cut_off_is_started_over(stocked, tmp_path):
    settings, uri = stocked.settings, str(tmp_path / "other.db")
    stocked.close()

    def stop(what, done, _of):
        if done > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        relocate(settings, uri, on_rows=stop)
    with pytest.raises(StoreError, match="is not whole"):
        Catalog.open(settings=settings.model_copy(update={"uri": uri}))
    relocate(settings, uri)
    shutil.rmtree(settings.uri)
    with Store.open(uri) as store:
        assert CatalogReader(store, "default").revision > 0
