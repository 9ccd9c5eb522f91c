"""The stored items that are first by a number, without reading all: the most doubtful of 100,000, say.

Engines return no rows in the order of a field. But keys are digests, so the rows of the smallest keys are a sample
taken by chance, and its smallest values say which value some hundred of all rows stay below. Only those are read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..schemas.collections import ABSENT
from ..schemas.filters import All, Compare, Filter, In
from ..store import Store

__all__ = ["SORTS", "ranked"]

SORTS: Final[Mapping[str, tuple[str, bool]]] = {
    "margin": ("margin", False),
    "score": ("score", False),
    "confidence": ("confidence", False),
    "updated": ("updated_at", True),
}
"""What items are sorted by: the field, and whether the highest value comes first; the most doubtful and the latest."""

_SAMPLE: Final = 1000
_STEP: Final = 8
"""From one bound to the next, should rows be too few: so many times further into the sample."""

_PRESENT: Final = ABSENT / 2
"""Between the number that stands for none and every real one."""


def ranked(
    store: Store,
    sides: Sequence[tuple[str, Filter | None]],
    sort: str,
    limit: int,
    fields: Sequence[str],
    *,
    reverse: bool = False,
) -> list[Mapping[str, Any]]:
    """The rows that come first, those without the number last, ties in order of the keys.

    Args:
        store: Where they are.
        sides: Collections, and which rows of each.
        sort: One of ``SORTS``.
        limit: Rows at most.
        fields: What to return of each, ``key`` among them or not.
        reverse: Whether to take the other end.
    """
    field, highest = SORTS[sort]
    highest ^= reverse
    found: list[tuple[float, str, str]] = []
    for collection, where in sides:
        found += [
            (value, key, collection) for value, key in _first(store, collection, where, field, limit, highest=highest)
        ]
    found.sort(key=lambda one: (-one[0] if highest else one[0], one[1]))
    places = [(collection, key) for _, key, collection in found[:limit]]
    for collection, where in sides:
        if len(places) < limit:
            absent = _and(where, Compare(field, "<", _PRESENT))
            rows = store.query(collection, where=absent, fields=(), limit=limit - len(places))
            places += [(collection, row["key"]) for row in rows]
    return _whole(store, places, fields)


def _first(
    store: Store, collection: str, where: Filter | None, field: str, limit: int, *, highest: bool
) -> list[tuple[float, str]]:
    """Value and key of rows that have the number, the first ``limit`` of them among these."""
    there = _and(where, Compare(field, ">", _PRESENT))
    size = max(_SAMPLE, limit)
    sample = store.query(collection, where=there, fields=(field,), limit=size)
    if len(sample) == size:
        values = sorted((row[field] for row in sample), reverse=highest)
        place, rows = 0, sample
        while place < size:
            bound = Compare(field, ">=" if highest else "<=", values[place])
            rows = store.query(collection, where=_and(there, bound), fields=(field,))
            if len(rows) >= limit:
                break
            place = place * _STEP + 1
        else:
            rows = store.query(collection, where=there, fields=(field,))
        sample = rows
    return [(row[field], str(row["key"])) for row in sample]


def _whole(store: Store, places: Sequence[tuple[str, str]], fields: Sequence[str]) -> list[Mapping[str, Any]]:
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    for collection in dict.fromkeys(collection for collection, _ in places):
        keys = [key for one, key in places if one == collection]
        for row in store.query(collection, where=In("key", keys), fields=fields):
            rows[collection, str(row["key"])] = row
    return [rows[place] for place in places if place in rows]  # one may have been deleted meanwhile


def _and(where: Filter | None, condition: Filter) -> Filter:
    return condition if where is None else All([where, condition])
