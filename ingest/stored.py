"""Changes to items that are stored: confirm, delete, answer anew."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from ..errors import NearclassError
from ..query.live import LiveSpace
from ..schemas.collections import key_of
from ..schemas.filters import Compare, Filter, In
from ..schemas.records import Assignment
from ..store import Store
from .items import ItemWriter

__all__ = ["StoredItems"]

_PAGE: Final = 1000


class StoredItems:
    """Changes items of one space; every method returns when the change is durable."""

    def __init__(self, store: Store, live: LiveSpace) -> None:
        self._store = store
        self._live = live
        self._collection = live.place.items
        self._spec = live.place.specs[live.place.items]

    def confirm(self, item_ids: Sequence[str], class_id: str) -> None:
        """Note that a person says these items belong to this class.

        Raises:
            NearclassError: There is no such item.
        """
        self._set_confirmed(item_ids, class_id)

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back."""
        self._set_confirmed(item_ids, "")

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        if self._store.resolve(self._collection) is None:
            return 0
        where = In("key", [key_of(item_id) for item_id in item_ids])
        count = self._store.count(self._collection, where)
        self._store.delete(self._collection, where)
        self._store.flush(self._collection)
        return count

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> list[tuple[str, Assignment]]:
        """Answer anew every item whose answer is older than the taxonomy, from its stored vector.

        Returns:
            For each item whose answer is another one now: the class it had before (empty for none) and the answer.
        """
        if self._store.resolve(self._collection) is None:
            return []
        revision = self._live.assigner().taxonomy.revision
        writer = ItemWriter(self._store, self._live, None)
        moved: list[tuple[str, Assignment]] = []
        stale: Filter = Compare("revision", "<", revision)
        keys = [row["key"] for row in self._store.query(self._collection, where=stale, fields=("key",))]
        for start in range(0, len(keys), _PAGE):
            rows = self._rows(keys[start : start + _PAGE])
            for row, answer in zip(rows, writer.reassign(rows), strict=True):
                if (row["class_id"], row["decision"]) != (answer.class_id or "", answer.decision.value):
                    moved.append((row["class_id"], answer))
            on_page(len(rows))
        self._store.flush(self._collection)
        return moved

    def _set_confirmed(self, item_ids: Sequence[str], class_id: str) -> None:
        keys = {key_of(item_id): item_id for item_id in item_ids}
        rows = self._rows(list(keys)) if self._store.resolve(self._collection) else []
        missing = sorted(keys[key] for key in keys.keys() - {row["key"] for row in rows})
        if missing:
            message = f"no item {missing[0]!r}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            raise NearclassError(message, hint="`nearclass items list` shows the ids.")
        changed = [{**row, "confirmed_class": class_id} for row in rows]
        self._store.upsert(self._collection, self._spec, changed)
        self._store.flush(self._collection)

    def _rows(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        fields = ("key", "vector", *self._spec.field_names)
        return self._store.query(self._collection, where=In("key", list(keys)), fields=fields)
