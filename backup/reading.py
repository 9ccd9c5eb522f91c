"""A backup that is on its way back: every file checked before the first row is used."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import BackupError, NearclassError
from ..schemas.collections import key_of
from ..schemas.spaces import Space
from ..store.copying import STATE, VERSIONS, Row, Table, is_opening
from .columns import from_batch, max_row_bytes, schema_of
from .manifest import LEFT_OUT, FileEntry, Manifest, TableEntry, digest_of

__all__ = ["Backup"]

_BATCH_ROWS: Final = 500
_MOST_GROUP_ROWS: Final = 100_000
_MOST_GROUP_BYTES: Final = 1 << 30
"""Of one row group unpacked; a page of 1000 items of the longest texts has some 300 MB."""

_KINDS: Final = ("text", "image", "precomputed")
_SPACE: Final = "space"
_KEYED: Final[Mapping[str, tuple[str, ...]]] = {
    STATE: ("kind", "name"),
    VERSIONS: ("scope", "entity_id"),
    "classes": ("class_id",),
    "items": ("item_id",),
}
"""Fields that the key of a row is made of, where they are stored."""


class Backup:
    """A folder with a backup, whose files are those that its manifest names.

    Attributes:
        manifest: What it holds.
        folder: Where it is.
        spaces: The spaces, as the documents describe them.
        opening: Body of the document that every open of the catalogue reads first.
    """

    def __init__(self, folder: str | Path, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        """Check every file of a folder; ``on_bytes`` is called with the size of each.

        Raises:
            BackupError: A file is missing, damaged or not one of ours; it is named.
            SchemaMismatchError: The backup is of a layout that this version does not read.
        """
        self.folder = Path(folder).expanduser().absolute()
        self.manifest = Manifest.read(self.folder)
        root = self.folder.resolve()
        for file in self.manifest.files:
            _check_file(self.folder / file.path, root / file.path, file)
            on_bytes(file.bytes)
        self.opening: Mapping[str, Any] = {}
        self.spaces = self._read_spaces()
        self.tables = [(self._table(entry), entry) for entry in self.manifest.tables]
        for table, entry in self.tables:
            for file in entry.files:
                self._check_layout(table, file)

    def rows(self, table: Table, file: FileEntry) -> Iterator[list[Row]]:
        """The rows of a file, some at a time.

        Raises:
            BackupError: A row cannot be one of ours; the file is named.
        """
        path, keyed = self.folder / file.path, _KEYED.get(table.kind)
        try:
            for batch in _opened(path).iter_batches(batch_size=_BATCH_ROWS):
                rows = from_batch(table, batch)
                if keyed is not None:
                    _check_keys(rows, keyed)
                yield rows
        except BackupError as error:
            raise BackupError(f"{path}: {error.message}", hint=error.hint) from error
        except NearclassError:
            raise
        except Exception as error:  # pyarrow raises whatever its decoders do
            raise BackupError(f"{path} is damaged: {error}") from error

    def _read_spaces(self) -> list[Space]:
        """The spaces of the manifest, with what the documents say of them."""
        state = next(entry for entry in self.manifest.tables if entry.kind == STATE)
        found: dict[str, Space] = {}
        for file in state.files:
            self._check_layout(Table(STATE), file)
            for rows in self.rows(Table(STATE), file):
                _check_kinds(rows)
                found |= {row["name"]: _space(row) for row in rows if row["kind"] == _SPACE}
                self.opening = next((row["body"] for row in rows if is_opening(row)), self.opening)
        wanted = [(space.name, space.dim) for space in self.manifest.spaces]
        if sorted(wanted) != sorted((space.name, space.dim) for space in found.values()):
            message = f"{self.folder}: the spaces of the manifest are not those of the documents"
            raise BackupError(message)
        return [found[name] for name, _ in wanted]

    def _table(self, entry: TableEntry) -> Table:
        return Table(entry.kind, next((one for one in self.spaces if one.name == entry.space), None))

    def _check_layout(self, table: Table, file: FileEntry) -> None:
        path = self.folder / file.path
        opened = _opened(path)
        if not opened.schema_arrow.equals(schema_of(table)):
            raise BackupError(f"{path} has other columns than a table of {table.kind}")
        if opened.metadata.num_rows != file.rows:
            raise BackupError(f"{path} has {opened.metadata.num_rows} rows, and the manifest says {file.rows}")
        for number in range(opened.metadata.num_row_groups):
            group = opened.metadata.row_group(number)
            most = min(_MOST_GROUP_BYTES, (group.num_rows + 1) * max_row_bytes(table))
            if group.num_rows > _MOST_GROUP_ROWS or group.total_byte_size > most:
                message = f"{path} unpacks {group.total_byte_size} bytes for {group.num_rows} rows, which is not ours"
                raise BackupError(message)


def _check_file(path: Path, real: Path, file: FileEntry) -> None:
    try:
        if not path.is_file() or path.resolve() != real:
            raise BackupError(f"{path} is missing, or is a link", hint="Take another copy of the backup.")
        size = path.stat().st_size
        if size != file.bytes or digest_of(path) != file.sha256:
            message = f"{path} is damaged: its size or its checksum is not that of the manifest"
            raise BackupError(message, hint="Take another copy of the backup; nothing was written.")
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except Exception as error:  # pyarrow raises whatever its decoders do
        raise BackupError(f"{path} is not Parquet, or is damaged: {error}") from error


def _check_keys(rows: list[Row], fields: tuple[str, ...]) -> None:
    for row in rows:
        if row["key"] != key_of(*(row[field] for field in fields)):
            raise BackupError(f"the key of {row[fields[-1]]!r} is another one's")


def _check_kinds(rows: list[Row]) -> None:
    strange = next((row["kind"] for row in rows if row["kind"] in LEFT_OUT), None)
    if strange is not None:
        raise BackupError(f"a document of kind {strange!r} is no part of a backup: somebody else put it there")


def _space(row: Row) -> Space:
    body = row["body"]
    texts = all(isinstance(body.get(name), str) for name in ("name", "kind", "fingerprint", "encoder"))
    known = texts and body["name"] == row["name"] and body["kind"] in _KINDS
    if not known or type(body.get("dim")) is not int or not isinstance(body.get("details"), dict):
        raise BackupError(f"the document of the space {row['name']!r} is not one that nearclass makes")
    return Space.from_dict(body)
