"""Rows checked before they are sent, a column at a time, and cut into batches that every engine takes.

Engines disagree about what is wrong: Milvus Lite stores NaN and counts characters, servers refuse and count
bytes. So nothing that any of them would refuse, change or store wrongly leaves this module.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from ..errors import StoreError
from ..schemas.collections import MAX_ID_BYTES, MAX_JSON_BYTES, CollectionSpec, FieldSpec, FieldType
from .layout import KEY, VECTOR

__all__ = ["Vectors", "batches", "check_queries"]

Vectors = np.ndarray[Any, np.dtype[np.float32]]

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""An eighth of the 64 MiB that a server takes in one message (measured on 2.3.5)."""

MAX_BATCH_ROWS: Final = 16_384
"""The most rows a server handles in one request (Milvus documentation, limits)."""

_INT64_MAX: Final = 2**63 - 1

_Column = tuple[list[Any], list[int]]
"""Values ready to send, and the bytes of each."""


def batches(spec: CollectionSpec, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Rows ready to send and their size in bytes, batch by batch; of rows with one key, the last.

    Every row is checked before the first batch is made, so that a bad row leaves nothing half written.

    Raises:
        StoreError: A field is missing, unknown or out of its bounds; names the field, the key, the value, the
        bound.
    """
    rows = _last_of_each_key(spec, rows)
    if not rows:
        return
    keys = [row[KEY] for row in rows]
    columns = {KEY: _texts(FieldSpec(KEY, FieldType.TEXT, MAX_ID_BYTES), keys, keys)}
    columns[VECTOR] = _vectors(spec.dim, [row[VECTOR] for row in rows], keys)
    for field in spec.fields:
        columns[field.name] = _CHECKS[field.type](field, [row[field.name] for row in rows], keys)
    sizes = np.sum([size for _, size in columns.values()], axis=0)
    names = list(columns)
    ready = zip(*(values for values, _ in columns.values()), strict=True)
    for length in _cuts(sizes):
        batch = [dict(zip(names, next(ready), strict=True)) for _ in range(length)]
        yield batch, int(sizes[:length].sum())
        sizes = sizes[length:]


def check_queries(vectors: Any) -> Vectors:
    """The vectors to search for as (n, dim) float32.

    Raises:
        StoreError: They have another shape, or one of them is zero or not finite.
    """
    matrix = np.asarray(vectors, dtype=np.float32)
    if matrix.ndim != 2:
        raise StoreError(f"vectors to search for must have the shape (n, dim), not {matrix.shape}")
    _check_matrix(matrix, lambda position: f"query {position}")
    return matrix


def _last_of_each_key(spec: CollectionSpec, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    names = {KEY, VECTOR, *spec.field_names}
    for row in rows:
        if row.keys() != names:
            missing, unknown = sorted(names - row.keys()), sorted(map(str, row.keys() - names))
            raise StoreError(
                f"row {row.get(KEY)!r} does not fit {spec.kind!r}: missing {missing}, unknown {unknown}",
                hint="every field must be given; an absent text is '', an absent number is ABSENT",
            )
    return list({row[KEY]: row for row in rows}.values())


def _cuts(sizes: np.ndarray[Any, Any]) -> Iterator[int]:
    """Lengths of batches, each as long as the limits allow and at least one row."""
    start = 0
    ends = np.cumsum(sizes)
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        fit = int(np.searchsorted(ends, before + MAX_BATCH_BYTES, side="right"))
        end = min(max(fit, start + 1), start + MAX_BATCH_ROWS)
        yield end - start
        start = end


def _vectors(dim: int, values: list[Any], keys: list[Any]) -> _Column:
    try:
        matrix = np.array(values, dtype=np.float32)
    except (ValueError, TypeError):
        matrix = np.empty((0, 0), dtype=np.float32)
    if matrix.shape != (len(keys), dim):
        position = next((i for i, value in enumerate(values) if np.shape(value) != (dim,)), 0)
        raise _wrong(VECTOR, keys[position], f"shape {np.shape(values[position])}", f"({dim},) numbers")
    _check_matrix(matrix, lambda position: f"field {VECTOR!r} of key {keys[position]!r}")
    return list(matrix), [dim * 4] * len(keys)


def _check_matrix(matrix: Vectors, name: Callable[[int], str]) -> None:
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        position = int(np.argmin(finite))
        raise StoreError(f"{name(position)} has NaN or infinity in it; every number must be finite")
    nonzero = matrix.any(axis=1)
    if not nonzero.all():
        raise StoreError(f"{name(int(np.argmin(nonzero)))} is a zero vector, which is near to nothing")


def _texts(field: FieldSpec, values: list[Any], keys: list[Any]) -> _Column:
    sizes = []
    for value, key in zip(values, keys, strict=True):
        if not isinstance(value, str):
            raise _wrong(field.name, key, value, "a text")
        try:
            sizes.append(len(value.encode("utf-8")))
        except UnicodeEncodeError as error:
            raise _wrong(field.name, key, value, f"valid Unicode ({error.reason})") from error
    if max(sizes) > field.max_bytes:
        position = int(np.argmax(sizes))
        size = f"{sizes[position]} bytes in UTF-8: {values[position][:40]!r}..."
        raise _wrong(field.name, keys[position], size, f"at most {field.max_bytes} bytes")
    if field.name == KEY and not all(values):
        raise _wrong(KEY, "", "", "at least one character")
    return values, sizes


def _integers(field: FieldSpec, values: list[Any], keys: list[Any]) -> _Column:
    plain = []
    for value, key in zip(values, keys, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise _wrong(field.name, key, value, "an integer")
        if not -_INT64_MAX <= value <= _INT64_MAX:
            raise _wrong(field.name, key, value, f"an integer from -{_INT64_MAX} to {_INT64_MAX}")
        plain.append(int(value))
    return plain, [8] * len(plain)


def _floats(field: FieldSpec, values: list[Any], keys: list[Any]) -> _Column:
    plain = []
    for value, key in zip(values, keys, strict=True):
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise _wrong(field.name, key, value, "a finite number")
        plain.append(float(value))
    return plain, [8] * len(plain)


def _documents(field: FieldSpec, values: list[Any], keys: list[Any]) -> _Column:
    sizes = []
    for value, key in zip(values, keys, strict=True):
        if not isinstance(value, dict):
            raise _wrong(field.name, key, value, "a mapping")
        try:
            text = orjson.dumps(value)
        except (TypeError, ValueError) as error:
            raise _wrong(field.name, key, value, f"valid JSON ({error})") from error
        # The encoder writes NaN and infinity as null, which would be read back as something else.
        if b"null" in text and not _finite(value):
            raise _wrong(field.name, key, value, "JSON without NaN and infinity")
        if len(text) > MAX_JSON_BYTES:
            raise _wrong(field.name, key, f"{len(text)} bytes of JSON", f"at most {MAX_JSON_BYTES} bytes")
        sizes.append(len(text))
    return values, sizes


def _finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_finite, value.values()))
        case list() | tuple():
            return all(map(_finite, value))
    return True


def _wrong(field: str, key: Any, value: Any, bound: str) -> StoreError:
    shown = value if isinstance(value, str) else repr(value)
    return StoreError(f"field {field!r} of key {key!r} must be {bound}, not {shown[:120]}")


_CHECKS: Final[dict[FieldType, Callable[[FieldSpec, list[Any], list[Any]], _Column]]] = {
    FieldType.TEXT: _texts,
    FieldType.INT: _integers,
    FieldType.FLOAT: _floats,
    FieldType.JSON: _documents,
}
