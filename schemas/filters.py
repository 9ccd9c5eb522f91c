"""Filters as data: what to match, in no engine's language.

Only the store turns these into an expression, and it escapes every value on the way, so a caller can never write
one by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["All", "AnyOf", "Attribute", "Compare", "Filter", "In", "Operator", "Scalar"]

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key of the open-ended ``attributes`` field of an item."""

    key: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A field, an operator and one value."""

    field: str | Attribute
    op: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """A field that has one of several values; an empty list matches nothing."""

    field: str
    values: Sequence[str | int]


@dataclass(frozen=True, slots=True)
class All:
    """Every part must match."""

    parts: Sequence["Filter"]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part must match."""

    parts: Sequence["Filter"]


Filter = Compare | In | All | AnyOf
