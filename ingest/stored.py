"""Changes to items that are stored: confirm, delete, answer anew."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..errors import ItemNotFoundError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.filters import In
from ..schemas.records import Assignment, Decision, Evidence
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.draft import DraftStore
from .item_rows import ItemRows, decision_fields
from .items import ItemWriter
from .moving import Moves
from .renewal import Renewal, Renewed, stays

__all__ = ["StoredItems"]

_PAGE: Final = 1000


class StoredItems:
    """Changes items; every method returns when the change is durable.

    An item that has a row in the space of texts and one in that of pictures is changed in both.
    """

    def __init__(
        self,
        store: Store,
        live: LiveSpace,
        pair: LivePair | None = None,
        moves: Moves | None = None,
        *,
        serving: bool = True,
    ) -> None:
        """Change stored items.

        Args:
            store: Where they are.
            live: Their space.
            pair: That space and the one of pictures, if the items of both are meant.
            moves: Brings a change to a space that is about to serve.
            serving: Whether the space serves. Otherwise items with a text are not answered anew in that of pictures.
        """
        self._store = store
        self._live = live
        self._pair = pair
        self._moves = moves
        self._serving = serving
        image = pair.image if pair else None
        self._places = [live.place] if image is None else [live.place, image.place]

    @property
    def given(self) -> bool:
        """Whether the vectors of the items were given, and not made here."""
        return self._live.place.space.kind == "precomputed"

    def confirm(self, item_ids: Sequence[str], class_id: str) -> None:
        """Note that a person says these items belong to this class.

        Raises:
            ItemNotFoundError: There is no such item.
        """
        self._set({one: {"confirmed_class": class_id} for one in item_ids})

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back; the items are answered anew, since some may have stayed only for it."""
        self._set({one: {"confirmed_class": ""} for one in item_ids})
        writer = ItemWriter(self._store, self._live, None, pair=self._pair)
        writer.reassign([key_of(item_id) for item_id in item_ids])
        writer.flush()

    def decide(self, decisions: Mapping[str, tuple[Decision, str]]) -> None:
        """Note what a person decided on these items, or takes back: the decision and the class, empty for none.

        It stands in the place of the answer until the item is answered anew.

        Raises:
            ItemNotFoundError: There is no such item.
        """
        self._set({one: {"decision": made.value, "class_id": to} for one, (made, to) in decisions.items()})

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        keys = [key_of(item_id) for item_id in item_ids]
        where = In("key", keys)
        found: set[str] = set()
        self._check()
        for rows in self._there():
            found.update(row["key"] for row in self._store.query(rows.place.items, where=where, fields=("key",)))
            rows.delete(keys)
            rows.flush()
        self._carry(keys)
        return len(found)

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> list[tuple[str, Assignment]]:
        """Answer anew every item whose answer is older than the taxonomy, from its stored vectors.

        Returns:
            For each item whose answer is another one now: the class it had before (empty for none) and the answer.
            Those that a person confirmed and that stay for that reason are not among them.
        """
        moved = (one for one in self.renew(on_page) if one.moved and not one.conflict)
        return [(one.before, one.answer) for one in moved if one.answer is not None]

    def renew(self, on_page: Callable[[int], None] = lambda _: None) -> list[Renewed]:
        """Answer anew as ``reassign``; the items that are written, and those that stay although answered otherwise.

        Only items with another answer are written. Cut off at any point it may be run again: what was written is not
        found different any more, and that all is done is noted last.
        """
        renewal = Renewal(self._store, self._live, self._pair)
        revision = renewal.taxonomy.revision
        if self._live.answered.revision() >= revision:
            return []
        found: list[Renewed] = []
        for page in renewal.pages():
            self.rewrite(page.renewed, renewal.taxonomy)
            found += page.renewed
            on_page(page.items)
        self.reach(revision)
        return found

    def rewrite(self, renewed: Sequence[Renewed], taxonomy: Taxonomy) -> list[Renewed]:
        """Write new answers, given under ``taxonomy``; those that were written. Durable after ``reach`` or a flush."""
        changed = {one.key: one for one in renewed if not one.conflict}
        if not changed:
            return []
        sides = self._there()
        with_text = {} if self._serving else sides[0].stored(list(changed))
        written: set[str] = set()
        for rows in reversed(sides):  # the text decides whether an item is done: its row is the last
            hidden = with_text if rows.place is not self._live.place else {}
            written |= self._rewrite(rows, {key: changed[key] for key in changed if key not in hidden}, taxonomy)
        return [one for key, one in changed.items() if key in written]

    def reach(self, revision: int) -> None:
        """Make everything durable, and note that every stored item has been answered under this revision."""
        for rows in self._there():
            rows.flush()
        self._live.answered.reach(revision)

    def renewal(self) -> Renewal | None:
        """Judges the stored items by the classes of now; None where all have been answered by these."""
        renewal = Renewal(self._store, self._live, self._pair)
        return renewal if self._live.answered.revision() < renewal.taxonomy.revision else None

    def foresee(self) -> list[Renewed]:
        """The same without writing anything."""
        pages = Renewal(self._store, self._live, self._pair).pages()
        return [one for page in pages for one in page.renewed]

    def evidence(self, renewed: Sequence[Renewed]) -> dict[str, Evidence]:
        """What speaks most for the best class of each of these items, by key; none where nothing is known."""
        best = {one.key: one.answer.candidates[0].class_id for one in renewed if one.answer and one.answer.candidates}
        found: dict[str, Evidence] = {}
        sides = [self._live, *([self._pair.image] if self._pair and self._pair.image else [])]
        for live in (side for side in sides if side.has_items):
            keys = [key for key in best if key not in found]
            for start in range(0, len(keys), _PAGE):
                where = In("key", keys[start : start + _PAGE])
                rows = self._store.query(live.place.items, where=where, fields=("key", "vector"))
                vectors = np.asarray([row["vector"] for row in rows], np.float32).reshape(len(rows), -1)
                pieces = live.assigner().evidence.nearest([best[row["key"]] for row in rows], vectors)
                found |= {row["key"]: one[0] for row, one in zip(rows, pieces, strict=True) if one}
        return found

    def _rewrite(self, rows: ItemRows, changed: Mapping[str, Renewed], taxonomy: Taxonomy) -> set[str]:
        """Write new answers into those rows that are still what they were given for; the keys of these."""
        now, keys = time.time_ns() // 1_000_000, list(changed)
        written: set[str] = set()
        for start in range(0, len(keys), _PAGE):
            stored = rows.whole(keys[start : start + _PAGE])
            fit = {key: row for key, row in stored.items() if _as_judged(row, changed[key], taxonomy)}
            rows.upsert(
                [
                    {**row, **decision_fields(changed[key].answer, taxonomy.revision), "updated_at": now}
                    for key, row in fit.items()
                ]
            )
            written |= fit.keys()
        return written

    def answers(self, item_ids: Sequence[str]) -> dict[str, Assignment]:
        """What stored items would be answered now, from their stored vectors, by id; nothing is written."""
        # A writer makes the collections that are missing; in a draft it makes none.
        writer = ItemWriter(DraftStore(self._store), self._live, None, pair=self._pair)
        return writer.answers([key_of(item_id) for item_id in item_ids])

    def confirm_each(self, classes: Mapping[str, str]) -> set[str]:
        """Note of each item by its id the class that a person says, empty for none; the ids that no item has."""
        return self._set_each({one: {"confirmed_class": to} for one, to in classes.items()}, lambda _: None)

    def _set(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Change fields of items by their ids, if all of them are there."""

        def refuse(missing: list[str]) -> None:
            if missing:
                message = f"no item {missing[0]!r}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
                raise ItemNotFoundError(message, hint="`nearclass items list` shows the ids.")

        self._set_each(values, refuse)

    def _set_each(self, values: Mapping[str, Mapping[str, Any]], check: Callable[[list[str]], None]) -> set[str]:
        self._check()
        keys = {key_of(item_id): item_id for item_id in values}
        found = [(rows, rows.whole(list(keys))) for rows in self._there()]
        missing = sorted(keys[key] for key in keys if not any(key in stored for _, stored in found))
        check(missing)
        for rows, stored in found:
            rows.upsert([{**row, **values[keys[key]]} for key, row in stored.items()])
            rows.flush()
        self._carry(list(keys))
        return set(missing)

    def _check(self) -> None:
        if self._moves is not None:
            self._moves.check(self._names)

    def _carry(self, keys: Sequence[str]) -> None:
        if self._moves is not None:
            self._moves.carry(self._names, keys)

    @property
    def _names(self) -> list[str]:
        return [place.space.name for place in self._places]

    def _there(self) -> list[ItemRows]:
        """The collections of items that have been made."""
        return [ItemRows(self._store, place) for place in self._places if self._store.resolve(place.items) is not None]


def _as_judged(row: Mapping[str, Any], one: Renewed, taxonomy: Taxonomy) -> bool:
    """Whether a row may get the answer; somebody else may have written or confirmed it since it was judged."""
    now = (one.answer.class_id if one.answer else None) or ""
    answered = row["class_id"] == one.before and row["revision"] < taxonomy.revision
    return answered and not stays(taxonomy, row["confirmed_class"], one.before, now)
