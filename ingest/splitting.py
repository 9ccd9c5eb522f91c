"""The stored items of a class that was split: each goes to the part that is nearest, unless a person confirmed it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..query.assign import Assigner
from ..query.fuse import FusedAssigner
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..query.search import ClassHits, ClassSearch
from ..schemas.filters import In
from ..schemas.records import Assignment
from ..store import Store
from .item_rows import ItemRows, half, stored_text

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["Shared", "share_out"]

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Shared:
    """Where the items of a split class went.

    Attributes:
        moved: Number of items by the part they went to.
        conflicts: Ids of items that are confirmed as the class itself; they stay.
    """

    moved: dict[str, int]
    conflicts: tuple[str, ...]


def share_out(store: Store, live: LiveSpace, pair: LivePair, class_id: str, parts: Sequence[str]) -> Shared:
    """Move the items of a class to the nearest of its parts, durably.

    Their answers stay older than the taxonomy, so that answering stored items anew looks at all classes.

    Args:
        store: Where the items are.
        live: The text space.
        pair: The spaces of texts and pictures.
        class_id: The class that was split; with it count those that were merged into it.
        parts: The classes to choose from.
    """
    ids = [class_id, *live.assigner().taxonomy.merged([class_id])]
    places = [live.place] if pair.image is None else [live.place, pair.image.place]
    sides = [ItemRows(store, place) for place in places if store.resolve(place.items) is not None]
    moved = dict.fromkeys(parts, 0)
    found = {
        row["key"]: row
        for side in sides
        for name in ("class_id", "confirmed_class")
        for row in store.query(side.place.items, where=In(name, ids), fields=("key", "item_id", "confirmed_class"))
    }
    keys = sorted(key for key, row in found.items() if not row["confirmed_class"])
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        rows = {side.place.space.kind: side.whole(page) for side in sides}
        answers = _nearest(pair.assigner(), parts, page, rows.get("text", {}), rows.get("image", {}))
        best = dict(zip(page, (answer.candidates[0].class_id for answer in answers), strict=True))
        for side in sides:
            stored = rows[side.place.space.kind]
            side.upsert([{**row, "class_id": best[key]} for key, row in stored.items()])
        for part in best.values():
            moved[part] += 1
    for side in sides:
        side.flush()
    conflicts = sorted(row["item_id"] for row in found.values() if row["confirmed_class"] in ids)
    return Shared(moved, tuple(conflicts))


def _nearest(
    fused: FusedAssigner,
    parts: Sequence[str],
    keys: Sequence[str],
    texts: dict[str, dict[str, Any]],
    pictures: dict[str, dict[str, Any]],
) -> list[Assignment]:
    """Answers of stored items where there are no classes but these."""
    said = [row for row, key in enumerate(keys) if key in texts]
    shown = [row for row, key in enumerate(keys) if key in pictures]
    of_text = [texts[keys[row]] for row in said]
    text = half(said, [row["vector"] for row in of_text], [False] * len(said), [stored_text(row) for row in of_text])
    image = half(shown, [pictures[keys[row]]["vector"] for row in shown], [False] * len(shown), None)
    only = FusedAssigner(_only(fused.text, parts), _only(fused.image, parts))
    return only.assign(keys, text, image)


def _only(assigner: Assigner | None, parts: Sequence[str]) -> Assigner | None:
    if assigner is None:
        return None
    search = _Parts(assigner.search, sorted(parts))
    return replace(assigner, answerable=frozenset(parts), search=search, calibration=None)


class _Parts:
    """Class search that knows no other classes than these."""

    def __init__(self, search: ClassSearch, class_ids: Sequence[str]) -> None:
        self._search = search
        self._ids = list(class_ids)

    def search(self, vectors: NDArray[np.float32], k: int, features: "csr_matrix | None" = None) -> ClassHits:
        """The k nearest of them."""
        scores = np.nan_to_num(np.stack(self.scores(vectors, [self._ids] * len(vectors), features)), nan=-np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        ids = [[self._ids[column] for column in row] for row in order.tolist()]
        return ClassHits(ids, np.take_along_axis(scores, order, axis=1))

    def scores(
        self,
        vectors: NDArray[np.float32],
        class_ids: Sequence[Sequence[str]],
        features: "csr_matrix | None" = None,
    ) -> list[NDArray[np.float32]]:
        """The scores of named classes."""
        return self._search.scores(vectors, class_ids, features)
