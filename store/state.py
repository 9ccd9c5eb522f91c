"""Documents of a catalogue: small JSON bodies by kind and name, kept in the state collection.

All shared state lives in Milvus, so that any number of processes serve one catalogue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ..schemas.collections import key_of, state_spec
from ..schemas.filters import All, Compare, Filter, In
from .names import state_collection
from .store import Store

__all__ = ["STATE_VECTOR", "Document", "State"]

STATE_VECTOR: Final = (1.0, 0.0)
"""What stands in the place of a vector in every document."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document; the revision is that of the taxonomy it was written under, 0 where that means nothing."""

    kind: str
    name: str
    body: Mapping[str, Any]
    revision: int = 0


class State:
    """Reads and writes the documents of one catalogue."""

    def __init__(self, store: Store, catalog: str) -> None:
        self._store = store
        self._collection = state_collection(catalog)

    def exists(self) -> bool:
        """Whether the catalogue has been created."""
        return self._store.resolve(self._collection) is not None

    def create(self) -> None:
        """Make the state collection, unless it is there."""
        self._store.create(self._collection, state_spec())

    def get(self, kind: str, name: str) -> Document | None:
        """The document, as it was last written by any process."""
        found = self._read(In("key", [key_of(kind, name)]))  # any other filter looks at every row of Milvus Lite
        return found[0] if found else None

    @property
    def writes(self) -> int | None:
        """How often documents were written; None where other processes may write too."""
        return self._store.writes(self._collection)

    def every(self, kind: str, *, after_revision: int | None = None) -> list[Document]:
        """Every document of a kind, or those written after a revision, in the order of their names."""
        where: Filter = Compare("kind", "==", kind)
        if after_revision is not None:
            where = All([where, Compare("revision", ">", after_revision)])
        return sorted(self._read(where), key=lambda document: document.name)

    def put(self, *documents: Document) -> None:
        """Write documents, and return when they are durable."""
        if not documents:
            return
        vector = np.asarray(STATE_VECTOR, np.float32)
        rows = [
            {
                "key": key_of(document.kind, document.name),
                "vector": vector,
                "kind": document.kind,
                "name": document.name,
                "revision": document.revision,
                "body": dict(document.body),
            }
            for document in documents
        ]
        self._store.upsert(self._collection, state_spec(), rows)
        self._store.flush(self._collection)

    def delete(self, kind: str, names: Iterable[str]) -> None:
        """Remove documents by name; those that are not there are passed over."""
        self._store.delete(self._collection, In("key", [key_of(kind, name) for name in names]))
        self._store.flush(self._collection)

    def _read(self, where: Filter) -> list[Document]:
        rows = self._store.query(self._collection, where=where, fields=("kind", "name", "revision", "body"))
        return [Document(row["kind"], row["name"], row["body"], row["revision"]) for row in rows]
