"""Whether the database finds the classes that an exact search finds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..query.search import ClassHits, MilvusSearch, MirrorSearch
from ..store import Store
from ..store.spaces import SpaceCollections
from .finding import Finding, ok, warning

__all__ = ["agreement", "class_rows", "class_search"]

_SAMPLE: Final = 200
_ENOUGH: Final = 0.99

_SAME_SCORE: Final = 1e-4
"""Two scores nearer than this are one: engines add up in another order."""


def class_rows(store: Store, place: SpaceCollections) -> list[dict[str, Any]]:
    """The stored class vectors of a space, with their ids and biases."""
    if store.resolve(place.classes) is None:
        return []
    pages = store.scan(place.classes, fields=("class_id", "bias", "vector"))
    return [row for page in pages for row in page]


def class_search(store: Store, place: SpaceCollections, rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How often Milvus gives the class that an exact search gives, for a sample of the class vectors."""
    name = f"class search {place.space.name}"
    vectors = np.stack([row["vector"] for row in rows]).astype(np.float32)
    biases = np.asarray([row["bias"] for row in rows], np.float32)
    chosen = np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.int64))
    asked = vectors[chosen] / np.maximum(np.linalg.norm(vectors[chosen], axis=1, keepdims=True), 1e-12)
    ids = [row["class_id"] for row in rows]
    exact = MirrorSearch(ids, vectors, biases).search(asked, 1)
    found = MilvusSearch(store, place.classes, ids, biases).search(asked, 1)
    share = agreement(exact, found)
    said = f"Milvus agrees with the exact search on {share:.1%} of {len(asked)} of {len(rows)} class vectors"
    if share >= _ENOUGH:
        return ok(name, said)
    return warning(name, said, "export NEARCLASS_CLASS_SEARCH=mirror, and let the server rebuild its index")


def agreement(exact: ClassHits, found: ClassHits) -> float:
    """Share of the searches whose best class is the same, or another one that is as near.

    >>> hits = ClassHits([["a"], ["b"]], np.asarray([[1.0], [0.9]], np.float32))
    >>> agreement(hits, ClassHits([["a"], ["c"]], np.asarray([[1.0], [0.5]], np.float32)))
    0.5
    """
    pairs = zip(exact.class_ids, found.class_ids, exact.scores[:, 0], found.scores[:, 0], strict=True)
    same = [ours == theirs or abs(best - other) < _SAME_SCORE for ours, theirs, best, other in pairs]
    return sum(map(bool, same)) / len(same)
