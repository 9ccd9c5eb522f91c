"""The history of a taxonomy: what every change did, who made it, when and why, and the classes as they were before.

A change is opened with a document that says all this, together with the classes that it replaces. The entry of the log
is written in one step with the head. Whoever finds an open change that has no entry completes it, if it wrote
classes, or removes it. On a shared store a change is refused where another one came between it and what it started
from: of two that see each other, none writes.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import orjson

from ..errors import TaxonomyError
from ..schemas.records import ClassSpec
from ..schemas.taxonomy import Taxonomy, spec_from_dict, spec_to_dict
from .state import Document, State

__all__ = ["Entry", "History"]

_ENTRY: Final = "change"
_OPEN: Final = "change_open"
_BEFORE: Final = "change_before"
_CLASS: Final = "class"

_PART_BYTES: Final = 40_000
"""Of classes in one document, which may have 60,000 bytes; a larger class stands alone."""

_NAMED: Final = 100
"""Class ids that an entry names."""

_DEAD_S: Final = 60.0
"""After so long a change that has written no class is taken for one whose process died; it writes them at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of the classes.

    Attributes:
        revision: Of the taxonomy after it, under which its classes were written; 0 before they are.
        base: Revision that it started from.
        at: When, in seconds since 1970.
        by: Who made it.
        command: What was done, in the words of the command.
        message: Why, or empty.
        classes: Ids of the first of the classes that it added or replaced.
        count: How many there were.
        mark: What tells it from every other change.
    """

    revision: int
    base: int
    at: int
    by: str
    command: str
    message: str
    classes: tuple[str, ...]
    count: int
    mark: str


class History:
    """Writes and reads the changes of one catalogue."""

    def __init__(self, state: State, *, shared: bool) -> None:
        """Use ``state``; ``shared`` says whether other processes may write to it."""
        self._state = state
        self._shared = shared

    def open(self, before: Taxonomy, specs: Sequence[ClassSpec], by: str, command: str, message: str) -> Entry:
        """Note a change of these classes that is about to be written."""
        ids = tuple(spec.id for spec in specs)
        entry = Entry(
            0, before.revision, int(time.time()), by, command, message, ids[:_NAMED], len(ids), secrets.token_hex(8)
        )
        document = Document(_OPEN, entry.mark, asdict(entry), before.revision)
        self._state.put(document, *_parts(before, ids, entry.mark))
        return entry

    def check(self, entry: Entry, head: Callable[[], int]) -> None:
        """Refuse an open change where another came between.

        Args:
            entry: The change.
            head: Reads the revision that the store has now.

        Raises:
            TaxonomyError: There was another; nothing is left of this one.
        """
        if not self._shared:
            return
        others = [one for one in self._state.every(_OPEN) if one.name != entry.mark]
        # The head last: a change that ends between the two reads is closed only after it has moved the head.
        if head() == entry.base and not others:
            return
        self.drop(entry)
        who = f" by {others[0].body['by']}" if others else ""
        message = f"the classes were changed{who} after revision {entry.base}, which this change started from"
        raise TaxonomyError(message, hint="Nothing was written. Look at `nearclass classes log`, then run it again.")

    def close(self, entries: Iterable[Entry]) -> None:
        """Forget that these changes were open; their entries are written."""
        if marks := [entry.mark for entry in entries]:
            self._state.delete(_OPEN, marks)

    def drop(self, entry: Entry) -> None:
        """Remove an open change that has written no class."""
        names = [one.name for one in self._state.every(_BEFORE, after_revision=entry.base) if _mark(one) == entry.mark]
        if names:
            self._state.delete(_BEFORE, names)
        self.close([entry])

    def left_open(self) -> list[Entry]:
        """Changes that were cut off and have written classes, with their revisions; those that have not are removed."""
        opened = [_entry(one.body) for one in self._state.every(_OPEN)]
        if not opened:
            return []
        least = min(entry.base for entry in opened)
        begun = {one.body.get("change"): one.revision for one in self._state.every(_CLASS, after_revision=least)}
        for entry in opened:
            if entry.mark not in begun and (not self._shared or time.time() - entry.at > _DEAD_S):
                self.drop(entry)
        return [replace(entry, revision=begun[entry.mark]) for entry in opened if entry.mark in begun]

    @staticmethod
    def documents(entries: Iterable[Entry]) -> list[Document]:
        """The entries of the log, to be written with the head."""
        return [Document(_ENTRY, entry.mark, asdict(entry), entry.revision) for entry in entries]

    def entries(self, *, after_revision: int | None = None) -> list[Entry]:
        """Every change, newest first, or those after a revision."""
        found = [_entry(one.body) for one in self._state.every(_ENTRY, after_revision=after_revision)]
        return sorted(found, key=lambda entry: (entry.revision, entry.at, entry.mark), reverse=True)

    def of(self, class_id: str) -> list[Entry]:
        """Every change that added or replaced a class, newest first."""
        marks = {_mark(one) for one in self._state.every(_BEFORE) if class_id in _ids(one.body)}
        return [entry for entry in self.entries() if entry.mark in marks]

    def at(self, now: Taxonomy, revision: int) -> Taxonomy:
        """The taxonomy as it was at a revision.

        Raises:
            TaxonomyError: There was no such revision, or it is older than the history.
        """
        every = self.entries()
        first = min((entry.base for entry in every), default=now.revision)
        if not first <= revision <= now.revision:
            message = f"the history has no revision {revision}, it goes from {first} to {now.revision}"
            raise TaxonomyError(message, hint="`nearclass classes log` lists the revisions.")
        undone = [entry for entry in every if entry.revision > revision]
        parts: dict[str, list[Mapping[str, Any]]] = {}
        if undone:
            for one in self._state.every(_BEFORE, after_revision=min(entry.base for entry in undone)):
                parts.setdefault(_mark(one), []).append(one.body)
        specs = {spec.id: spec for spec in now}
        for entry in undone:
            for body in parts.get(entry.mark, ()):
                specs |= {row["id"]: spec_from_dict(row) for row in body["specs"]}
                for class_id in body["added"]:
                    specs.pop(class_id, None)
        return Taxonomy(specs.values(), revision)


def _parts(before: Taxonomy, ids: Sequence[str], mark: str) -> list[Document]:
    """The classes of these ids as they are, and the ids that are not there, in documents that are not too large."""
    bodies: list[dict[str, list[Any]]] = []
    size = _PART_BYTES
    for class_id in ids:
        old = before.get(class_id)
        row: Any = class_id if old is None else spec_to_dict(old)
        length = len(orjson.dumps(row)) + 1
        if size + length > _PART_BYTES:
            bodies.append({"specs": [], "added": []})
            size = 0
        size += length
        bodies[-1]["added" if old is None else "specs"].append(row)
    return [Document(_BEFORE, f"{mark}/{number:06d}", body, before.revision + 1) for number, body in enumerate(bodies)]


def _ids(body: Mapping[str, Any]) -> set[str]:
    """The classes that a document of the history is about."""
    return {*body["added"], *(row["id"] for row in body["specs"])}


def _mark(document: Document) -> str:
    return document.name.partition("/")[0]


def _entry(body: Mapping[str, Any]) -> Entry:
    return Entry(**{**body, "classes": tuple(body["classes"])})
