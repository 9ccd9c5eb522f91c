"""Rows of a table as columns of a Parquet file, and back, to the bit.

Documents are JSON texts, and an absent number is a null. The constant vector of tables that have none, because every
collection must have one, is left out. Coming back, columns are taken for what anybody may have written: each value is
held to its type and its bound before it becomes a Python object.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from ..errors import BackupError
from ..schemas.collections import ABSENT, MAX_ID_BYTES, MAX_JSON_BYTES, FieldSpec, FieldType
from ..store.copying import Row, Table
from ..store.state import STATE_VECTOR

__all__ = ["from_batch", "max_row_bytes", "schema_of", "to_table"]

_KEY: Final = re.compile("[0-9a-f]{32}")
_KEY_FIELD: Final = FieldSpec("key", FieldType.TEXT, MAX_ID_BYTES)


def schema_of(table: Table) -> Any:
    """The ``pyarrow.Schema`` of a table's files."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    types = {FieldType.TEXT: pa.string(), FieldType.INT: pa.int64(), FieldType.FLOAT: pa.float64()}
    fields = [
        pa.field(one.name, types.get(one.type, pa.string()), nullable=one.type is FieldType.FLOAT)
        for one in (_KEY_FIELD, *table.spec.fields)
    ]
    if table.space is not None:
        fields.append(pa.field("vector", pa.list_(pa.field("element", pa.float32(), nullable=False), table.spec.dim)))
    return pa.schema(fields)


def to_table(table: Table, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as a ``pyarrow.Table`` of that schema."""
    import pyarrow as pa  # noqa: PLC0415

    schema = schema_of(table)
    arrays = []
    for field in (_KEY_FIELD, *table.spec.fields):
        values = [row[field.name] for row in rows]
        if field.type is FieldType.JSON:
            values = [orjson.dumps(value).decode() for value in values]
        elif field.type is FieldType.FLOAT:
            values = [None if value <= ABSENT else value for value in values]
        arrays.append(pa.array(values, schema.field(field.name).type))
    if table.space is not None:
        numbers = pa.array(np.concatenate([row["vector"] for row in rows]).astype(np.float32, copy=False))
        arrays.append(pa.FixedSizeListArray.from_arrays(numbers, type=schema.field("vector").type))
    return pa.Table.from_arrays(arrays, schema=schema)


def max_row_bytes(table: Table) -> int:
    """The most that one row may take in memory: what a file claims beyond it is not ours."""
    bounds = {FieldType.JSON: MAX_JSON_BYTES, FieldType.INT: 8, FieldType.FLOAT: 8}
    fields = sum(bounds.get(field.type, field.max_bytes) + 16 for field in (_KEY_FIELD, *table.spec.fields))
    return fields + 4 * table.spec.dim + 64


def from_batch(table: Table, batch: Any) -> list[Row]:
    """Rows of a ``pyarrow.RecordBatch`` of that schema.

    Raises:
        BackupError: A value cannot be one of ours; the column is named.
    """
    columns = {field.name: _values(field, batch.column(field.name)) for field in (_KEY_FIELD, *table.spec.fields)}
    strange = next((key for key in columns["key"] if not _KEY.fullmatch(key)), None)
    if strange is not None:
        raise BackupError(f"key {strange[:80]!r} is not one that nearclass makes")
    columns["vector"] = [STATE_VECTOR] * len(batch) if table.space is None else _vectors(table, batch.column("vector"))
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(field: FieldSpec, column: Any) -> list[Any]:
    import pyarrow.compute as pc  # noqa: PLC0415

    if column.null_count and field.type is not FieldType.FLOAT:
        raise BackupError(f"column {field.name!r} has {column.null_count} nulls")
    if field.type is FieldType.FLOAT:
        return [ABSENT if value is None else value for value in column.to_pylist()]
    if field.type is FieldType.INT:
        return list(column.to_pylist())
    bound = MAX_JSON_BYTES if field.type is FieldType.JSON else field.max_bytes
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest > bound:
        raise BackupError(f"column {field.name!r} has a value of {longest} bytes, and at most {bound} are allowed")
    try:
        texts = column.to_pylist()
        return texts if field.type is FieldType.TEXT else [_document(text) for text in texts]
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise BackupError(f"column {field.name!r} has a value that cannot be read: {error}") from error


def _document(text: str) -> dict[str, Any]:
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise BackupError(f"{text[:80]!r} is not a document")
    return value


def _vectors(table: Table, column: Any) -> list[Any]:
    numbers = column.flatten()
    if column.null_count or numbers.null_count:
        raise BackupError("column 'vector' has nulls")
    return list(numbers.to_numpy(zero_copy_only=False).reshape(-1, table.spec.dim))
