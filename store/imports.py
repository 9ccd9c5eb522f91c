"""Milvus' own import: files of rows that the server reads by itself, far quicker than rows that are sent.

One file is one job, and a server works on many jobs at a time; of one job with many files most was done by one node
(milvus discussion 50872, before 2.6). Rows are not compared with those that are there: two rows of one key are both
kept, so an import goes into a new collection, and each key comes once. A job is submitted through the same connection
as everything else, by a call that 2.3.5 takes Parquet with (tried).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import StoreError, UsageError
from ..schemas.collections import CollectionSpec
from .layout import schema_of
from .rows import batches
from .session import Session

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["ImportJob", "Imports", "write_import_files"]

_FILE_BYTES: Final = 512 << 20
"""Of rows in memory before they become a file: a segment of a server has as much (``dataCoord.segment.maxSize``)."""

_DONE: Final = "Completed"
_FAILED: Final = ("Failed", "Failed and cleaned")


@dataclass(frozen=True, slots=True)
class ImportJob:
    """Where a job stands.

    Attributes:
        done: Whether all its rows are imported.
        failed: Why it failed; empty where it did not.
        rows: Imported, once it is done.
    """

    done: bool
    failed: str
    rows: int


class Imports:
    """Import jobs of one store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def missing(self, collection: str) -> str:
        """Why this engine cannot import; empty where it can."""
        session, timeout_s = self._session, self._session.timeout_s
        if session.lite:
            return f"{session.version} has no import"
        call = partial(_list, collection=collection, timeout_s=timeout_s)
        try:
            session.read("list imports of", collection, call)
        except StoreError as error:
            return f"{session.version} does not import: {error.message}"
        return ""

    def submit(self, collection: str, path: str) -> int:
        """Begin to import a file, which the server reads by itself; the number of the job.

        Args:
            collection: Its name, and no alias.
            path: In the server's bucket; the full path where it stores in files.

        Raises:
            StoreError: The server does not take it.
        """
        timeout_s = self._session.timeout_s
        call = partial(_submit, collection=collection, path=path, timeout_s=timeout_s)
        return self._session.write(f"import {path} into", collection, call)

    def job(self, number: int) -> ImportJob:
        """Where a job stands.

        Raises:
            StoreError: The server does not know it.
        """
        timeout_s = self._session.timeout_s
        state: Any = self._session.read(
            "look at the import", str(number), lambda c: _rpc(c).get_bulk_insert_state(number, timeout=timeout_s)
        )
        reason = state.infos.get(state.FAILED_REASON, "")
        failed = (reason or "the server does not say why") if state.state_name in _FAILED else ""
        return ImportJob(state.state_name == _DONE, failed, int(state.row_count))


def write_import_files(
    spec: CollectionSpec, pages: Iterable[Sequence[Mapping[str, Any]]], folder: Path
) -> list[tuple[Path, int]]:
    """Rows as files that a server imports, each with how many it has; most often one, none of no rows.

    Args:
        spec: Layout of the collection.
        pages: Whole rows, some at a time, checked here as before an upsert; each key once.
        folder: Where the files are put.

    Raises:
        UsageError: The writer is not installed.
        StoreError: A row does not fit.
    """
    try:
        from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        message = "the writer of import files is not installed"
        raise UsageError(message, hint='Type: pip install "nearclass[bulk]"') from error
    for name in ("bulk_writer", "pymilvus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    form = BulkFileType.PARQUET
    with LocalBulkWriter(schema_of(spec), str(folder), chunk_size=_FILE_BYTES, file_type=form) as writer:
        for row in (row for page in pages for batch, _ in batches(spec, page) for row in batch):
            writer.append_row(row)
        writer.commit()
        return [(Path(file), _rows(Path(file))) for files in writer.batch_files for file in files]


def _rows(file: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    return int(pq.read_metadata(file).num_rows)


def _list(client: "MilvusClient", *, collection: str, timeout_s: float) -> None:
    _rpc(client).list_bulk_insert_tasks(1, collection, timeout=timeout_s)


def _submit(client: "MilvusClient", *, collection: str, path: str, timeout_s: float) -> int:
    return int(_rpc(client).do_bulk_insert(collection, "", [path], timeout=timeout_s))


def _rpc(client: "MilvusClient") -> Any:
    """The calls that the client has and does not offer (pymilvus 3.0.2)."""
    return client._get_connection()  # noqa: SLF001
