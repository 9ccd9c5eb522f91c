"""Stored items by description or by picture, where a catalogue has items in two spaces: one list, each item once."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.filters import Filter
from .items import Found, ItemReader

__all__ = ["search_items"]

_RANK: Final = 60
"""Added to every rank, so that the first places of one list do not outweigh all others (Cormack, Clarke and Buettcher,
Reciprocal rank fusion outperforms Condorcet and individual rank learning methods, SIGIR 2009)."""

_LEAST_DEPTH: Final = 50
"""How far down the lists are read at least: an item that is tenth in both goes before one that is fifth in one."""


def search_items(
    lookups: Sequence[tuple[ItemReader, NDArray[np.float32]]], k: int, *, where: Filter | None = None
) -> list[Found]:
    """The k items that the lookups together find nearest, nearest first; ties stand in the order of their ids.

    A single lookup gives its own order. Similarities of two spaces cannot be compared, so of several the ranks are
    fused: an item scores the sum of 1 / (60 + rank) over the lists that it is in. Its ``similarity`` is the one of the
    list in which it stands highest.

    Args:
        lookups: The items of a space, and a unit vector in that space, shape (dim,).
        k: How many items.
        where: Condition that items must meet.
    """
    if len(lookups) == 1:
        reader, vector = lookups[0]
        return reader.search(vector, k, where=where)
    scores: dict[str, float] = {}
    best: dict[str, tuple[int, Found]] = {}
    for reader, vector in lookups:
        for rank, found in enumerate(reader.search(vector, max(k, _LEAST_DEPTH), where=where), 1):
            scores[found.id] = scores.get(found.id, 0.0) + 1 / (_RANK + rank)
            if found.id not in best or rank < best[found.id][0]:
                best[found.id] = (rank, found)
    order = sorted(scores, key=lambda item_id: (-scores[item_id], item_id))
    return [best[item_id][1] for item_id in order[:k]]
