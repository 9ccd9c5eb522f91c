"""Stored items that no class fits to groups of items that may be classes; pure computation.

Items are centred on all stored ones, and joined by average linkage: two groups become one as long as their items have,
on average, more in common than unrelated items ever have. What that is, is measured on the stored items themselves,
so that it means the same in every space. The number of groups is not asked for. What else was tried is in
``docs/benchmarks.md``; figures by ``bench/discovery.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .arrays import evenly
from .naming import names

__all__ = ["EXAMPLES", "MIN_SIZE", "Group", "discover"]

MIN_SIZE: Final = 5
"""Items of the smallest group by default."""
EXAMPLES: Final = 8
"""Items that stand for a group, at most."""

_SPREADS: Final = 3.3
"""How many standard deviations above unrelated pairs the mean similarity within a group is. With MiniLM that is a
cosine of about 0.3 between centred items. Of the classes taken away from two catalogues, three times each, with 0.35,
0.3, 0.25 and 0.2 as the least similarity are found: of 30 intents 20, 23, 23, 23; of some 84 product classes 43, 46,
37, 32."""
_BOUNDS: Final = (0.15, 0.5)
"""Of the least similarity, where the pairs are too few or too much alike to measure it."""
_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation. The median does not see the few
pairs that belong together."""
_SURVEYED: Final = 1500
_LINKED: Final = 6000
"""Items that are linked, which takes 36 million similarities; of more, the others join the groups these make."""
_FEW: Final = 50
"""Items that count for the origin in the centre: that of a handful of items would be the centre of a group."""
_SAME: Final = 0.95
"""Cosine of centred items above which one says no more than the other."""

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Items that may be a class of their own.

    Attributes:
        rows: Places of its items, the most central first.
        centre: Their mean, scaled to length 1, shape (dim,).
        cohesion: Mean cosine of its items to the centre.
        examples: Places of central items that are no duplicates, the most central first.
        name: A phrase of its items that is rare in others; empty where they have no words in common.
        terms: More of those, the most telling first.
    """

    rows: Rows
    centre: Floats
    cohesion: float
    examples: Rows
    name: str
    terms: tuple[str, ...]


def discover(
    vectors: Floats, texts: Sequence[str], others: Floats, other_texts: Sequence[str], min_size: int = MIN_SIZE
) -> list[Group]:
    """Groups among items that no class fits, the largest first; the same ones for the same items in the same order.

    Args:
        vectors: Unit vectors of the items, shape (n, dim).
        texts: Their canonical texts; empty where there are none.
        others: Unit vectors of other stored items, shape (m, dim); they say what is usual.
        other_texts: The texts of these.
        min_size: Items of the smallest group, 2 at least.
    """
    if len(vectors) < min_size:
        return []
    centred = _centred(vectors, others)
    labels = _linked(centred, _least_similarity(centred, _centred(others, vectors)), min_size)
    parts = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    parts.sort(key=lambda rows: (-len(rows), int(rows[0])))
    named = names([[texts[row] for row in rows.tolist()] for rows in parts], [*other_texts, *_left(texts, labels)])
    return [_group(vectors, centred, texts, rows, found) for rows, found in zip(parts, named, strict=True)]


def _centred(vectors: Floats, others: Floats) -> Floats:
    total = vectors.sum(axis=0, dtype=np.float64) + others.sum(axis=0, dtype=np.float64)
    moved = vectors - (total / (len(vectors) + len(others) + _FEW)).astype(np.float32)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), np.float32)


def _least_similarity(items: Floats, others: Floats) -> float:
    """What the items of a group have in common at least, on average; measured on pairs of any items."""
    every = np.concatenate([items, others]) if len(others) else items
    some = every[evenly(len(every), _SURVEYED)]
    pairs = (some @ some.T)[np.triu_indices(len(some), 1)]
    middle = float(np.median(pairs))
    spread = _NORMAL * float(np.median(np.abs(pairs - middle)))
    return float(np.clip(middle + _SPREADS * spread, *_BOUNDS))


def _linked(items: Floats, least: float, min_size: int) -> Rows:
    """The group of each item, from 0 without gaps, -1 for none."""
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415 - slow to import

    some = evenly(len(items), _LINKED)
    linked = items[some]
    distances = np.maximum(1 - (linked @ linked.T)[np.triu_indices(len(linked), 1)], 0)
    labels = np.full(len(items), -1)
    labels[some] = _large(fcluster(linkage(distances, "average"), 1 - least, "distance") - 1, min_size)
    rest = np.setdiff1d(np.arange(len(items)), some)
    if len(rest) and labels.max() >= 0:
        means = np.stack([items[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        similarity = items[rest] @ means.T
        labels[rest] = np.where(similarity.max(axis=1) >= least, similarity.argmax(axis=1), -1)
    return labels


def _large(labels: Rows, min_size: int) -> Rows:
    counts = np.bincount(labels)
    numbers = np.where(counts >= min_size, np.cumsum(counts >= min_size) - 1, -1)
    return np.asarray(numbers[labels], np.int64)


def _left(texts: Sequence[str], labels: Rows) -> list[str]:
    return [text for text, label in zip(texts, labels.tolist(), strict=True) if label < 0]


def _group(vectors: Floats, centred: Floats, texts: Sequence[str], rows: Rows, terms: tuple[str, ...]) -> Group:
    mean = vectors[rows].mean(axis=0)
    centre = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
    near = vectors[rows] @ centre
    ordered = rows[np.lexsort((rows, -near))]
    chosen: list[int] = []
    seen: set[str] = set()
    for row in ordered.tolist():
        text = texts[row].casefold()
        if text in seen or (chosen and float((centred[chosen] @ centred[row]).max()) > _SAME):
            continue
        chosen.append(row)
        seen.add(text)
        if len(chosen) == EXAMPLES:
            break
    name = terms[0] if terms else ""
    return Group(ordered, centre, float(near.mean()), np.asarray(chosen, np.int64), name, terms[1:])
