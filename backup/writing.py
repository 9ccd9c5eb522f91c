"""A catalogue into a folder: the tables file by file, then the manifest."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ..errors import BackupError
from ..schemas.collections import SCHEMA_VERSION
from ..store import Store
from ..store.copying import STATE, VERSIONS, CatalogReader, Row, Table, changed_meanwhile
from .columns import schema_of, to_table
from .manifest import LEFT_OUT, FileEntry, Manifest, SpaceEntry, TableEntry, digest_of, file_path

__all__ = ["back_up"]

FILE_ROWS: Final = 100_000
"""Rows in one file: a restore that was cut off does at most one file again."""

_ATTEMPTS: Final = 3


def back_up(
    store: Store, catalog: str, folder: str | Path, on_rows: Callable[[int], None] = lambda _: None
) -> Manifest:
    """Write everything that a catalogue has into a new folder, a page at a time.

    Classes, what was learnt and calibrations are of one moment: where they change meanwhile, it begins anew. Items are
    whole each; of those that are written meanwhile some may be missing, and some may be there.

    Args:
        store: Where the catalogue is.
        catalog: Its name.
        folder: A folder that is empty or not there; its parents are made.
        on_rows: Called with the number of rows after each page.

    Raises:
        BackupError: The folder is not empty, or cannot be written.
        StoreError: There is no such catalogue, or it did not hold still.
    """
    reader, target = CatalogReader(store, catalog), Path(folder).expanduser().absolute()
    made = _claim(target)
    try:
        made_by = f"nearclass {version('nearclass')}, {store.engine}"
        return _steady(_Folder(target, reader, catalog, made_by), on_rows)
    except BaseException as error:  # also Ctrl-C: nothing is left that another attempt would stumble over
        _clear(target)
        if made:
            with contextlib.suppress(OSError):  # somebody else put something there
                target.rmdir()
        if isinstance(error, OSError):
            message = f"the backup {target} cannot be written: {error.strerror or error}"
            raise BackupError(message, hint="Nothing is left of it; free some space or name another folder.") from error
        raise


def _steady(folder: "_Folder", on_rows: Callable[[int], None]) -> Manifest:
    """Fill the folder until what was read is of one moment."""
    for _ in range(_ATTEMPTS):
        mark = folder.reader.mark()
        manifest = folder.fill(on_rows)
        if folder.reader.mark() == mark:
            sealed = manifest.write(folder.path)
            _sync_folders(folder.path)
            return sealed
        _clear(folder.path)
    raise changed_meanwhile(f"the catalogue {folder.catalog!r}")


class _Folder:
    """The tables of a catalogue on their way into a folder."""

    def __init__(self, folder: Path, reader: CatalogReader, catalog: str, made_by: str) -> None:
        self.path = folder
        self.reader = reader
        self.catalog = catalog
        self._made_by = made_by
        self._spaces = reader.spaces

    def fill(self, on_rows: Callable[[int], None]) -> Manifest:
        """Write every table; the manifest that goes with them, without its checksum."""
        revision = self.reader.revision
        tables = [self._table(table, on_rows) for table in self.reader.tables()]
        return Manifest(
            schema_version=SCHEMA_VERSION,
            catalog=self.catalog,
            revision=revision,
            made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            made_by=self._made_by,
            spaces=[SpaceEntry(name=space.name, dim=space.dim) for space in self._spaces],
            tables=tables,
        )

    def _table(self, table: Table, on_rows: Callable[[int], None]) -> TableEntry:
        files: list[FileEntry] = []
        pages = self._pages(table, on_rows)
        while (first := next(pages, None)) is not None:
            files.append(self._file(table, len(files), first, pages))
        name = table.space.name if table.space else None
        return TableEntry(kind=table.kind, space=name, rows=sum(file.rows for file in files), files=files)

    def _pages(self, table: Table, on_rows: Callable[[int], None]) -> Iterator[Sequence[Row]]:
        for rows in self.reader.pages(table):
            kept = rows if table.kind != STATE else [row for row in rows if row["kind"] not in LEFT_OUT]
            if kept:
                yield kept
            on_rows(len(rows))

    def _file(self, table: Table, number: int, first: Sequence[Row], pages: Iterator[Sequence[Row]]) -> FileEntry:
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

        place = self._spaces.index(table.space) if table.space else 0
        relative = file_path(table.kind, place, table.space.name if table.space else None, number)
        path = self.path / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        schema, rows = schema_of(table), 0
        # Vectors do not repeat, and texts that do not either are found out after a megabyte.
        words = [name for name in schema.names if name not in {"key", "vector"}]
        with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=words) as writer:
            page: Sequence[Row] | None = first
            while page is not None:
                writer.write_table(to_table(table, page))
                rows += len(page)
                page = next(pages, None) if rows < FILE_ROWS else None
        _sync(path)
        return FileEntry(path=relative, rows=rows, bytes=path.stat().st_size, sha256=digest_of(path))


def _claim(folder: Path) -> bool:
    """Make the folder, or take one that is empty; whether it was made.

    Raises:
        BackupError: There is something in it, or it cannot be made.
    """
    try:
        there = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        inside = sorted(path.name for path in folder.iterdir())
        if not inside:
            (folder / STATE).mkdir()
            return not there
    except OSError as error:
        raise BackupError(f"the folder {folder} cannot be written: {error.strerror or error}") from error
    message = f"the folder {folder} is not empty, it has {inside[0]}"
    raise BackupError(message, hint="Name another folder; nothing is overwritten.")


def _clear(folder: Path) -> None:
    """Remove what this backup has written into a folder that was empty."""
    for name in (STATE, VERSIONS, "spaces"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in folder.glob("manifest.json*"):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folders(folder: Path) -> None:
    """Make the names durable too, where the system lets folders be opened."""
    if os.name == "posix":
        for path in (*(one for one in folder.rglob("*") if one.is_dir()), folder, folder.parent):
            _sync(path)
