"""A backup holds everything, in files that other programs read, and what is restored from it answers alike."""

import shutil
from functools import partialmethod
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from nearclass.backup import writing
from nearclass.backup.manifest import Manifest
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.backup.writing import back_up
from nearclass.errors import BackupError, StoreError
from nearclass.store import Store
from nearclass.store.copying import CatalogReader
from nearclass.store.spaces import SPACE_SPECS
from nearclass.store.state import Document, State


def everything(store, name):
    """Every row of every table that has any, vectors to the bit."""
    reader = CatalogReader(store, name)
    tables = {
        table.name: [{**row, "vector": row["vector"].tobytes()} for page in reader.pages(table) for row in page]
        for table in reader.tables()
    }
    return {name: rows for name, rows in tables.items() if rows}


@pytest.fixture
def database(kept, tmp_path):
    """The database that was backed up, to be changed at will."""
    return Path(shutil.copytree(kept.database, tmp_path / "shop.db"))


def test_what_is_restored_elsewhere_answers_alike(kept, tmp_path, opened, answers):
    with Store.open(str(tmp_path / "deep" / "other")) as store:
        restore(store, "another", Backup(kept.folder))
    with opened(kept.database) as one, opened(tmp_path / "deep" / "other", "another") as other:
        before = answers(one)
        assert answers(other) == before
        assert before[0][0].confidence is not None  # so that calibrated answers were compared
        versions = [[version.version for version in catalog.learning.versions()] for catalog in (one, other)]
        assert versions == [[1], [1]]
        assert one.classes.log() == other.classes.log() != []
        assert other.items().get("boots-boots-red").confirmed_class == "boots"
        assert other.classes.taxonomy.revision == one.classes.taxonomy.revision


def test_what_is_restored_goes_on_like_any_catalogue(kept, empty, opened, answers):
    restore(empty, "shop", Backup(kept.folder))
    empty.close()
    with opened(empty.uri) as catalog:
        catalog.classes.add("Umbrellas", descriptions=["To stay dry in the rain."])
        assert catalog.assign("a folding umbrella for rain")[0].candidates[0].path == ("Umbrellas",)
        assert catalog.classes.log()[0].revision == catalog.classes.taxonomy.revision


def test_every_row_comes_back_to_the_bit(kept, empty):
    restore(empty, "default", Backup(kept.folder))
    with Store.open(str(kept.database)) as store:
        before = everything(store, "shop")
        text_space = CatalogReader(store, "shop").opening["text_space"]
    assert everything(empty, "default") == before
    spaced = {f"{kind} of {space}" for kind in SPACE_SPECS for space in ("Resnet", text_space)}
    assert set(before) == {"state", "versions"} | spaced - {"learned of Resnet"}
    assert sum(map(len, before.values())) == Manifest.read(kept.folder).rows


def test_other_programs_read_the_files(kept):
    manifest = orjson.loads((kept.folder / "manifest.json").read_bytes())
    (space,) = [place for place, one in enumerate(manifest["spaces"]) if one["name"] == "Resnet"]
    items = pq.read_table(kept.folder / "spaces" / f"{space}-Resnet" / "items")
    assert sorted(items["item_id"].to_pylist()) == ["v0", "v1", "v2", "v3"]
    assert items["confidence"].to_pylist() == [None] * 4  # and not a number that stands for none
    assert np.allclose(np.linalg.norm(np.stack(items["vector"].to_numpy(zero_copy_only=False)), axis=1), 1)
    state = pq.read_table(kept.folder / "state", columns=["kind", "name", "body"]).to_pylist()
    names = {orjson.loads(row["body"])["spec"]["name"] for row in state if row["kind"] == "class"}
    assert {"Kettles", "Running shoes"} <= names
    assert {file["path"] for table in manifest["tables"] for file in table["files"]} == {
        path.relative_to(kept.folder).as_posix() for path in kept.folder.rglob("*.parquet")
    }


def test_secrets_keys_and_work_in_progress_are_not_in_it(database, tmp_path):
    with Store.open(str(database)) as store:
        source = "https://me:s3cret@host/items.csv"
        state = State(store, "shop")
        kinds = {"api_key", "job", "job_result", "reply"}
        state.put(Document("checkpoint", source, {"source": source}), *(Document(kind, "x", {}) for kind in kinds))
        state.put(Document("audit", "x", {}))
        back_up(store, "shop", tmp_path / "b")
    found = {row["kind"] for row in pq.read_table(tmp_path / "b" / "state").to_pylist()}
    assert "audit" in found
    assert found & {"checkpoint", *kinds} == set()
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_tables_are_cut_into_files_and_come_back(database, tmp_path, empty, monkeypatch):
    monkeypatch.setattr(writing, "FILE_ROWS", 60)
    monkeypatch.setattr(CatalogReader, "pages", partialmethod(CatalogReader.pages, page=25))
    with Store.open(str(database)) as store:
        manifest = back_up(store, "shop", tmp_path / "b")
        before = everything(store, "shop")
    items = next(table for table in manifest.tables if table.kind == "items" and table.rows > 100)
    assert [file.rows for file in items.files] == [75, 75, items.rows - 150]
    restore(empty, "shop", Backup(tmp_path / "b"))
    assert everything(empty, "shop") == before


def test_a_folder_with_anything_in_it_is_refused(kept, tmp_path, database):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with Store.open(str(database)) as store:
        with pytest.raises(BackupError, match=r"is not empty, it has mine\.txt"):
            back_up(store, "shop", tmp_path / "b")
        with pytest.raises(BackupError, match="is not empty"):
            back_up(store, "shop", kept.folder)
        (tmp_path / "b" / "mine.txt").unlink()
        assert back_up(store, "shop", tmp_path / "b").rows
        with pytest.raises(BackupError, match="cannot be written: (Not a directory|File exists)"):
            back_up(store, "shop", tmp_path / "b" / "manifest.json")
    Backup(tmp_path / "b")


def test_a_catalogue_that_is_not_there_leaves_no_folder(database, tmp_path):
    with Store.open(str(database)) as store, pytest.raises(StoreError, match="no catalogue 'nowhere'"):
        back_up(store, "nowhere", tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_backup_that_fails_leaves_nothing(database, tmp_path, there):
    if there:
        (tmp_path / "b").mkdir()

    def fail(_rows):
        raise OSError(28, "No space left on device")

    with Store.open(str(database)) as store:
        with pytest.raises(BackupError, match="cannot be written: No space left on device"):
            back_up(store, "shop", tmp_path / "b", fail)
        assert (tmp_path / "b").exists() == there
        back_up(store, "shop", tmp_path / "b")
    Backup(tmp_path / "b")


def test_a_backup_without_its_manifest_is_one_that_was_cut_off(copy):
    (copy / "manifest.json").rename(copy / "manifest.json.part")
    with pytest.raises(BackupError, match=r"not a backup that is whole: it has no manifest\.json"):
        Backup(copy)


def test_classes_that_change_meanwhile_make_it_begin_anew(database, tmp_path, opened):
    with opened(database) as catalog:
        names = iter(["Wellingtons"])

        def change(_rows):
            for name in names:
                catalog.classes.rename("boots", name)

        manifest = back_up(catalog.store, "shop", tmp_path / "b", change)
        assert manifest.revision == catalog.classes.taxonomy.revision
        with Store.open(str(tmp_path / "c.db")) as store:
            restore(store, "shop", Backup(tmp_path / "b"))
            assert everything(store, "shop") == everything(catalog.store, "shop")


def test_classes_that_never_hold_still_are_said_and_leave_nothing(database, tmp_path, opened):
    with opened(database) as catalog:
        number = iter(range(100))
        with pytest.raises(StoreError, match="'shop' was changed while it was read"):
            back_up(
                catalog.store,
                "shop",
                tmp_path / "b",
                lambda _: catalog.classes.announce() if next(number) % 3 == 0 else None,
            )
    assert not (tmp_path / "b").exists()


def test_an_empty_catalogue_comes_back_empty(tmp_path, opened):
    with opened(tmp_path / "a.db") as catalog:
        manifest = catalog.backup(tmp_path / "b")
    assert manifest.rows == 0
    with Store.open(str(tmp_path / "c.db")) as store:
        restore(store, "shop", Backup(tmp_path / "b"))
    with opened(tmp_path / "c.db") as catalog:
        assert len(catalog.classes.taxonomy) == 0
