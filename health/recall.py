"""How many of the nearest stored items the engine's search finds, against an exact search over all of them."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..store import Hit, Store
from .finding import Finding, ok, warning

__all__ = ["Recall", "item_recall", "measure"]

_SAMPLE: Final = 200
_DEPTH: Final = 10
_PAGE: Final = 10_000
"""Rows scored at a time: 15 MB of vectors in 384 dimensions."""

_ENOUGH: Final = 0.99
"""Of the nearest item; of the ten nearest 0.95."""

_ENOUGH_OF_TEN: Final = 0.95
_SAME_SCORE: Final = 1e-4
"""Two scores nearer than this are one: engines add up in another order."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What a sample of searches found.

    Attributes:
        items: How many items are stored.
        searches: How many were searched for, each stored itself and not counted among its own hits.
        nearest: Share of them whose nearest other item was found first.
        nearest_ten: Share of their ten nearest others that were among the ten found.
        search_ms: Time of one search in the middle, in milliseconds, each made alone.
    """

    items: int
    searches: int
    nearest: float
    nearest_ten: float
    search_ms: float


def item_recall(store: Store, collection: str, space: str) -> Finding:
    """What ``doctor --recall`` says of the items of a space."""
    name = f"recall {space}"
    found = measure(store, collection)
    if found is None:
        return ok(name, "fewer than two items are stored, so there is nothing to find")
    said = (
        f"of {found.searches} of {found.items} items, the nearest other one is found for {found.nearest:.1%} "
        f"(recall@1) and {found.nearest_ten:.1%} of the {_DEPTH} nearest (recall@{_DEPTH}); "
        f"{found.search_ms:.1f} ms a search"
    )
    if found.nearest >= _ENOUGH and found.nearest_ten >= _ENOUGH_OF_TEN:
        return ok(name, said)
    fix = "Let the server finish its index, or give it a larger M and efConstruction in autoIndex.params.build."
    return warning(name, said, fix)


def measure(store: Store, collection: str) -> Recall | None:
    """Searches for a sample of the stored vectors, by the engine and exactly; None for fewer than two items.

    Keys are digests, so that those first in order are a random sample.
    """
    if store.resolve(collection) is None:
        return None
    sample = store.query(collection, fields=("vector",), limit=_SAMPLE)
    items = store.count(collection)
    if items < 2:
        return None
    keys = [row["key"] for row in sample]
    asked = np.stack([row["vector"] for row in sample])
    exact = _exact(store, collection, keys, asked)
    found, times = [], []
    for vector in asked:
        started = time.perf_counter()
        found += store.search(collection, vector[None, :], _DEPTH + 1)
        times.append(time.perf_counter() - started)
    shares = [_shares(key, hits, best) for key, hits, best in zip(keys, found, exact, strict=True)]
    nearest, nearest_ten = np.mean(shares, axis=0).tolist()
    return Recall(items, len(keys), nearest, nearest_ten, float(np.median(times)) * 1000)


def _exact(store: Store, collection: str, keys: list[str], asked: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ten highest scores of each vector with other rows, shape (n, 10), falling; minus infinity for no row."""
    best = np.full((len(asked), _DEPTH), -np.inf, np.float32)
    place = {key: row for row, key in enumerate(keys)}
    for page in store.scan(collection, fields=("vector",), page=_PAGE):
        scores = asked @ np.stack([row["vector"] for row in page]).T
        for column, row in enumerate(page):
            if row["key"] in place:
                scores[place[row["key"]], column] = -np.inf
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :_DEPTH]
    return best


def _shares(key: str, hits: list[Hit], best: NDArray[np.float32]) -> tuple[float, float]:
    """Of one search, whether the nearest was found, and the share of the ten nearest; by score, as ties are as good.

    >>> _shares("a", [Hit("a", 1.0, {}), Hit("b", 0.5, {})], np.array([0.7, 0.5, -np.inf], np.float32))
    (0.0, 0.5)
    """
    scores = [hit.score for hit in hits if hit.key != key][: len(best)]
    wanted = best[np.isfinite(best)]
    first = bool(scores) and scores[0] >= wanted[0] - _SAME_SCORE
    among = sum(bool(score >= wanted[-1] - _SAME_SCORE) for score in scores)
    return float(first), among / len(wanted)
