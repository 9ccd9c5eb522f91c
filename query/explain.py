"""Why an item went where it went: the evidence of the best class, nearest first."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.filters import In
from ..schemas.pictures import kept_reference
from ..schemas.records import Evidence, EvidenceKind
from ..store import Store

__all__ = ["EvidenceReader", "NoEvidence"]

_KEPT_CLASSES: Final = 20_000
_MOST_PIECES: Final = 3
_CLASSES_PER_QUERY: Final = 500


@dataclass(frozen=True, slots=True)
class _ClassEvidence:
    kinds: list[EvidenceKind]
    texts: list[str]
    vectors: NDArray[np.float32]


class EvidenceReader:
    """Reads evidence from Milvus as classes come up, and keeps what it has read."""

    def __init__(self, store: Store, collection: str, space: str = "") -> None:
        """Read ``collection``, the evidence of a space with this name."""
        self._store = store
        self._collection = collection
        self._space = space
        self._kept: OrderedDict[str, _ClassEvidence] = OrderedDict()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget everything; called when the taxonomy changes."""
        with self._lock:
            self._kept.clear()

    def nearest(self, class_ids: Sequence[str | None], vectors: NDArray[np.float32]) -> list[tuple[Evidence, ...]]:
        """For each item the pieces of evidence of its class that are nearest to it, at most three.

        Args:
            class_ids: The class of each item, or None for no evidence.
            vectors: Unit vectors of the items, shape (n, dim).
        """
        wanted = {class_id for class_id in class_ids if class_id is not None}
        known = self._read(wanted)
        rows_of: dict[str, list[int]] = {}
        for row, class_id in enumerate(class_ids):
            if class_id is not None and class_id in known:
                rows_of.setdefault(class_id, []).append(row)
        answers: list[tuple[Evidence, ...]] = [()] * len(class_ids)
        for class_id, rows in rows_of.items():
            pieces = known[class_id]
            similar = (vectors[rows] @ pieces.vectors.T).astype(np.float64)
            order = np.argsort(-similar, axis=1, kind="stable")[:, :_MOST_PIECES]
            for row, columns, values in zip(rows, order.tolist(), similar.tolist(), strict=True):
                answers[row] = tuple(
                    Evidence(
                        class_id, pieces.kinds[column], pieces.texts[column], round(values[column], 6), self._space
                    )
                    for column in columns
                )
        return answers

    def _read(self, wanted: Iterable[str]) -> dict[str, _ClassEvidence]:
        with self._lock:
            found = {class_id: self._kept[class_id] for class_id in wanted if class_id in self._kept}
        missing = sorted(set(wanted) - set(found))
        for start in range(0, len(missing), _CLASSES_PER_QUERY):
            found.update(self._query(missing[start : start + _CLASSES_PER_QUERY]))
        with self._lock:
            self._kept.update(found)
            while len(self._kept) > _KEPT_CLASSES:
                self._kept.popitem(last=False)
        return found

    def _query(self, class_ids: Sequence[str]) -> dict[str, _ClassEvidence]:
        rows = self._store.query(
            self._collection,
            where=In("class_id", class_ids),
            fields=("class_id", "kind", "position", "text", "vector"),
        )
        rows.sort(key=lambda row: (row["class_id"], row["kind"], row["position"]))
        groups: dict[str, list[dict[str, object]]] = {}
        for row in rows:
            groups.setdefault(str(row["class_id"]), []).append(row)
        return {
            class_id: _ClassEvidence(
                [EvidenceKind(str(row["kind"])) for row in group],
                [_said(row) for row in group],
                np.stack([np.asarray(row["vector"], np.float32) for row in group]),
            )
            for class_id, group in groups.items()
        }


def _said(row: Mapping[str, object]) -> str:
    """The words of a piece of evidence, or where its picture was."""
    text = str(row["text"])
    return kept_reference(text) if row["kind"] == EvidenceKind.PICTURE else text


class NoEvidence:
    """Stands where answers are given without reasons."""

    def nearest(self, class_ids: Sequence[str | None], _vectors: NDArray[np.float32]) -> list[tuple[Evidence, ...]]:
        """None, for each item."""
        return [()] * len(class_ids)
