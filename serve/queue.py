"""What waits for a person: uncertain and novel items, in the order of what a label of each is worth.

Uncertain items and novel ones take turns. Of the uncertain ones the closest call comes first, the smallest margin
between the two best classes (Settles, Active Learning Literature Survey, 2009, section 3.1: margin sampling); of the
novel ones that which is least like any class.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final, Literal

from ..schemas.filters import All, Compare
from ..schemas.records import Decision
from ..store.state import State
from .kept import Kept

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["Kind", "Queue", "Waiting", "ordered"]

Kind = Literal["all", "uncertain", "novel"]

NOVEL: Final = "review_novel"
"""Kind of the document that says that a person has looked at an item and found no class for it."""

_TITLE_CHARS: Final = 160
_FRESH_S: Final = 20.0
_AHEAD: Final = 2000
"""Of each kind, so many of the first are known at a time; more would be minutes of work ahead of any reviewer."""

_CLAIM_S: Final = 120.0
"""So long an item that is shown to one person is shown to no other."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item that waits.

    Attributes:
        id: Its id.
        title: Title, or the beginning of its text, or the reference of its picture.
        decision: ``review`` or ``novel``.
        score: Of its best class.
        margin: Between its two best classes, or None.
    """

    id: str
    title: str
    decision: Decision
    score: float
    margin: float | None


@dataclass(frozen=True, slots=True)
class _Read:
    """What waited when it was last read: the first items, and how many there were of each kind."""

    items: Sequence[Waiting]
    uncertain: int
    novel: int


def ordered(waiting: Iterable[Waiting]) -> list[Waiting]:
    """Items in the order of what a label is worth: the closest call, the strangest item, the next closest call, ...

    >>> [one.id for one in ordered([
    ...     Waiting("a", "", Decision.REVIEW, 0.6, 0.03), Waiting("b", "", Decision.REVIEW, 0.6, 0.01),
    ...     Waiting("c", "", Decision.NOVEL, 0.2, 0.1)])]
    ['b', 'c', 'a']
    """
    listed = list(waiting)
    uncertain = [one for one in listed if one.decision is Decision.REVIEW]
    novel = [one for one in listed if one.decision is Decision.NOVEL]
    uncertain.sort(key=lambda one: (one.margin is None, one.margin or 0.0, one.id))
    novel.sort(key=lambda one: (one.score, one.id))
    return [one for one in chain.from_iterable(zip_longest(uncertain, novel)) if one is not None]


class Queue:
    """The items that wait, for any number of reviewers; may be used from several threads.

    What it knows beside the catalogue is in memory: who looks at what, and what was skipped.
    """

    def __init__(
        self,
        catalog: "Catalog",
        state: State,
        behind: Callable[[Callable[[], None]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._kept = Kept(self._read, behind, fresh_s=_FRESH_S, clock=clock)
        self._gone: dict[str, float] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._skipped: dict[str, dict[str, None]] = {}

    def next(self, reviewer: str, kind: Kind = "all", count: int = 1) -> list[Waiting]:
        """The next items for this reviewer; the first is kept from others for a while. Skipped ones come last."""
        waiting = self._kept.get().items
        with self._lock:
            now = self._clock()
            self._claims = {one: claim for one, claim in self._claims.items() if claim[1] > now}
            skipped = self._skipped.get(reviewer, {})
            open_ = [one for one in waiting if self._is_open(one, kind, reviewer)]
            first = [one for one in open_ if one.id not in skipped]
            by_id = {one.id: one for one in open_}
            found = [*first[:count], *(by_id[one] for one in skipped if one in by_id)][:count]
            if found:
                self._claim(found[0].id, reviewer)
            return found

    def counts(self) -> dict[str, int]:
        """How many wait, by kind."""
        read = self._kept.get()
        with self._lock:
            gone = [one.decision for one in read.items if one.id in self._gone]
        uncertain = read.uncertain - gone.count(Decision.REVIEW)
        novel = read.novel - gone.count(Decision.NOVEL)
        return {"all": uncertain + novel, "uncertain": uncertain, "novel": novel}

    def every(self, kind: Kind = "all") -> list[Waiting]:
        """The first that wait, in order."""
        waiting = self._kept.get().items
        with self._lock:
            return [one for one in waiting if one.id not in self._gone and _is(one, kind)]

    def skip(self, reviewer: str, item_id: str) -> None:
        """Show this item to this reviewer when there is nothing else."""
        with self._lock:
            skipped = self._skipped.setdefault(reviewer, {})
            skipped.pop(item_id, None)
            skipped[item_id] = None
            self._claims.pop(item_id, None)

    def take_out(self, item_ids: Sequence[str]) -> None:
        """Somebody has decided on these."""
        with self._lock:
            now = self._clock()
            for item_id in item_ids:
                self._gone[item_id] = now
                self._claims.pop(item_id, None)

    def put_back(self, reviewer: str, item_ids: Sequence[str]) -> None:
        """A decision on these was taken back: the first is shown to this reviewer next."""
        with self._lock:
            for item_id in item_ids:
                self._gone.pop(item_id, None)
                self._skipped.get(reviewer, {}).pop(item_id, None)
            if item_ids:
                self._claim(item_ids[0], reviewer)

    def _is_open(self, one: Waiting, kind: Kind, reviewer: str) -> bool:
        claim = self._claims.get(one.id)
        return one.id not in self._gone and _is(one, kind) and (claim is None or claim[0] == reviewer)

    def _claim(self, item_id: str, reviewer: str) -> None:
        self._claims = {one: claim for one, claim in self._claims.items() if claim[0] != reviewer}
        self._claims[item_id] = (reviewer, self._clock() + _CLAIM_S)

    def _read(self) -> "_Read":
        began = self._clock()
        seen = {one.name for one in self._state.every(NOVEL)}
        uncertain, left = self._first(Decision.REVIEW, "margin", 0)
        novel, more = self._first(Decision.NOVEL, "score", len(seen))
        novel = [one for one in novel if one.id not in seen]
        with self._lock:  # what was decided before the reading began is not among these
            self._gone = {one: at for one, at in self._gone.items() if at >= began}
        return _Read(ordered([*uncertain, *novel]), left, max(more - len(seen), len(novel)))

    def _first(self, decision: Decision, sort: str, more: int) -> tuple[list[Waiting], int]:
        """The first items of a decision that nobody confirmed, and how many there are."""
        reader = self._catalog.items().reader
        where = All([Compare("decision", "==", decision.value), Compare("confirmed_class", "==", "")])
        found = reader.first(sort, _AHEAD + more, where=where)
        count = len(found) if len(found) < _AHEAD + more else reader.count(where)
        made = [Waiting(one.id, one.title[:_TITLE_CHARS], decision, one.score or 0.0, one.margin) for one in found]
        return made, count


def _is(one: Waiting, kind: Kind) -> bool:
    return kind == "all" or (one.decision is Decision.REVIEW) == (kind == "uncertain")
