"""Class vectors read from Milvus by id, the latest asked for kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.filters import In
from ..store import Store

__all__ = ["KeptVectors"]

_READ_AT_ONCE: Final = 500

_KEPT_VECTORS: Final = 20_000
"""Vectors of classes that are kept, the latest asked for: 31 MB in 384 dimensions."""


class KeptVectors:
    """Class vectors read by id; may be used from several threads."""

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, class_ids: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """The vectors of those classes that are there."""
        with self._lock:
            found = {class_id: self._kept[class_id] for class_id in class_ids if class_id in self._kept}
        missing = sorted(set(class_ids) - found.keys())
        for start in range(0, len(missing), _READ_AT_ONCE):
            where = In("class_id", missing[start : start + _READ_AT_ONCE])
            for row in self._store.query(self._collection, where=where, fields=("class_id", "vector")):
                found[row["class_id"]] = row["vector"]
        with self._lock:
            for class_id, vector in found.items():
                self._kept[class_id] = vector
                self._kept.move_to_end(class_id)
            while len(self._kept) > _KEPT_VECTORS:
                self._kept.popitem(last=False)
        return found
