"""Filters as an engine's expression: every value escaped, every field name checked.

The client builds expressions for ``ids=`` without escaping, so nothing here or elsewhere uses it.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

from ..errors import StoreError
from ..schemas.filters import All, AnyOf, Attribute, Compare, Filter, In, Scalar

__all__ = ["matches_nothing", "only_keys", "render", "split"]

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)

_OPERATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""The escapes every engine reads; Milvus Lite knows no other (lexer of 3.2.2) and takes the rest as it is."""

_INT64: Final = 2**63

MAX_VALUES: Final = 8192
"""Values of one ``in`` list sent at a time; half the 16,384 rows that a server returns to one query."""


def render(where: Filter | None) -> str:
    """Expression for a filter; empty for no filter.

    Raises:
        StoreError: A field name, an operator or a value cannot be part of an expression.
    """
    match where:
        case None:
            return ""
        case Compare(field, op, value):
            if op not in _OPERATORS:
                raise StoreError(f"unknown operator {op!r} in a filter", hint=f"use one of {sorted(_OPERATORS)}")
            return f"{_field(field)} {op} {_literal(value)}"
        case In(field, values):
            return f"{_field(field)} in [{', '.join(map(_literal, values))}]"
        case All(parts):
            return " and ".join(f"({text})" for text in map(render, parts) if text)
        case AnyOf(parts):
            texts = [render(part) for part in parts if not matches_nothing(part)]
            return " or ".join(f"({text})" for text in texts) if all(texts) else ""
    raise StoreError(f"not a filter: {where!r}")


def matches_nothing(where: Filter | None) -> bool:
    """Whether a filter asks for one of no values, so that asking an engine would be a waste or worse."""
    match where:
        case In(_, values):
            return not values
        case All(parts):
            return any(matches_nothing(part) for part in parts)
        case AnyOf(parts):
            return all(matches_nothing(part) for part in parts)
    return False


def only_keys(where: Filter | None) -> bool:
    """Whether a filter is nothing but a list of keys, which an embedded engine answers without a scan."""
    return isinstance(where, In) and where.field == "key"


def split(where: Filter | None, size: int = MAX_VALUES) -> Iterator[Filter | None]:
    """Filters with short lists that together match the same rows, each row once.

    >>> [part.values for part in split(In("key", ["a", "b", "a", "c"]), size=2)]
    [('a', 'b'), ('c',)]
    """
    match where:
        case In():
            yield from _split_in(where, size)
        case All(parts):
            yield from _split_all(list(parts), size)
        case _:
            yield where


def _split_all(parts: list[Filter], size: int) -> Iterator[Filter]:
    for position, long in enumerate(parts):
        if isinstance(long, In) and len(long.values) > size:
            for part in _split_in(long, size):
                yield from _split_all([*parts[:position], part, *parts[position + 1 :]], size)
            return
    yield All(tuple(parts))


def _split_in(where: In, size: int) -> Iterator[In]:
    # Repeated values would repeat rows: an engine answers a list of keys one by one.
    unique = tuple(dict.fromkeys(where.values))
    for start in range(0, len(unique), size):
        yield In(where.field, unique[start : start + size])


def _field(field: str | Attribute) -> str:
    if isinstance(field, Attribute):
        return f"attributes[{_literal(field.key)}]"
    if not isinstance(field, str) or not _FIELD.fullmatch(field):
        raise StoreError(
            f"not a field name: {field!r}",
            hint="a name has letters, digits and '_', and starts with no digit",
        )
    return field


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not -_INT64 < value < _INT64:
            raise StoreError(f"integer {value} in a filter does not fit into 64 bits")
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(float(value))
    raise StoreError(f"{value!r} cannot be compared with in a filter", hint="use a text, a number or a bool")


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StoreError(f"text {value!r} in a filter is not valid Unicode: {error.reason}") from error
    return f'"{value.translate(_ESCAPES)}"'
