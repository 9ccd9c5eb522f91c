"""Items as one space stores them: rows by key, their fields, their answers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..query.fuse import Half
from ..schemas.collections import ABSENT, MAX_TEXT_BYTES
from ..schemas.filters import In
from ..schemas.records import Assignment, Item
from ..schemas.text import clip_bytes, item_text
from ..store import Store
from ..store.spaces import SpaceCollections
from .pending import Pending

__all__ = ["ItemRows", "decision_fields", "half", "row_of", "stored_text"]

_STORED: Final = ("content_hash", "row_hash", "revision", "confirmed_class")


class ItemRows:
    """The item collection of one space."""

    def __init__(self, store: Store, place: SpaceCollections) -> None:
        """Make the collections of the space, unless they are there."""
        self.place = place
        self._store = store
        self._spec = place.specs[place.items]
        place.ensure(store)

    def stored(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        """What says whether a row is out of date, of the rows there are, by key."""
        return self._by_key(keys, _STORED)

    def vectors(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        """``vector`` and ``truncated`` of rows, by key."""
        return self._by_key(keys, ("vector", "truncated"))

    def whole(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        """Rows with every field, by key."""
        return self._by_key(keys, ("vector", *self._spec.field_names))

    def upsert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows."""
        if rows:
            self._store.upsert(self.place.items, self._spec, rows)

    def delete(self, keys: Collection[str]) -> None:
        """Remove rows; those that are not there are passed over."""
        if keys:
            self._store.delete(self.place.items, In("key", list(keys)))

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._store.flush(self.place.items)

    def _by_key(self, keys: Collection[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not keys:
            return {}
        rows = self._store.query(self.place.items, where=In("key", list(keys)), fields=("key", *fields))
        return {row["key"]: row for row in rows}


def half(
    rows: Sequence[int],
    vectors: Sequence[NDArray[np.float32]],
    truncated: Sequence[bool],
    texts: Sequence[str] | None,
) -> Half | None:
    """What one space knows of some items of a chunk, or None of none; ``rows`` are their places in it."""
    return Half(np.asarray(rows, np.int64), np.stack(vectors), truncated, texts) if rows else None


def row_of(one: Pending, vector: NDArray[np.float32], content_hash: str, now_ms: int) -> dict[str, Any]:
    """The row of an item without its answer."""
    item = one.item
    texts = {"title": item.title, "description": item.description, "text": item.text}
    shown = texts if one.text else dict.fromkeys(texts, "")  # nothing but control characters, or nothing
    if one.vector is not None and not one.text:
        shown = texts  # a given vector needs no text
    return {
        "key": one.key,
        "vector": vector,
        "item_id": item.id,
        **{name: clip_bytes(text or "", MAX_TEXT_BYTES) for name, text in shown.items()},
        "image": clip_bytes(item.image or "", MAX_TEXT_BYTES),
        "content_hash": content_hash,
        "row_hash": one.row_hash,
        "truncated": int(one.truncated),
        "confirmed_class": one.confirmed,
        "updated_at": now_ms,
        "attributes": dict(item.attributes),
    }


def stored_text(row: Mapping[str, Any]) -> str:
    """Canonical text of a stored item."""
    item = Item(row["item_id"], title=row["title"], description=row["description"], text=row["text"])
    return item_text(item)


def decision_fields(answer: Assignment | None, revision: int = 0) -> dict[str, Any]:
    """The fields of a stored item that hold its answer; None stands for a catalogue without classes."""
    if answer is None:
        absent = {"score": ABSENT, "confidence": ABSENT, "margin": ABSENT}
        return {"decision": "", "class_id": "", "revision": revision, **absent}
    return {
        "decision": answer.decision.value,
        "class_id": answer.class_id or "",
        "score": answer.score,
        "confidence": ABSENT if answer.confidence is None else answer.confidence,
        "margin": ABSENT if answer.margin is None else answer.margin,
        "revision": answer.revision,
    }
