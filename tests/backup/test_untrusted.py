"""A backup that is damaged or made to do harm is refused by name, before anything is written or without being opened."""

import hashlib
from itertools import count

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearclass.backup.manifest import _seal
from nearclass.backup.reading import Backup
from nearclass.backup.restoring import restore
from nearclass.errors import BackupError, SchemaMismatchError, StoreError
from nearclass.schemas.collections import key_of
from nearclass.store.copying import CatalogReader

STATE = "state/00000.parquet"


def reseal(folder, change):
    """Change the manifest as whoever knows how it is made would."""
    path = folder / "manifest.json"
    data = orjson.loads(path.read_bytes())
    change(data)
    data["sha256"] = _seal(data)
    path.write_bytes(orjson.dumps(data))


def entry_of(data, path):
    return next(file for table in data["tables"] for file in table["files"] if file["path"] == path)


def rewrite(folder, path, change, **options):
    """Change a table of a file, and the manifest so that all its checksums are right."""
    changed = change(pq.read_table(folder / path))
    pq.write_table(changed, folder / path, **options)
    content = (folder / path).read_bytes()

    def note(data):
        entry = entry_of(data, path)
        table = next(one for one in data["tables"] if entry in one["files"])
        table["rows"] += len(changed) - entry["rows"]
        entry |= {"rows": len(changed), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    reseal(folder, note)


def items_path(folder):
    """The items of the text space."""
    data = orjson.loads((folder / "manifest.json").read_bytes())
    paths = [file["path"] for table in data["tables"] if table["kind"] == "items" for file in table["files"]]
    return next(path for path in paths if "Resnet" not in path)


def replaced(name, values):
    """Puts other values into a column; the first of it are given, the rest stay."""

    def change(table):
        column = table[name].to_pylist()
        column[: len(values)] = values
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.schema.field(name), pa.array(column, table.schema.field(name).type))

    return change


def every_file(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_flipped_bit_in_any_file_is_noticed(copy):
    for path in every_file(copy):
        content = path.read_bytes()
        for place in (0, len(content) // 3, len(content) // 2, len(content) - 2):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(BackupError, match=path.name.replace(".", r"\.")):
                Backup(copy)
        path.write_bytes(content)
    Backup(copy)


def test_a_file_that_is_cut_missing_or_a_link_is_noticed(copy, tmp_path):
    for path in every_file(copy):
        content = path.read_bytes()
        path.write_bytes(content[:-3])
        with pytest.raises(BackupError):
            Backup(copy)
        path.unlink()
        with pytest.raises(BackupError):
            Backup(copy)
        if path.suffix == ".parquet":
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
            with pytest.raises(BackupError, match="is missing, or is a link"):
                Backup(copy)
            path.unlink()
        path.write_bytes(content)
    Backup(copy)


def test_a_folder_that_is_a_link_is_noticed(copy, tmp_path):
    (copy / "state").rename(tmp_path / "state")
    (copy / "state").symlink_to(tmp_path / "state")
    with pytest.raises(BackupError, match="is a link"):
        Backup(copy)


@pytest.mark.parametrize(
    "path",
    [
        "../state/00000.parquet",
        "/etc/passwd",
        "state/../state/00000.parquet",
        "state\\00000.parquet",
        "state/0.parquet",
        "",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(copy, path):
    reseal(copy, lambda data: entry_of(data, STATE).update(path=path))
    with pytest.raises(BackupError, match=r"manifest\.json cannot be used: .*is not 'state/00000\.parquet'"):
        Backup(copy)


FORGED = {
    "a space twice": lambda data: data.update(spaces=data["spaces"] * 2),
    "a path as a space": lambda data: data["spaces"][0].update(name="../../x"),
    "no dimension": lambda data: data["spaces"][0].update(dim=0),
    "a text as dimension": lambda data: data["spaces"][0].update(dim="384"),
    "a table twice": lambda data: data["tables"].append(data["tables"][0]),
    "no documents": lambda data: data["tables"].pop(0),
    "another order": lambda data: data["tables"].reverse(),
    "an unknown table": lambda data: data["tables"][0].update(kind="users"),
    "too many rows": lambda data: data["tables"][0].update(rows=10**9),
    "less than no rows": lambda data: entry_of(data, STATE).update(rows=-1),
    "a size that is no integer": lambda data: entry_of(data, STATE).update(bytes=1e99),
    "more than there is": lambda data: data.update(extra="x"),
    "tables that are none": lambda data: data.update(tables={}),
    "no catalogue": lambda data: data.pop("catalog"),
    "tables of no space": lambda data: data.update(spaces=[]),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_manifest_that_is_not_one_of_ours_is_refused(copy, what):
    reseal(copy, FORGED[what])
    with pytest.raises(BackupError, match="manifest.json cannot be used"):
        Backup(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b'{"format": "nearclass backup"}'])
def test_a_manifest_that_is_something_else_is_refused(copy, content):
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(BackupError, match=r"manifest\.json"):
        Backup(copy)


def test_a_backup_of_another_version_says_what_to_do(copy):
    reseal(copy, lambda data: data.update(format_version=2))
    with pytest.raises(BackupError, match="format version 2, and this nearclass reads version 1") as caught:
        Backup(copy)
    assert "pip install --upgrade nearclass" in caught.value.hint
    reseal(copy, lambda data: data.update(format_version=1, schema_version=2))
    with pytest.raises(SchemaMismatchError, match="has schema version 2, and this nearclass reads version 1"):
        Backup(copy)
    reseal(copy, lambda data: data.update(schema_version=0))
    with pytest.raises(SchemaMismatchError) as caught:
        Backup(copy)
    assert caught.value.hint.startswith("Restore it with nearclass ")


OTHER_COLUMNS = {
    "one less": lambda table: table.drop_columns(["title"]),
    "one more": lambda table: table.append_column("more", pa.array([1] * len(table))),
    "of another type": lambda table: table.set_column(0, "key", pa.array([b"0" * 32] * len(table))),
}


@pytest.mark.parametrize("what", OTHER_COLUMNS)
def test_other_columns_are_refused_before_anything_is_written(copy, what):
    rewrite(copy, items_path(copy), OTHER_COLUMNS[what])
    with pytest.raises(BackupError, match="has other columns"):
        Backup(copy)


def test_rows_that_the_manifest_does_not_know_are_refused(copy):
    path = items_path(copy)
    rewrite(copy, path, lambda table: table)
    pq.write_table(pq.read_table(copy / path).slice(1), copy / path)
    content = (copy / path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    reseal(copy, lambda data: entry_of(data, path).update(bytes=len(content), sha256=digest))
    with pytest.raises(BackupError, match=r"has \d+ rows, and the manifest says"):
        Backup(copy)


def test_a_file_that_unpacks_beyond_measure_is_refused_unread(copy):
    def grow(table):
        return replaced("text", ["x" * 3_000_000])(table.slice(0, 1))

    rewrite(copy, items_path(copy), grow, compression="zstd")
    with pytest.raises(BackupError, match=r"unpacks \d+ bytes for 1 rows"):
        Backup(copy)


KEY = "0123456789abcdef0123456789abcdef"


STRANGE = {
    "a key with quotes": ("key", 'x"] or key != "', "is not one that nearclass makes"),
    "a key of another": ("key", KEY, "is another one's"),
    "an id of another": ("item_id", "another", "is another one's"),
    "a long text": ("title", "x" * 60_001, "has a value of 60001 bytes, and at most 60000"),
    "a list": ("attributes", "[1]", "is not a document"),
    "no json": ("attributes", "{", "cannot be read"),
    "a zero vector": ("vector", [0.0] * 384, "is a zero vector"),
    "no numbers": ("vector", [float("nan")] * 384, "NaN or infinity"),
    "no number": ("score", float("inf"), "a finite number"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_value_that_cannot_be_ours_is_named_and_the_catalogue_stays_closed(copy, empty, what):
    name, value, said = STRANGE[what]
    rewrite(copy, items_path(copy), replaced(name, [value]))
    with pytest.raises((BackupError, StoreError), match=said):
        restore(empty, "shop", Backup(copy))
    with pytest.raises(StoreError, match="is not whole"):
        CatalogReader(empty, "shop")


def test_two_rows_of_one_key_are_noticed(copy, empty):
    rewrite(copy, items_path(copy), lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(StoreError, match=r"\d+ rows were to be in 'shop', and \d+ are there"):
        restore(empty, "shop", Backup(copy))
    with pytest.raises(StoreError, match="is not whole"):
        CatalogReader(empty, "shop")


NO_SPACES = {
    "nothing": {},
    "only a name": {"name": "Resnet"},
    "another name": {"name": "x", "kind": "text", "dim": 5, "fingerprint": "", "encoder": "", "details": {}},
}


@pytest.mark.parametrize("what", NO_SPACES)
def test_a_space_that_is_not_described_is_refused(copy, what):
    def change(table):
        kinds, names = table["kind"].to_pylist(), table["name"].to_pylist()
        bodies = table["body"].to_pylist()
        bodies[list(zip(kinds, names, strict=True)).index(("space", "Resnet"))] = orjson.dumps(NO_SPACES[what]).decode()
        return replaced("body", bodies)(table)

    rewrite(copy, STATE, change)
    with pytest.raises(BackupError, match="the document of the space 'Resnet' is not one"):
        Backup(copy)


def test_a_key_that_would_let_somebody_in_is_refused(copy):
    row = {"key": key_of("api_key", "0"), "kind": "api_key", "name": "0", "revision": 0, "body": "{}"}
    rewrite(copy, STATE, lambda table: pa.concat_tables([table, pa.Table.from_pylist([row], schema=table.schema)]))
    with pytest.raises(BackupError, match="a document of kind 'api_key' is no part of a backup"):
        Backup(copy)


def test_an_honest_rewrite_is_taken(copy, empty):
    """So that the refusals above are of what was changed, and not of the rewriting."""
    numbers = count()
    for path in (items_path(copy), STATE):
        rewrite(copy, path, lambda table: table, row_group_size=7 + next(numbers))
    restore(empty, "shop", Backup(copy))
    reader = CatalogReader(empty, "shop")
    assert all(
        np.isfinite(row["vector"]).all() for table in reader.tables() for page in reader.pages(table) for row in page
    )
