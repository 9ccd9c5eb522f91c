"""The nearest classes to a vector: one seam, two implementations with the same answers.

``MilvusSearch`` asks the classes collection; ``MirrorSearch`` holds an exact copy of it in this process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..store import Store

__all__ = ["ClassHits", "ClassSearch", "MilvusSearch", "MirrorSearch"]

_SCORES_AT_ONCE: Final = 4_000_000
"""Scores held at a time by the mirror: 16 MB of float32, which stays in a processor's cache."""

_SPARE: Final = 8
"""Candidates fetched beyond k, so that ties at the cut and small biases can be put in order."""


@dataclass(frozen=True, slots=True)
class ClassHits:
    """The nearest classes of n vectors.

    Attributes:
        class_ids: For each vector at most k ids, best first; equal scores stand in the order of their ids.
        scores: Shape (n, k), float32, in the same order: inner product plus the bias of the class. Where there
            are fewer than k classes, k is their number; where an engine found fewer, minus infinity fills the row.
    """

    class_ids: list[list[str]]
    scores: NDArray[np.float32]


class ClassSearch(Protocol):
    """Finds the classes nearest to given vectors."""

    def search(self, vectors: NDArray[np.float32], k: int) -> ClassHits:
        """The k nearest classes of each vector; ``vectors`` has shape (n, dim) and unit rows."""
        ...


class MirrorSearch:
    """Exact search over a copy of the class vectors."""

    def __init__(self, class_ids: Sequence[str], vectors: NDArray[np.float32], biases: NDArray[np.float32]) -> None:
        order = sorted(range(len(class_ids)), key=lambda index: class_ids[index])
        self._ids = [class_ids[index] for index in order]
        self._vectors = np.ascontiguousarray(vectors[order].T)
        self._biases = biases[order]

    def __len__(self) -> int:
        return len(self._ids)

    def search(self, vectors: NDArray[np.float32], k: int) -> ClassHits:
        """The k nearest classes of each vector, exactly."""
        k = min(k, len(self._ids))
        ids: list[list[str]] = []
        scores = np.empty((len(vectors), k), np.float32)
        step = max(1, _SCORES_AT_ONCE // max(1, len(self._ids)))
        for start in range(0, len(vectors), step):
            part = vectors[start : start + step] @ self._vectors
            part += self._biases
            best = _top(part, k)
            scores[start : start + step] = np.take_along_axis(part, best, axis=1)
            ids.extend([self._ids[column] for column in row] for row in best.tolist())
        return ClassHits(ids, scores)


def _top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns of the k highest scores of each row, best first, equal ones by column; shape (n, k)."""
    width = min(k + _SPARE, scores.shape[1])
    if width == scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.sort(np.argpartition(scores, -width, axis=1)[:, -width:], axis=1)
    values = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(found, order[:, :k], axis=1)
    # More equal scores at the cut than were fetched: only a full sort knows which columns come first.
    tied = np.flatnonzero(np.take_along_axis(values, order[:, k - 1 : k], axis=1)[:, 0] == values.min(axis=1))
    for row in tied:
        best[row] = np.argsort(-scores[row], kind="stable")[:k]
    return best


class MilvusSearch:
    """Search in the classes collection itself: exact on the embedded engine, ANN on servers."""

    def __init__(self, store: Store, collection: str, class_count: int, highest_bias: float = 0.0) -> None:
        """Search ``collection``, which has ``class_count`` rows with no bias above ``highest_bias``."""
        self._store = store
        self._collection = collection
        self._count = class_count
        self._highest = highest_bias

    def search(self, vectors: NDArray[np.float32], k: int) -> ClassHits:
        """The k nearest classes of each vector, as the engine finds them."""
        k = min(k, self._count)
        ids: list[list[str]] = [[] for _ in vectors]
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        todo = np.arange(len(vectors))
        width = min(k + _SPARE, self._count)
        while len(todo):
            found = self._store.search(self._collection, vectors[todo], width, fields=("class_id", "bias"))
            left: list[int] = []
            for row, hits in zip(todo.tolist(), found, strict=True):
                ranked = sorted((-(hit.score + hit.fields["bias"]), hit.fields["class_id"]) for hit in hits)[:k]
                # Whatever was not fetched has a product no higher than the last hit's: with the highest bias it
                # could still come in, or tie with the k-th, unless it stays below that.
                complete = len(ranked) == k and hits[-1].score + self._highest < -ranked[-1][0]
                if not complete and width < self._count:
                    left.append(row)
                    continue
                ids[row] = [class_id for _, class_id in ranked]
                scores[row, : len(ranked)] = [-negative for negative, _ in ranked]
            todo = np.asarray(left, np.int64)
            width = min(width * 4, self._count)
        return ClassHits(ids, scores)
