"""The catalogue as the target of events: what can be stored of a batch is, and what cannot says why."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ...errors import MismatchError, NearclassError, StoreError
from ...schemas.records import ClassSpec, ClassState
from ..change import Change
from ..items import ItemWriter
from ..lifecycle import LivingClasses
from ..moving import FollowingWriter
from ..renewal import Page, Renewal, Renewed
from ..sources.rows import RawRow
from ..stored import StoredItems
from ..taxonomy import read_classes
from .events import Event, EventKind
from .outcomes import BROKE, Failure, Row

__all__ = ["CatalogTarget"]

_Results = list[Row | Failure | None]

_LOOK_AGAIN_S: Final = 60.0
"""Nothing is asked of the store before, unless this process knows that the classes have changed."""


class CatalogTarget:
    """Stores events in a catalogue."""

    def __init__(
        self,
        writer: ItemWriter | FollowingWriter,
        stored: Callable[[], StoredItems],
        classes: LivingClasses,
        put_classes: Callable[[Sequence[ClassSpec]], Change],
    ) -> None:
        """Store with these.

        Args:
            writer: Stores items.
            stored: Gives the items that are stored, in the space that serves.
            classes: The classes.
            put_classes: Adds or replaces classes.
        """
        self._writer = writer
        self._stored_now = stored
        self._stored = stored()
        self._classes = classes
        self._put_classes = put_classes
        self._dirty = self._fresh = False
        self._clean = (-1, float("-inf"))
        self._renewal: Renewal | None = None
        self._pages: Iterator[Page] = iter(())
        self._found: Sequence[Renewed] = []
        self._given: Sequence[Renewed] = []
        self._complete = True

    def put(self, events: Sequence[Event]) -> _Results:
        """Store or remove items and classes, classes first; see ``Target``."""
        results: _Results = [None] * len(events)
        for kind, store in (
            (EventKind.CLASS_UPSERT, self._upsert_classes),
            (EventKind.CLASS_RETIRE, self._retire),
            (EventKind.ITEM_DELETE, self._delete),
            (EventKind.ITEM_UPSERT, self._upsert),
        ):
            places = [place for place, event in enumerate(events) if event.kind is kind]
            if places:
                found = _apart([events[place] for place in places], store)
                for place, result in zip(places, found, strict=True):
                    results[place] = result
        return results

    def expect(self, events: Sequence[Event]) -> None:
        """Begin to embed the items of events that will be put next, if of the last ones most were new or changed."""
        if not self._fresh:
            return
        self._writer.expect([event.item for event in events if event.kind is EventKind.ITEM_UPSERT])

    def flush(self) -> None:
        """Return when every item put is durable; classes are at once."""
        if self._dirty:
            self._writer.flush()
            self._dirty = False

    def behind(self) -> bool:
        """Whether the classes have changed since all stored items were answered."""
        revision, looked_at = self._clean
        if self._classes.taxonomy.revision == revision and time.monotonic() - looked_at < _LOOK_AGAIN_S:
            return False
        if self._renewal is None:
            self._begin()
        return self._renewal is not None

    def others(self, limit: int) -> dict[str, str]:
        """Keys and ids of the next stored items that the classes of now would answer otherwise; see ``Target``."""
        if self._renewal is None or self._renewal.taxonomy.revision != self._classes.taxonomy.revision:
            self._begin()
        if not self._found:
            page = next(self._pages, None)
            if page is None:
                self._end()
                return {}
            self._found = [one for one in page.renewed if not one.conflict]
        self._given, self._found = self._found[:limit], self._found[limit:]
        return {one.key: one.item_id for one in self._given}

    def answer_anew(self, keys: Sequence[str]) -> dict[str, Row]:
        """Write the new answers of some of those; the answers by key. Others of them are left for another round."""
        given, self._given = self._given, []
        if self._renewal is None or not given:
            return {}
        chosen = set(keys)
        self._complete &= len(chosen) == len(given)
        self._dirty = True
        written = self._stored.rewrite([one for one in given if one.key in chosen], self._renewal.taxonomy)
        return {one.key: one.answer.row() for one in written if one.moved and one.answer is not None}

    def _begin(self) -> None:
        revision = self._classes.taxonomy.revision
        self._stored = self._stored_now()
        self._renewal = self._stored.renewal()
        self._pages = iter(()) if self._renewal is None else self._renewal.pages()
        self._found, self._given, self._complete = [], [], True
        if self._renewal is None:
            self._clean = (revision, time.monotonic())

    def _end(self) -> None:
        """All items have been looked at; those that somebody was writing meanwhile are, in another round."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None and self._complete:
            self._stored.reach(renewal.taxonomy.revision)

    def _upsert(self, events: Sequence[Event]) -> _Results:
        self._dirty = True
        result = self._writer.write([event.item for event in events], answer_all=True)
        self._fresh = 2 * result.embedded >= len(events)
        failed = {refusal.index: Failure(refusal.code, refusal.message) for refusal in result.refusals}
        answers = ((place, result.answers.get(event.id)) for place, event in enumerate(events))
        return [failed.get(place) or (None if answer is None else answer.row()) for place, answer in answers]

    def _delete(self, events: Sequence[Event]) -> _Results:
        self._dirty = True
        self._writer.delete([event.id for event in events])
        return [None] * len(events)

    def _upsert_classes(self, events: Sequence[Event]) -> _Results:
        rows = [RawRow({**event.values, "id": event.id}, "event", 1, place) for place, event in enumerate(events)]
        read = read_classes(rows, self._classes.taxonomy)
        results: _Results = [None] * len(events)
        for bad in read.rejects:
            results[bad.position] = Failure(bad.code, bad.message)
        places = {event.id: place for place, event in enumerate(events)}
        change = self._put_classes(read.specs) if read.specs else None
        for problem in change.problems if change else ():
            if problem.class_id in places:
                results[places[problem.class_id]] = Failure(problem.code, problem.message)
        return results

    def _retire(self, events: Sequence[Event]) -> _Results:
        for event in events:
            spec = self._classes.taxonomy.get(event.id)
            if spec is not None and spec.state is ClassState.ACTIVE:
                self._classes.retire(event.id)
        return [None] * len(events)


def _apart(events: Sequence[Event], store: Callable[[Sequence[Event]], _Results]) -> _Results:
    """Store events together, and where that fails in halves, so that one that cannot be stored stands alone."""
    try:
        return store(events)
    except Exception as error:  # whatever an encoder or a library makes of one event; the others are not to wait for it
        if _is_ours(error):
            raise
        if len(events) == 1:
            return [Failure(BROKE, _said(error))]
        half = len(events) // 2
        return [*_apart(events[:half], store), *_apart(events[half:], store)]


def _said(error: Exception) -> str:
    return error.message if isinstance(error, NearclassError) else f"{type(error).__name__}: {error}"


def _is_ours(error: Exception) -> bool:
    """Whether an error has nothing to do with the events: the store is gone, full, or of another make."""
    return isinstance(error, MismatchError) or (isinstance(error, StoreError) and type(error) is not StoreError)
