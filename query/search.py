"""The nearest classes to a vector: one seam, two implementations with the same answers.

``MilvusSearch`` asks the classes collection; ``MirrorSearch`` holds an exact copy of it in this process. The score of
a class is the inner product, plus its bias, plus what it shares in n-grams with the text of the item, if it has one.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..store import Hit, Store
from .kept import KeptVectors
from .lexical import LexicalIndex

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["ClassHits", "ClassSearch", "MilvusSearch", "MirrorSearch"]

_SCORES_AT_ONCE: Final = 4_000_000
"""Scores held at a time: 16 MB of float32, which stays in a processor's cache."""

_SPARE: Final = 8
"""Candidates fetched beyond k, so that ties at the cut and small biases can be put in order."""

_MOST_CHECKED: Final = 256
"""Classes for one item that are scored here rather than searching wider. Measured on the embedded engine with 8,251
classes and titles of products: 16 in the median, 140 in one item of ten; 64 took twice the time of 256."""

_SETTLED_S: Final = 10.0
"""After so long, class vectors that were there at the beginning are found without asking for strong consistency: a
server's bounded one lags 5 s at most (``common.gracefulTime``)."""

_ROUNDING: Final = 1e-5
"""Sums of the engine and of this process may differ by this much."""


@dataclass(frozen=True, slots=True)
class ClassHits:
    """The nearest classes of n vectors.

    Attributes:
        class_ids: For each vector at most k ids, best first; equal scores stand in the order of their ids.
        scores: Shape (n, k), float32, in the same order. Where there are fewer than k classes, k is their number;
            where an engine found fewer, minus infinity fills the row.
    """

    class_ids: list[list[str]]
    scores: NDArray[np.float32]


class ClassSearch(Protocol):
    """Finds the classes nearest to given vectors."""

    def search(self, vectors: NDArray[np.float32], k: int, features: "csr_matrix | None" = None) -> ClassHits:
        """The k nearest classes of each item.

        Args:
            vectors: Shape (n, dim), unit rows.
            k: How many classes.
            features: Of the texts of the items, as ``learn.lexical.features`` gives them; None for none.
        """
        ...

    def scores(
        self,
        vectors: NDArray[np.float32],
        class_ids: Sequence[Sequence[str]],
        features: "csr_matrix | None" = None,
    ) -> list[NDArray[np.float32]]:
        """The exact scores of named classes, other ones for each item; nan for a class that has no vector.

        Args:
            vectors: Shape (n, dim), unit rows.
            class_ids: For each item the classes to score.
            features: As in ``search``.

        Returns:
            For each item an array of the length of its ``class_ids``.
        """
        ...


class MirrorSearch:
    """Exact search over a copy of the class vectors."""

    def __init__(
        self,
        class_ids: Sequence[str],
        vectors: NDArray[np.float32],
        biases: NDArray[np.float32],
        lexical: LexicalIndex | None = None,
    ) -> None:
        """Search these classes: ``vectors`` of shape (classes, dim), ``biases`` of shape (classes,)."""
        order = sorted(range(len(class_ids)), key=lambda index: class_ids[index])
        self._ids = [class_ids[index] for index in order]
        self._vectors = np.ascontiguousarray(vectors[order].T)
        self._biases = biases[order]
        self._lexical = lexical.only(self._ids) if lexical else None

    def __len__(self) -> int:
        return len(self._ids)

    def search(self, vectors: NDArray[np.float32], k: int, features: "csr_matrix | None" = None) -> ClassHits:
        """The k nearest classes of each item, exactly."""
        k = min(k, len(self._ids))
        ids: list[list[str]] = []
        scores = np.empty((len(vectors), k), np.float32)
        for start, stop in _parts(len(vectors), len(self._ids)):
            part = self._scores(vectors[start:stop], None if features is None else features[start:stop])
            best = _top(part, k)
            scores[start:stop] = np.take_along_axis(part, best, axis=1)
            ids.extend([self._ids[column] for column in row] for row in best.tolist())
        return ClassHits(ids, scores)

    def scores(
        self,
        vectors: NDArray[np.float32],
        class_ids: Sequence[Sequence[str]],
        features: "csr_matrix | None" = None,
    ) -> list[NDArray[np.float32]]:
        """The exact scores of named classes; nan for a class that is not here."""
        place = {class_id: column for column, class_id in enumerate(self._ids)}
        found = []
        for start, stop in _parts(len(vectors), len(self._ids)):
            part = self._scores(vectors[start:stop], None if features is None else features[start:stop])
            part = np.concatenate([part, np.full((len(part), 1), np.nan, np.float32)], axis=1)
            for row, wanted in enumerate(class_ids[start:stop]):
                found.append(part[row, [place.get(class_id, -1) for class_id in wanted]])
        return found

    def _scores(self, vectors: NDArray[np.float32], features: "csr_matrix | None") -> NDArray[np.float32]:
        """Scores of every class, shape (n, classes)."""
        scores: NDArray[np.float32] = vectors @ self._vectors
        scores += self._biases
        if self._lexical is not None and features is not None:
            scores += self._lexical.scores(features).toarray()
        return scores


def _parts(items: int, classes: int) -> list[tuple[int, int]]:
    """Where to cut items so that few scores are held at a time."""
    step = max(1, _SCORES_AT_ONCE // max(1, classes))
    return [(start, min(start + step, items)) for start in range(0, items, step)]


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
    """Search in the classes collection itself: exact on the embedded engine, ANN on servers.

    The engine knows the inner products, this process the biases and the lexical scores of all classes. A class that
    the engine has not named has a product no higher than the last one it named; where that bound, with what the class
    adds of its own, reaches the k-th score, the class is scored exactly, or the search is repeated wider.

    Source:
        The threshold algorithm of Fagin, Lotem and Naor, Optimal aggregation algorithms for middleware, 2003.
    """

    def __init__(
        self,
        store: Store,
        collection: str,
        class_ids: Sequence[str],
        biases: NDArray[np.float32],
        lexical: LexicalIndex | None = None,
    ) -> None:
        """Search ``collection``, whose rows are these classes with these biases, shape (classes,)."""
        order = sorted(range(len(class_ids)), key=lambda index: class_ids[index])
        self._store = store
        self._collection = collection
        self._ids = [class_ids[index] for index in order]
        self._columns = {class_id: column for column, class_id in enumerate(self._ids)}
        self._biases = biases[order]
        self._lexical = lexical.only(self._ids) if lexical else None
        self._vectors = KeptVectors(store, collection)
        self._settled_at = time.monotonic() + _SETTLED_S

    def search(self, vectors: NDArray[np.float32], k: int, features: "csr_matrix | None" = None) -> ClassHits:
        """The k nearest classes of each item, of those that the engine finds."""
        k = min(k, len(self._ids))
        ids: list[list[str]] = []
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        for start, stop in _parts(len(vectors), len(self._ids)):
            added = self._added(stop - start, None if features is None else features[start:stop])
            for row, ranked in enumerate(self._ranked(vectors[start:stop], added, k), start):
                ids.append([class_id for _, class_id in ranked])
                scores[row, : len(ranked)] = [-negative for negative, _ in ranked]
        return ClassHits(ids, scores)

    def scores(
        self,
        vectors: NDArray[np.float32],
        class_ids: Sequence[Sequence[str]],
        features: "csr_matrix | None" = None,
    ) -> list[NDArray[np.float32]]:
        """The exact scores of named classes; nan for a class that is not in the collection."""
        found: list[NDArray[np.float32]] = []
        for start, stop in _parts(len(vectors), len(self._ids)):
            added = self._added(stop - start, None if features is None else features[start:stop])
            read = self._vectors.of({class_id for wanted in class_ids[start:stop] for class_id in wanted})
            for row, wanted in enumerate(class_ids[start:stop]):
                known = [class_id for class_id in wanted if class_id in read and class_id in self._columns]
                of_item: dict[str, float] = {}
                if known:
                    of_item = self._exact(
                        known, np.stack([read[one] for one in known]), vectors[start + row], added[row]
                    )
                found.append(np.asarray([of_item.get(class_id, np.nan) for class_id in wanted], np.float32))
        return found

    def _added(self, n: int, features: "csr_matrix | None") -> NDArray[np.float32]:
        """What each class adds to the inner product with each of n items, shape (n, classes)."""
        added: NDArray[np.float32] = np.tile(self._biases, (n, 1))
        if self._lexical is not None and features is not None:
            added += self._lexical.scores(features).toarray()
        return added

    def _ranked(
        self, vectors: NDArray[np.float32], added: NDArray[np.float32], k: int
    ) -> list[list[tuple[float, str]]]:
        """For each item at most k negative scores with their classes, best first.

        Args:
            vectors: Shape (n, dim).
            added: What each class adds to the inner product, shape (n, classes).
            k: How many classes, at most as many as there are.
        """
        found: list[dict[str, float]] = [{} for _ in vectors]
        unsure: dict[int, list[str]] = {}
        todo = list(range(len(vectors)))
        width = min(k + _SPARE, len(self._ids))
        while todo:
            fresh = time.monotonic() < self._settled_at
            answers = self._store.search(
                self._collection, vectors[todo], width, fields=("class_id", "bias"), strong=fresh
            )
            wider = []
            for row, hits in zip(todo, answers, strict=True):
                found[row] = self._scored(hits, added[row])
                others = self._within_reach(found[row], hits, added[row], k)
                if len(others) > _MOST_CHECKED:
                    wider.append(row)
                elif others:
                    # The named ones too: sums of the engine and of this process differ in the last bits.
                    unsure[row] = [*others, *found[row]]
            todo = wider if width < len(self._ids) else []
            width = min(width * 4, len(self._ids))
        read = self._vectors.of({class_id for class_ids in unsure.values() for class_id in class_ids})
        for row, class_ids in unsure.items():
            known = [class_id for class_id in class_ids if class_id in read and class_id in self._columns]
            if known:
                found[row] |= self._exact(known, np.stack([read[one] for one in known]), vectors[row], added[row])
        return [sorted((-score, class_id) for class_id, score in of_item.items())[:k] for of_item in found]

    def _exact(
        self,
        class_ids: Sequence[str],
        of_classes: NDArray[np.float32],
        vector: NDArray[np.float32],
        added: NDArray[np.float32],
    ) -> dict[str, float]:
        # In double precision, so that equal classes score the same bits and stand in the order of their ids.
        products = (of_classes.astype(np.float64) @ vector.astype(np.float64)).astype(np.float32)
        scores = products + added[[self._columns[class_id] for class_id in class_ids]]
        return dict(zip(class_ids, scores.tolist(), strict=True))

    def _scored(self, hits: Sequence[Hit], added: NDArray[np.float32]) -> dict[str, float]:
        scores = {}
        for hit in hits:
            class_id = hit.fields["class_id"]
            column = self._columns.get(class_id)
            # A class that another process added a moment ago has nothing but its bias.
            scores[class_id] = hit.score + (hit.fields["bias"] if column is None else float(added[column]))
        return scores

    def _within_reach(
        self, scored: Mapping[str, float], hits: Sequence[Hit], added: NDArray[np.float32], k: int
    ) -> list[str]:
        """Classes that the engine has not named and that may be among the first k, or tie with them, all the same."""
        if len(scored) >= len(self._ids):
            return []
        highest = hits[-1].score if hits else np.inf
        needed = sorted(scored.values(), reverse=True)[k - 1] if len(scored) >= k else -np.inf
        columns = np.flatnonzero(added >= needed - highest - _ROUNDING)
        return [self._ids[column] for column in columns.tolist() if self._ids[column] not in scored]
