"""What is particular to bringing one space of texts up to another."""

from collections.abc import Callable
from typing import Final

import numpy as np

from ..encoders.base import Encoder
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.records import Role
from ..store import Store
from ..store.spaces import SpaceCollections
from .answering import answer_stored
from .item_copies import Copied, copy_labels
from .item_rows import stored_text
from .row_making import TextRows

__all__ = ["TextSide"]

_CHECKED: Final = 64


class TextSide:
    """Labels, answers and a check of a space of texts.

    Attributes:
        encoder: Of the space that is brought up.
        rows: Makes its rows of items.
    """

    def __init__(self, store: Store, rows: TextRows) -> None:
        self.encoder: Encoder = rows.encoder
        self.rows = rows
        self._store = store

    def evidence(self, source: SpaceCollections, target: SpaceCollections) -> Copied:
        """Bring the labels that are kept."""
        return copy_labels(self._store, source, target, self.encoder)

    def live(self, pair: LivePair) -> LiveSpace | None:
        """What answers from the space alone."""
        return pair.text

    def answer(self, pair: LivePair, since_ms: int, on_page: Callable[[int], None]) -> int:
        """Answer items that have no answer, or an older one; how many there were."""
        return answer_stored(self._store, pair, since_ms=since_ms, on_page=on_page)

    def alike(self, target: SpaceCollections) -> tuple[list[str], list[float]]:
        """Ids of some stored items, and the cosine of each one's vector with that of its text embedded again."""
        fields = ("item_id", "title", "description", "text", "vector")
        rows = self._store.query(target.items, fields=fields, limit=_CHECKED)
        if not rows:
            return [], []
        again = self.encoder.encode([stored_text(row) for row in rows], Role.ITEM).vectors
        same = (np.stack([row["vector"] for row in rows]) * again).sum(axis=1)
        return [row["item_id"] for row in rows], same.tolist()
