"""Answers of items with a text, told to their rows in the space of pictures."""

from typing import Final

from ..schemas.filters import AnyOf, Compare, In
from ..store import Store
from ..store.spaces import SpaceCollections
from .item_rows import ItemRows

__all__ = ["tell_pictures"]

_ANSWER: Final = ("decision", "class_id", "score", "confidence", "margin", "revision")
_TEXT: Final = AnyOf([Compare(name, "!=", "") for name in ("title", "description", "text")])
_PAGE: Final = 1000


def tell_pictures(store: Store, texts: SpaceCollections, pictures: SpaceCollections) -> int:
    """Give items that are in both spaces the answer that they have in that of texts; how many got another."""
    if any(store.resolve(place.items) is None for place in (texts, pictures)):
        return 0
    rows, told = ItemRows(store, pictures), 0
    for page in store.scan(pictures.items, where=_TEXT, fields=("key", *_ANSWER), page=_PAGE):
        keys = [row["key"] for row in page]
        answers = {row["key"]: row for row in store.query(texts.items, where=In("key", keys), fields=("key", *_ANSWER))}
        other = {row["key"]: answers[row["key"]] for row in page if answers.get(row["key"], row) != row}
        rows.upsert([{**row, **other[key]} for key, row in rows.whole(list(other)).items()])
        told += len(other)
    if told:
        rows.flush()
    return told
