"""Changes to items that are stored: confirm, delete, answer anew."""

from collections.abc import Callable, Sequence
from typing import Final

from ..errors import ItemNotFoundError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.filters import Compare, Filter, In
from ..schemas.records import Assignment
from ..store import Store
from .item_rows import ItemRows
from .items import ItemWriter

__all__ = ["StoredItems"]

_PAGE: Final = 1000


class StoredItems:
    """Changes items; every method returns when the change is durable.

    An item that has a row in the space of texts and one in that of pictures is changed in both.
    """

    def __init__(self, store: Store, live: LiveSpace, pair: LivePair | None = None) -> None:
        """Change the items of one space, or with ``pair`` those of texts and pictures."""
        self._store = store
        self._live = live
        self._pair = pair
        image = pair.image if pair else None
        self._places = [live.place] if image is None else [live.place, image.place]

    def confirm(self, item_ids: Sequence[str], class_id: str) -> None:
        """Note that a person says these items belong to this class.

        Raises:
            ItemNotFoundError: There is no such item.
        """
        self._set_confirmed(item_ids, class_id)

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back."""
        self._set_confirmed(item_ids, "")

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        where = In("key", [key_of(item_id) for item_id in item_ids])
        found: set[str] = set()
        for rows in self._there():
            found.update(row["key"] for row in self._store.query(rows.place.items, where=where, fields=("key",)))
            rows.delete([key_of(item_id) for item_id in item_ids])
            rows.flush()
        return len(found)

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> list[tuple[str, Assignment]]:
        """Answer anew every item whose answer is older than the taxonomy, from its stored vectors.

        Returns:
            For each item whose answer is another one now: the class it had before (empty for none) and the answer.
        """
        keys = self._stale_keys()
        if not keys:
            return []
        writer = ItemWriter(self._store, self._live, None, pair=self._pair)
        moved: list[tuple[str, Assignment]] = []
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            for class_id, decision, answer in writer.reassign(page):
                if (class_id, decision) != (answer.class_id or "", answer.decision.value):
                    moved.append((class_id, answer))
            on_page(len(page))
        writer.flush()
        return moved

    def _set_confirmed(self, item_ids: Sequence[str], class_id: str) -> None:
        keys = {key_of(item_id): item_id for item_id in item_ids}
        found = [(rows, rows.whole(list(keys))) for rows in self._there()]
        missing = sorted(keys[key] for key in keys if not any(key in stored for _, stored in found))
        if missing:
            message = f"no item {missing[0]!r}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            raise ItemNotFoundError(message, hint="`nearclass items list` shows the ids.")
        for rows, stored in found:
            rows.upsert([{**row, "confirmed_class": class_id} for row in stored.values()])
            rows.flush()

    def _stale_keys(self) -> list[str]:
        """Keys of items with an answer older than the taxonomy, each once."""
        stale: Filter = Compare("revision", "<", self._live.assigner().taxonomy.revision)
        queries = (self._store.query(rows.place.items, where=stale, fields=("key",)) for rows in self._there())
        return list(dict.fromkeys(row["key"] for found in queries for row in found))

    def _there(self) -> list[ItemRows]:
        """The collections of items that have been made."""
        return [ItemRows(self._store, place) for place in self._places if self._store.resolve(place.items) is not None]
