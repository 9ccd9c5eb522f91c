"""Made items as Parquet: one row group for each chunk, so that they are stored in the chunks they were made in."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from ...schemas.records import Item
from ...schemas.text import clip_bytes
from ..pending import Pending

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PartWriter", "read_chunks", "read_keys"]

_ITEM: Final = ("id", "title", "description", "text", "image", "folder")
_TEXTS: Final = ("key", "canonical", "content_hash", "row_hash", "confirmed", "digest")
_FLAGS: Final = ("pictured", "truncated")
_VECTORS: Final = ("vector", "picture")
_ANSWER_TEXTS: Final = ("decision", "class_id")
_ANSWER_NUMBERS: Final = ("score", "confidence", "margin")


class PartWriter:
    """Writes the items of a shard, chunk by chunk.

    Attributes:
        items: Written so far.
    """

    def __init__(self, path: Path) -> None:
        """Write to a new file."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

        schema = _schema()
        # Vectors of floats hardly get smaller, and looking for equal ones would take as long as writing them.
        packed = {name: "NONE" if name in _VECTORS else "ZSTD" for name in schema.names}
        self.items = 0
        self._writer = pq.ParquetWriter(path, schema, compression=packed, use_dictionary=list(_ANSWER_TEXTS))

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._writer.close()

    def write(self, pending: Sequence[Pending]) -> None:
        """Add the items of a chunk."""
        if pending:
            self._writer.write_table(_table(pending), row_group_size=len(pending))
            self.items += len(pending)


def read_chunks(stream: BinaryIO) -> Iterator[list[Pending]]:
    """The items of a part, in the chunks that they were written in."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    with pq.ParquetFile(stream) as file:
        for group in range(file.metadata.num_row_groups):
            yield _pending(file.read_row_group(group))


def read_keys(stream: BinaryIO) -> Iterator[list[str]]:
    """The keys of the items of a part, in the same chunks."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    with pq.ParquetFile(stream) as file:
        for group in range(file.metadata.num_row_groups):
            yield file.read_row_group(group, columns=["key"])["key"].to_pylist()


def _schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    texts = [(name, pa.string()) for name in (*_ITEM, "attributes", *_TEXTS, *_ANSWER_TEXTS)]
    numbers = [(name, pa.float64()) for name in _ANSWER_NUMBERS]
    vectors = [(name, pa.list_(pa.float32())) for name in _VECTORS]
    return pa.schema([*texts, *((name, pa.bool_()) for name in _FLAGS), *vectors, *numbers, ("revision", pa.int64())])


def _table(pending: Sequence[Pending]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    items = [one.item for one in pending]
    answers: list[dict[str, Any]] = [dict(one.answer or {}) for one in pending]
    columns: dict[str, Any] = {name: [_valid(getattr(item, name)) for item in items] for name in _ITEM}
    columns["attributes"] = [orjson.dumps(dict(item.attributes)).decode() for item in items]
    columns |= {name: [getattr(one, "text" if name == "canonical" else name) for one in pending] for name in _TEXTS}
    columns |= {name: [bool(getattr(one, name)) for one in pending] for name in _FLAGS}
    columns |= {name: [one.get(name) for one in answers] for name in (*_ANSWER_TEXTS, *_ANSWER_NUMBERS, "revision")}
    columns |= {name: _lists([getattr(one, name) for one in pending]) for name in _VECTORS}
    schema = _schema()
    return pa.table([pa.array(columns[name], field.type) for name, field in _fields(schema)], schema=schema)


def _valid(text: str | None) -> str | None:
    """The text as the store would write it: with halves of surrogate pairs replaced."""
    return text if text is None else clip_bytes(text, 4 * len(text))


def _fields(schema: "pa.Schema") -> Iterator[tuple[str, Any]]:
    return ((field.name, field) for field in schema)


def _lists(vectors: Sequence[NDArray[np.float32] | None]) -> "pa.Array":
    """Vectors of shape (dim,), or None, without a detour over numbers of Python."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    there = [np.asarray(one, np.float32) for one in vectors if one is not None]
    lengths = [0 if one is None else len(one) for one in vectors]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    absent = np.asarray([one is None for one in vectors])
    values = np.concatenate(there) if there else np.empty(0, np.float32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), mask=pa.array(absent))


def _arrays(column: "pa.ChunkedArray") -> list[NDArray[np.float32] | None]:
    lists = column.combine_chunks()
    offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy(zero_copy_only=False)
    there = lists.is_valid().to_numpy(zero_copy_only=False)
    ranges = zip(offsets[:-1], offsets[1:], there, strict=True)
    return [values[start:end] if is_there else None for start, end, is_there in ranges]


def _pending(table: "pa.Table") -> list[Pending]:
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in _VECTORS}
    vectors, pictures = (_arrays(table[name]) for name in _VECTORS)
    names = [name for name in columns if name in (*_ANSWER_TEXTS, *_ANSWER_NUMBERS, "revision")]
    made = []
    for row in range(table.num_rows):
        of_row = {name: values[row] for name, values in columns.items()}
        item = Item(**{name: of_row[name] for name in _ITEM}, attributes=orjson.loads(of_row["attributes"]))
        known = {name: of_row[name] for name in ("key", "content_hash", "row_hash", "confirmed", "pictured")}
        answer = None if of_row["revision"] is None else {name: of_row[name] for name in names}
        made.append(
            Pending(
                row,
                item,
                text=of_row["canonical"],
                **known,
                vector=vectors[row],
                truncated=of_row["truncated"],
                digest=of_row["digest"],
                picture=pictures[row],
                answer=answer,
            )
        )
    return made
