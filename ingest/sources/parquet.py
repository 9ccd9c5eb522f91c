"""Parquet, a few rows at a time."""

import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from ...errors import InputError
from .origin import read_some
from .parquet_values import Unreadable, column_values
from .rows import BadRow, Code, DamagedStreamError, RawRow, clip
from .text import Content

__all__ = ["parquet_columns", "read_parquet"]

_BATCH_ROWS: Final = 64
_FEW_ROWS: Final = 4
_LARGE_ROW: Final = 256 << 10
_MAGIC: Final = b"PAR1"


def parquet_columns(content: Content) -> list[str] | None:
    """Return the names of the columns, or None where the file is too damaged, or not here yet, to tell.

    Raises:
        InputError: It is not Parquet, or names a column twice.
    """
    name = content.origin.name
    if content.packed:
        message = f"{name}: Parquet inside gzip cannot be read"
        raise InputError(message, hint="Unpack it with gunzip first; Parquet is compressed already.")
    if content.origin.peek(4) != _MAGIC:
        message = f"{name}: is not Parquet, whatever its name: it does not begin with PAR1"
        raise InputError(message, hint="Name the format it has, for example --format csv.")
    if not content.origin.seekable:
        return None
    with content.origin.open() as stream:
        try:
            columns: list[str] = list(_open(stream).schema_arrow.names)
        except DamagedStreamError:
            return None
    if twice := {column for column in columns if columns.count(column) > 1}:
        message = f"{name}: has the column {min(twice)!r} more than once"
        raise InputError(message)
    return columns


def read_parquet(content: Content, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each row; ``bytes_read`` is an estimate from the share of rows."""
    with content.origin.open() as opened, _seekable(content, opened) as stream:
        file = _open(stream)
        total = file.metadata.num_rows
        position = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if position + rows > start:
                for row in _read_group(file, group, content.origin.name, position, total):
                    if row.position >= start:
                        yield row
                    content.bytes_read = (content.origin.size or 0) * (row.position + 1) // max(total, 1)
            position += rows


def _read_group(file: Any, group: int, source: str, position: int, total: int) -> Iterator[RawRow | BadRow]:
    batches = _batches(file, group)
    while True:
        with _Damage(position + 1, total):
            batch = next(batches, None)
            if batch is None:
                return
            names = batch.schema.names
            columns = [column_values(column) for column in batch.columns]
        for cells in zip(*columns, strict=True):
            values = dict(zip(names, cells, strict=True))
            problem = next((cell for cell in cells if type(cell) is Unreadable), None)
            if problem is None:
                yield RawRow(values, source, position + 1, position)
            else:
                raw = {name: cell for name, cell in values.items() if type(cell) is not Unreadable}
                yield BadRow(clip(raw), source, position + 1, position, problem.code, problem.message)
            position += 1


def _batches(file: Any, group: int) -> Iterator[Any]:
    """Yield a row group in batches, in small ones where the rows turn out to be large."""
    done = 0
    probe = next(file.iter_batches(batch_size=_FEW_ROWS, row_groups=[group]), ())
    if not _is_large(probe):
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group]):
            done += len(batch)
            if not _is_large(batch):
                yield batch
                continue
            yield from (batch.slice(at, _FEW_ROWS) for at in range(0, len(batch), _FEW_ROWS))
            break
        else:
            return
    batch = None
    for batch in file.iter_batches(batch_size=_FEW_ROWS, row_groups=[group]):
        if done > 0:
            done -= len(batch)
        else:
            yield batch


def _is_large(batch: Any) -> bool:
    return len(batch) > 0 and batch.nbytes > _LARGE_ROW * len(batch)


class _Damage:
    """Turns what pyarrow raises over damaged data into the end of the stream."""

    def __init__(self, row: int, total: int | None) -> None:
        self._row = row
        self._total = total

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception):  # of pyarrow, or of the driver of a remote file
            lost = f"rows {self._row} to {self._total} " if self._total else ""
            message = f"the Parquet data is damaged; {lost}cannot be read: {error}"
            damage = DamagedStreamError(Code.DAMAGED_FILE, message)
            damage.line, damage.position = self._row, self._row - 1
            raise damage from error


def _open(stream: BinaryIO) -> Any:
    import pyarrow.parquet as pq  # noqa: PLC0415  only where it is needed

    with _Damage(1, None):
        return pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False)


def _seekable(content: Content, opened: BinaryIO) -> Any:
    """Return the stream, or a temporary file with its bytes where it cannot be read from its end."""
    if content.origin.seekable:
        return opened
    copy = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    while data := read_some(opened, 1 << 20):
        copy.write(data)
    copy.seek(0)
    return copy
