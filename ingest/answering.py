"""Stored items of a space that does not serve yet, answered there."""

from collections.abc import Callable
from typing import Final

from ..query.pair import LivePair
from ..schemas.filters import Compare
from ..store import Store
from .item_copies import UNANSWERED
from .item_rows import ItemRows
from .items import ItemWriter
from .stored import StoredItems

__all__ = ["answer_stored"]

_PAGE: Final = 1000


def answer_stored(
    store: Store, pair: LivePair, *, since_ms: int = 0, on_page: Callable[[int], None] = lambda _count: None
) -> int:
    """Answer the items of a space of texts that have no answer there, or one from before a change of the classes.

    Rows of items with a text are left as they are in the space of pictures.

    Args:
        store: Where the items are.
        pair: The space, and that of pictures if there is one.
        since_ms: Answers that are older than this time, in milliseconds since 1970, are given anew too.
        on_page: Called after each page with how many were looked at.

    Returns:
        How many answers were written.
    """
    live = pair.text
    if live is None or store.resolve(live.place.items) is None:
        return 0
    assigner = live.assigner()
    if not assigner.answerable:
        return 0
    rows, revision = ItemRows(store, live.place), assigner.taxonomy.revision
    old = [Compare("revision", "==", UNANSWERED), Compare("updated_at", "<", since_ms)]
    found = (store.query(live.place.items, where=where, fields=("key",)) for where in old)
    keys = list(dict.fromkeys(row["key"] for one in found for row in one))
    writer = ItemWriter(store, live, None, pair=pair)
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        writer.reassign(page, only=live.place.space.name)
        # Those that a person confirmed stay as they are, and have been looked at.
        stayed = [row for row in rows.whole(page).values() if row["revision"] == UNANSWERED]
        rows.upsert([{**row, "revision": revision} for row in stayed])
        on_page(len(page))
    if keys:
        rows.flush()
    stored = StoredItems(store, live, pair, serving=False)
    return len(keys) + sum(not one.conflict for one in stored.renew(on_page))
