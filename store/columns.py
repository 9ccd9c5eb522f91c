"""Collections read where the embedded engine has them, instead of through its server.

For every row of an answer the server makes a mapping of all its columns, whatever was asked for, sends it as a message,
and makes it again: 14 s for 40,000 items, and twice that where they are read in the order of their keys. Read where
they lie, in this process's memory, they take a thirtieth.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from ..errors import StoreError
from .layout import KEY, VECTOR

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PAGE", "Columns", "Row", "Snapshot", "of_rows"]

Row = dict[str, Any]
Columns = dict[str, Any]
"""Values by field, all of one length: lists of texts, numbers and documents, the vectors as (n, dim) float32."""

PAGE: Final = 16_384
"""Rows at a time: what a server returns at most, and 25 MB of vectors in 384 dimensions."""


def of_rows(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> Columns:
    """Columns of rows that were read one by one; ``key`` is always among them."""
    columns: Columns = {name: [row[name] for row in rows] for name in dict.fromkeys((KEY, *fields))}
    if VECTOR in columns and rows:
        columns[VECTOR] = np.stack(columns[VECTOR])
    return columns


class Snapshot:
    """The rows of an open collection of the embedded engine that a query would find now; they stay as they are.

    Its files, its unwritten rows and its deletions are taken together, as its own ``Collection.query`` does
    (milvus-lite 3.2.2), so nobody may write to it until this is made.
    """

    def __init__(self, collection: Any, expressions: Sequence[str]) -> None:
        """Those rows that one of the expressions matches, of which an empty one matches all."""
        from milvus_lite.search.bitmap import build_valid_mask  # noqa: PLC0415  # Costs a second to import.

        segments, deleted = collection._read_snapshot()  # noqa: SLF001  # No public way.
        memory = collection._memtable  # noqa: SLF001
        keys, marks, vectors, _, table = memory.to_search_snapshot(vector_field=VECTOR, include_table=True)
        sources = [(one.pks, one.seqs, one.vectors, one.table) for one in segments if one.num_rows]
        sources += [(keys, marks, vectors, table)] if keys else []
        self._tables = [(stored, matrix) for _, _, matrix, stored in sources]
        self._starts = np.cumsum([0, *(len(one) for one, _, _, _ in sources)])
        self._keys = [key for one, _, _, _ in sources for key in one]
        self._live = np.empty(0, np.int64)
        if sources:
            every = np.concatenate([one for _, one, _, _ in sources])
            found = _matched(collection, [one for one, _ in self._tables], expressions)
            mask = build_valid_mask(self._keys, every, deleted, filter_mask=found, memtable=memory)
            self._live = np.flatnonzero(mask)
        self._documents = {field.name for field in collection.schema.fields if field.dtype.value == "json"}

    def columns(self, fields: Sequence[str], page: int) -> Iterator[Columns]:
        """Every row, in pages of columns and in no order."""
        for number in range(len(self._tables)):
            rows = self._of(number, self._live)
            for at in range(0, len(rows), page):
                yield self._taken(number, rows[at : at + page], fields)

    def rows(self, fields: Sequence[str], page: int) -> Iterator[list[Row]]:
        """Every row, in pages and in order of the keys."""
        keys = self._keys
        places = np.asarray(sorted(self._live.tolist(), key=keys.__getitem__), np.int64)
        for at in range(0, len(places), page):
            some = places[at : at + page]
            made: dict[str, Row] = {}
            for number in range(len(self._tables)):
                columns = self._taken(number, self._of(number, some), fields)
                values = zip(*columns.values(), strict=True)
                made |= {row[0]: dict(zip(columns, row, strict=True)) for row in values}
            yield [made[keys[place]] for place in some.tolist()]

    def _of(self, number: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of one table that are among these places."""
        start, end = self._starts[number : number + 2].tolist()
        found: NDArray[np.int64] = places[(places >= start) & (places < end)] - start
        return found

    def _taken(self, number: int, rows: NDArray[np.int64], fields: Sequence[str]) -> Columns:
        table, vectors = self._tables[number]
        columns: Columns = {}
        if missing := set(fields) - set(table.column_names):
            message = f"there is no field {min(missing)!r}; there are {sorted(table.column_names)}"
            raise StoreError(message)
        for name in dict.fromkeys((KEY, *fields)):
            if name == VECTOR:
                columns[name] = np.asarray(vectors[rows], np.float32)
                continue
            values = table.column(name).take(rows).to_pylist()
            columns[name] = list(map(orjson.loads, values)) if name in self._documents else values
        return columns


def _matched(collection: Any, tables: "Sequence[pa.Table]", expressions: Sequence[str]) -> NDArray[np.bool_] | None:
    """Which rows of the tables match, None for all; as the engine's own query finds out."""
    from milvus_lite.search.filter import evaluate_mask  # noqa: PLC0415  # Costs a second to import.

    if "" in expressions:
        return None
    filters = [collection._compile_filter(one) for one in expressions]  # noqa: SLF001  # No public way.
    return np.concatenate([np.any([evaluate_mask(one, table) for one in filters], axis=0) for table in tables])
