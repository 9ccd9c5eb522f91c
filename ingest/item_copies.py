"""Items and labels brought from one space to another: embedded anew where they differ, and nothing else.

Whatever is stored says itself what is done: a row that is there with the same content is passed over. So copying may be
cut off at any point and begun again, and it may run beside whoever writes, until a whole pass finds nothing to do.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..encoders.base import Encoder
from ..schemas.collections import ABSENT
from ..schemas.filters import All, Compare, Filter, In
from ..schemas.records import EvidenceKind, Role
from ..store import Store
from ..store.spaces import SpaceCollections
from .intake import CHUNK_ROWS
from .row_making import RowMaker

__all__ = ["UNANSWERED", "Copied", "ItemCopier", "OnRows", "copy_labels"]

UNANSWERED: Final = -1
"""Revision of an item that has no answer in its space yet: older than every taxonomy."""

OnRows = Callable[[int, int], None]
"""Called after each page with how many rows were looked at, and how many of them were embedded."""

_FLUSH_ROWS: Final = 16_384
"""Written rows after which they are flushed, which stops whoever reads the same collection for a moment."""

_NO_ANSWER: Final[Mapping[str, Any]] = {
    "decision": "", "class_id": "", "score": ABSENT, "confidence": ABSENT, "margin": ABSENT, "revision": UNANSWERED,
}  # fmt: skip
_A_LABEL: Final = Compare("kind", "==", EvidenceKind.LABEL.value)


@dataclass(frozen=True, slots=True)
class Copied:
    """What copying did: rows written, those of them that were embedded, and rows removed."""

    written: int = 0
    embedded: int = 0
    removed: int = 0

    def __add__(self, other: "Copied") -> "Copied":
        return Copied(self.written + other.written, self.embedded + other.embedded, self.removed + other.removed)

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


class ItemCopier:
    """Brings the items of one space to another of the same kind and catalogue."""

    def __init__(
        self,
        store: Store,
        source: SpaceCollections,
        target: SpaceCollections,
        maker: RowMaker,
        *,
        page: int = CHUNK_ROWS,
        follow: Callable[[str], str] = str,
    ) -> None:
        """Copy items.

        Args:
            store: Where they are.
            source: The space that they are in.
            target: The other one.
            maker: Makes rows of the other one.
            page: How many at a time.
            follow: Gives the id of the class that a merged one leads to.
        """
        self._store = store
        self._source = source
        self._target = target
        self._maker = maker
        self._page = page
        self._follow = follow
        self._fields = tuple(target.specs[target.items].field_names)
        self._compared = (*maker.made_of, "confirmed_class")

    def every(self, on_rows: OnRows = lambda _seen, _embedded: None) -> Copied:
        """Copy what differs, and remove what is gone; durable when this returns."""
        done, flushed = Copied(), 0
        for keys in self._pages(self._source):
            one = self._some(keys)
            done += one
            if done.written - flushed >= _FLUSH_ROWS:
                self._store.flush(self._target.items)
                flushed = done.written
            on_rows(len(keys), one.embedded)
        for keys in self._pages(self._target):
            done += self._remove(keys)
        if done:
            self._store.flush(self._target.items)
        return done

    def some(self, keys: Collection[str]) -> Copied:
        """Copy the items with these keys, or remove those that are gone; durable when this returns."""
        done = self._some(keys)
        done += self._remove(keys)
        if done:
            self._store.flush(self._target.items)
        return done

    def _some(self, keys: Collection[str]) -> Copied:
        stored, have = (self._have(place, keys, self._compared) for place in (self._source, self._target))
        todo = [key for key, row in stored.items() if not self._done(row, have.get(key))]
        rows = self._have(self._source, todo, self._fields)
        known = [key for key, row in rows.items() if self._same(row, have.get(key), self._maker.made_of)]
        same = self._have(self._target, known, ("vector", *self._fields))
        made = [{**row, **self._answer(rows[key])} for key, row in same.items()]
        fresh = self._maker.make([{**row, **self._answer(row)} for key, row in rows.items() if key not in same])
        self._store.upsert(self._target.items, self._target.specs[self._target.items], [*made, *fresh])
        # Where a row cannot be made any more, what is there is of an earlier content.
        gone = have.keys() & rows.keys() - {row["key"] for row in (*made, *fresh)}
        return Copied(len(made) + len(fresh), len(fresh), self._delete(gone))

    def _done(self, row: Mapping[str, Any], have: Mapping[str, Any] | None) -> bool:
        """Whether there is nothing to do for an item: it is there as it is, or nothing can be made of it."""
        return self._maker.expected(row) is None or self._same(row, have, self._compared)

    def _same(self, row: Mapping[str, Any], have: Mapping[str, Any] | None, names: Sequence[str]) -> bool:
        wanted = self._maker.expected(row)
        return wanted is not None and have is not None and all(wanted[name] == have[name] for name in names)

    def _answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What an item is to have in place of an answer: nothing, unless it has the class that a person confirmed."""
        confirmed, class_id = row["confirmed_class"], row["class_id"]
        kept = {"confirmed_class": confirmed}
        if confirmed and self._follow(confirmed) == self._follow(class_id):
            kept |= {"class_id": class_id, "decision": row["decision"]}
        return {**_NO_ANSWER, **kept}

    def _remove(self, keys: Collection[str]) -> Copied:
        gone = set(self._have(self._target, keys, ())) - set(self._have(self._source, keys, ()))
        if gone:
            gone -= self._maker.kept(self._source, self._target, gone)
        return Copied(removed=self._delete(gone))

    def _delete(self, keys: Collection[str]) -> int:
        if keys:
            self._store.delete(self._target.items, In("key", sorted(keys)))
        return len(keys)

    def _pages(self, place: SpaceCollections) -> Iterator[list[str]]:
        if self._store.resolve(place.items) is not None:
            for page in self._store.scan(place.items, fields=("key",), page=self._page):
                yield [row["key"] for row in page]

    def _have(self, place: SpaceCollections, keys: Collection[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not keys or self._store.resolve(place.items) is None:
            return {}
        rows = self._store.query(place.items, where=In("key", list(keys)), fields=("key", *fields))
        return {row["key"]: row for row in rows}


def copy_labels(store: Store, source: SpaceCollections, target: SpaceCollections, encoder: Encoder) -> Copied:
    """Bring the labels that are kept as evidence to another space; durable when this returns."""
    wanted, have = ({row["key"]: row["class_id"] for row in _labels(store, place)} for place in (source, target))
    todo = [key for key, class_id in wanted.items() if have.get(key) != class_id]
    spec = target.specs[target.evidence]
    for start in range(0, len(todo), CHUNK_ROWS):
        keys = todo[start : start + CHUNK_ROWS]
        rows = store.query(source.evidence, where=In("key", keys), fields=("key", *spec.field_names))
        vectors = encoder.encode([row["text"] for row in rows], Role.ITEM).vectors
        store.upsert(
            target.evidence, spec, [{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)]
        )
    gone = sorted(have.keys() - wanted.keys())
    if gone:
        where: Filter = All([In("key", gone), _A_LABEL])
        store.delete(target.evidence, where)
    if todo or gone:
        store.flush(target.evidence)
    return Copied(len(todo), len(todo), len(gone))


def _labels(store: Store, place: SpaceCollections) -> list[dict[str, Any]]:
    if store.resolve(place.evidence) is None:
        return []
    return [row for page in store.scan(place.evidence, where=_A_LABEL, fields=("key", "class_id")) for row in page]
