"""The taxonomy as it is stored: one document for each class, and a head that says which revision is complete.

A change writes the documents of its classes first, then the vectors, and moves the head last. Documents ahead of the
head are a change that is under way or was cut off; the next change, or the next open, completes it. Readers may see
such a class a moment before its vectors are there, which answers nothing wrong: candidates come from the vectors.
The head also carries a random mark, so that two writers who chose the same revision number are both noticed.

On an embedded database this process is the only writer: it reads once, before a change, what an earlier one left
there, and from then on knows what it wrote. Where others write too, it reads again when it chooses the number, when
its documents are there, and when it has moved the head.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..schemas.records import ClassSpec
from ..schemas.taxonomy import Taxonomy, spec_from_dict, spec_to_dict
from .history import Entry, History
from .state import Document, State

__all__ = ["FRESH_S", "TaxonomyStore"]

FRESH_S: Final = 1.0
"""How long a process may answer from what it knows before it asks whether another has changed the taxonomy."""

_CLASS: Final = "class"
_HEAD: Final = "head"


class TaxonomyStore:
    """Reads and writes the classes of one catalogue."""

    def __init__(self, state: State, *, shared: bool) -> None:
        """Use ``state``; ``shared`` says whether other processes may write to it."""
        self._state = state
        self._shared = shared
        self._lock = threading.RLock()
        self._specs: dict[str, ClassSpec] = {}
        self._positions: dict[str, int] = {}
        self._newest = 0
        self._taxonomy: Taxonomy | None = None
        self._head: tuple[int, str] = (0, "")
        self._asked_at = float("-inf")
        self._sure = True

    def current(self) -> Taxonomy:
        """The taxonomy: changes by this process at once, those of others within ``FRESH_S`` seconds."""
        with self._lock:
            stale = self._shared and time.monotonic() - self._asked_at > FRESH_S
            if self._taxonomy is None or (stale and self._read_head() != self._head):
                return self.reload()
            return self._taxonomy

    def reload(self) -> Taxonomy:
        """The taxonomy as it is in the store now."""
        with self._lock:
            head = self._read_head()
            # From the known revision on, not after it: a second writer may have used the same number.
            known = self._taxonomy.revision if self._taxonomy else None
            after = None if known is None else known - 1
            self._take(self._state.every(_CLASS, after_revision=after) if head[1] else [])
            return self._settle(head)

    def pending(self) -> bool:
        """Whether there are documents ahead of the head, left by a change that was cut off."""
        with self._lock:
            if not self._knows_all() or self._read_head() != self._head:
                self.reload()
            return self._head[0] < self._newest

    def newest(self) -> Taxonomy:
        """The taxonomy with every document there is, also those ahead of the head, under the greatest revision."""
        with self._lock:
            if not self._knows_all():
                # All, not only the latest: a writer that others have overtaken writes under a number that is long
                # past, and whoever brings the spaces up to date removes the vectors of a class it does not know.
                self._take(self._state.every(_CLASS))
            return Taxonomy(self._ordered(), max(self._head[0], self._newest))

    def head(self) -> int:
        """The revision that is complete in the store now."""
        with self._lock:
            return self._read_head()[0]

    def save(self, specs: Sequence[ClassSpec], change: str = "") -> int:
        """Write the documents of changed classes under the next revision, which is returned; the head stays.

        Args:
            specs: The classes.
            change: Mark of the change in the history, which the documents bear.
        """
        with self._lock:
            if not self._knows_all():
                self.reload()
            if not self._head[1]:
                self._move_head(0)
            revision = max(self._head[0], self._newest) + 1
            start = max(self._positions.values(), default=-1) + 1
            documents = [
                Document(
                    _CLASS,
                    spec.id,
                    {
                        "spec": spec_to_dict(replace(spec, vector=None)),
                        "position": self._positions.get(spec.id, start + offset),
                        "change": change,
                    },
                    revision,
                )
                for offset, spec in enumerate(specs)
            ]
            self._sure = False  # a write that fails may have been made all the same
            self._state.put(*documents)
            self._take(documents)
            self._sure = True
            return revision

    def commit(self, revision: int, entries: Sequence[Entry] = ()) -> Taxonomy:
        """Move the head to ``revision``, and with it every process to the new taxonomy; log these changes with it.

        Each change is logged under the revision that its classes were written under: another process may have
        completed it meanwhile, and have made the next one.
        """
        with self._lock:
            head = self._head if self._knows_all() else self._read_head()
            self._move_head(max(revision, head[0]), entries)
            return self._settle(self._head) if self._knows_all() else self.reload()

    def _knows_all(self) -> bool:
        """Whether nobody else can have written since the store was read, and every write of this process was made."""
        return not self._shared and self._taxonomy is not None and self._sure

    def _read_head(self) -> tuple[int, str]:
        document = self._state.get(_HEAD, _HEAD)
        self._asked_at = time.monotonic()
        return (int(document.body["revision"]), str(document.body["mark"])) if document else (0, "")

    def _move_head(self, revision: int, entries: Sequence[Entry] = ()) -> None:
        mark = secrets.token_hex(8)
        body = {"revision": revision, "mark": mark, "at": int(time.time())}
        sure, self._sure = self._sure, False
        self._state.put(*History.documents(entries), Document(_HEAD, _HEAD, body, revision))
        self._head, self._sure = (revision, mark), sure

    def _take(self, documents: Sequence[Document]) -> None:
        for document in documents:
            self._specs[document.name] = spec_from_dict(document.body["spec"])
            self._positions[document.name] = int(document.body["position"])
            self._newest = max(self._newest, document.revision)

    def _settle(self, head: tuple[int, str]) -> Taxonomy:
        self._taxonomy = Taxonomy(self._ordered(), head[0])
        self._head, self._sure = head, True
        return self._taxonomy

    def _ordered(self) -> list[ClassSpec]:
        return sorted(self._specs.values(), key=lambda spec: (self._positions[spec.id], spec.id))
