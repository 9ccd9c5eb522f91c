"""The taxonomy as it is stored: one document for each class, and a head that says which revision is complete.

A change writes the documents of its classes first, then the vectors, and moves the head last. Documents ahead of the
head are a change that is under way or was cut off; the next change, or the next open, completes it. Readers may see
such a class a moment before its vectors are there, which answers nothing wrong: candidates come from the vectors.
The head also carries a random mark, so that two writers who chose the same revision number are both noticed.
"""

import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from ..schemas.records import ClassSpec
from ..schemas.taxonomy import Taxonomy, spec_from_dict, spec_to_dict
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
        self._taxonomy: Taxonomy | None = None
        self._head: tuple[int, str] = (0, "")
        self._asked_at = float("-inf")

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
            changed = self._state.every(_CLASS, after_revision=after) if head[1] else []
            return self._take(changed, head)

    def pending(self) -> bool:
        """Whether there are documents ahead of the head, left by a change that was cut off."""
        with self._lock:
            return bool(self._state.every(_CLASS, after_revision=self.reload().revision))

    def save(self, specs: Sequence[ClassSpec]) -> int:
        """Write the documents of changed classes under the next revision, which is returned; the head stays."""
        with self._lock:
            self.reload()
            revision = max(self._head[0], *(self._revisions() or [0])) + 1
            start = max(self._positions.values(), default=-1) + 1
            if not self._head[1]:
                self._move_head(0)
            self._state.put(
                *(
                    Document(
                        _CLASS,
                        spec.id,
                        {
                            "spec": spec_to_dict(replace(spec, vector=None)),
                            "position": self._positions.get(spec.id, start + offset),
                        },
                        revision,
                    )
                    for offset, spec in enumerate(specs)
                )
            )
            return revision

    def commit(self, revision: int) -> Taxonomy:
        """Move the head to ``revision``, and with it every process to the new taxonomy."""
        with self._lock:
            self._move_head(max(revision, self._read_head()[0]))
            return self.reload()

    def complete(self) -> Taxonomy:
        """The taxonomy with every document there is, also those ahead of the head."""
        with self._lock:
            documents = self._state.every(_CLASS)
            specs = _in_order(documents)
            return Taxonomy(specs, max([self._read_head()[0], *(document.revision for document in documents)]))

    def _revisions(self) -> list[int]:
        return [document.revision for document in self._state.every(_CLASS, after_revision=self._head[0])]

    def _read_head(self) -> tuple[int, str]:
        document = self._state.get(_HEAD, _HEAD)
        self._asked_at = time.monotonic()
        return (int(document.body["revision"]), str(document.body["mark"])) if document else (0, "")

    def _move_head(self, revision: int) -> None:
        body = {"revision": revision, "mark": secrets.token_hex(8), "at": int(time.time())}
        self._state.put(Document(_HEAD, _HEAD, body, revision))

    def _take(self, documents: Iterable[Document], head: tuple[int, str]) -> Taxonomy:
        for document in documents:
            self._specs[document.name] = spec_from_dict(document.body["spec"])
            self._positions[document.name] = int(document.body["position"])
        ordered = sorted(self._specs.values(), key=lambda spec: (self._positions[spec.id], spec.id))
        self._taxonomy = Taxonomy(ordered, head[0])
        self._head = head
        return self._taxonomy


def _in_order(documents: Iterable[Document]) -> list[ClassSpec]:
    ranked = sorted(documents, key=lambda document: (int(document.body["position"]), document.name))
    return [spec_from_dict(document.body["spec"]) for document in ranked]
