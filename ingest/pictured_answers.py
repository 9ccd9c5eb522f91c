"""Answers told to the rows that their items have in the other space, of texts or of pictures."""

from typing import Final

from ..schemas.filters import AnyOf, Compare, Filter, In
from ..store import Store
from ..store.spaces import SpaceCollections
from .item_rows import ItemRows

__all__ = ["tell_pictures", "tell_texts"]

_ANSWER: Final = ("decision", "class_id", "score", "confidence", "margin", "revision")
_TEXT: Final = AnyOf([Compare(name, "!=", "") for name in ("title", "description", "text")])
_PAGE: Final = 1000


def tell_pictures(store: Store, texts: SpaceCollections, pictures: SpaceCollections) -> int:
    """Give pictures of items with a text the answer that stands in the space of texts; how many got another."""
    return _tell(store, texts, pictures, _TEXT)


def tell_texts(store: Store, texts: SpaceCollections, pictures: SpaceCollections) -> int:
    """Give texts of items with a picture the answer that stands in the space of pictures; how many got another."""
    return _tell(store, pictures, texts, Compare("image", "!=", ""))


def _tell(store: Store, told: SpaceCollections, others: SpaceCollections, where: Filter) -> int:
    """Bring answers from ``told`` to rows of ``others`` that match."""
    if any(store.resolve(place.items) is None for place in (told, others)):
        return 0
    rows, count = ItemRows(store, others), 0
    for page in store.scan(others.items, where=where, fields=("key", *_ANSWER), page=_PAGE):
        keys = [row["key"] for row in page]
        answers = {row["key"]: row for row in store.query(told.items, where=In("key", keys), fields=("key", *_ANSWER))}
        other = {row["key"]: answers[row["key"]] for row in page if answers.get(row["key"], row) != row}
        rows.upsert([{**row, **other[key]} for key, row in rows.whole(list(other)).items()])
        count += len(other)
    if count:
        rows.flush()
    return count
