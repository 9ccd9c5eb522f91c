"""What people need who look at single stored items: what speaks for each candidate, and what is near."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..schemas.calibration import Calibration
from ..schemas.collections import key_of
from ..schemas.filters import All, Compare
from ..schemas.records import Evidence
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from .assign import Assigner
from .items import Found, ItemReader
from .live import LiveSpace
from .pair import LivePair

__all__ = ["ReviewReader"]


class ReviewReader:
    """Reads what is around a stored item, from its vectors; nothing is written or embedded."""

    def __init__(self, store: Store, pair: LivePair, taxonomy: Taxonomy) -> None:
        self._store = store
        self._pair = pair
        self._taxonomy = taxonomy

    @property
    def calibration(self) -> Calibration | None:
        """What makes confidences honest in the space of texts, or else in that of pictures; None until there is one."""
        fused = self._pair.assigner()
        assigner = fused.text or fused.image
        return None if assigner is None else assigner.calibration

    def evidence(self, item_id: str, class_ids: Sequence[str]) -> dict[str, list[Evidence]]:
        """What speaks for each of these classes, nearest first, by what the item says and then by what it shows."""
        found: dict[str, list[Evidence]] = {one: [] for one in class_ids}
        fused = self._pair.assigner()
        sides: tuple[tuple[LiveSpace | None, Assigner | None], ...] = (
            (self._pair.text, fused.text),
            (self._pair.image, fused.image),
        )
        for live, assigner in sides:
            vector = self._vector(live, item_id)
            if vector is not None and assigner is not None and class_ids:
                repeated = np.repeat(vector[None, :], len(class_ids), axis=0)
                for piece in (one for pieces in assigner.evidence.nearest(class_ids, repeated) for one in pieces):
                    found[piece.class_id].append(piece)
        return found

    def confirmed_near(self, item_id: str, k: int) -> list[Found]:
        """The k confirmed items nearest to a stored one: by its text, or where it has none by its picture."""
        for live in (self._pair.text, self._pair.image):
            vector = self._vector(live, item_id)
            if live is not None and vector is not None:
                others = All([Compare("confirmed_class", "!=", ""), Compare("key", "!=", key_of(item_id))])
                return ItemReader(self._store, live.place.items, self._taxonomy).search(vector, k, where=others)
        return []

    def _vector(self, live: LiveSpace | None, item_id: str) -> Any:
        """The vector of an item in a space, shape (dim,), or None."""
        if live is None or not live.has_items:
            return None
        rows = self._store.query(live.place.items, where=Compare("key", "==", key_of(item_id)), fields=("vector",))
        return rows[0]["vector"] if rows else None
