"""Arrow columns to Python values."""

from typing import Any, NamedTuple

from .rows import MAX_ROW_BYTES, Code

__all__ = ["Unreadable", "column_values"]


class Unreadable(NamedTuple):
    """Stands where a cell cannot be given.

    Attributes:
        code: Stable reason in snake_case.
        message: The reason in words.
    """

    code: str
    message: str


def column_values(column: Any) -> list[Any]:
    """Return the cells of an Arrow array; lists of floats as float32 arrays, times to the microsecond.

    Raises:
        pyarrow.ArrowException: The data is damaged.
    """
    import pyarrow as pa  # noqa: PLC0415  only where it is needed

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return column_values(column.storage) if not _known_extension(kind) else _cells(column)
    if _is_list(kind) and pa.types.is_floating(kind.value_type):
        return _vectors(column)
    if pa.types.is_dictionary(kind):
        if len(column.dictionary) > 4 * len(column):
            return column_values(column.dictionary_decode())
        words = column_values(column.dictionary)
        return [None if index is None else words[index] for index in column.indices.to_pylist()]
    if coarser := _coarser(kind):
        column = column.cast(coarser, safe=False)
    cells = _cells(column)
    if column.nbytes > MAX_ROW_BYTES:
        cells = [_bounded(cell) for cell in cells]
    return cells


def _cells(column: Any) -> list[Any]:
    try:
        cells: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, ArithmeticError, KeyError, OSError):  # some cell, so one by one
        return [_cell(scalar) for scalar in column]
    return cells


def _cell(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return Unreadable(Code.BAD_ENCODING, f"a text is not valid UTF-8: {error.reason} at {error.start}")
    except (ValueError, OverflowError, ArithmeticError, KeyError, OSError) as error:
        return Unreadable(Code.BAD_VALUE, f"a {scalar.type} is out of range: {error}")


def _bounded(cell: Any) -> Any:
    if isinstance(cell, (str, bytes)) and len(cell) > MAX_ROW_BYTES:
        return Unreadable(Code.ROW_TOO_LARGE, "a cell is over 16 MiB")
    return cell


def _vectors(column: Any) -> list[Any]:
    import numpy as np  # noqa: PLC0415  only where it is needed

    if hasattr(column, "offsets"):
        bounds = column.offsets.to_numpy(zero_copy_only=False).tolist()
    else:
        size = column.type.list_size
        bounds = [size * (column.offset + row) for row in range(len(column) + 1)]
    first = bounds[0]
    inner = column.values.slice(first, bounds[-1] - first)
    with np.errstate(over="ignore"):
        values = inner.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    pairs = zip(bounds, bounds[1:], column.is_valid().to_pylist(), strict=False)
    return [values[begin - first : end - first] if valid else None for begin, end, valid in pairs]


def _is_list(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415  only where it is needed

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _known_extension(kind: Any) -> bool:
    return str(getattr(kind, "extension_name", "")) in {"arrow.uuid", "arrow.json", "arrow.bool8"}


def _coarser(kind: Any) -> Any:
    """Return the type in microseconds for one in nanoseconds, which datetime does not have."""
    import pyarrow as pa  # noqa: PLC0415  only where it is needed

    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if kind == pa.time64("ns") else None
