"""A whole catalogue as tables of rows: read from one store, and written into another, or kept in files between.

A catalogue that is being filled bears a mark in the one document that every open reads first, and is refused until the
last row is counted and that document is written as it was. So one that was cut off is never taken for whole, and the
same source goes on where it stopped.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ..errors import StoreError
from ..schemas.collections import CollectionSpec, state_spec, versions_spec
from ..schemas.filters import Compare
from ..schemas.spaces import Space
from .names import catalogs_in, state_collection, versions_collection
from .spaces import CATALOG, FILLING, SPACE_SPECS, SpaceCollections, Spaces
from .state import Document, State
from .store import Store

__all__ = [
    "PAGE",
    "STATE",
    "VERSIONS",
    "CatalogReader",
    "CatalogWriter",
    "Row",
    "Table",
    "changed_meanwhile",
    "copy_catalog",
    "is_opening",
]

Row = dict[str, Any]
"""``key``, ``vector`` as (dim,) float32, and every field of the table's specification."""

STATE: Final = "state"
"""Kind of the table that holds a catalogue's documents."""

VERSIONS: Final = "versions"
"""Kind of the table that says how new the source of each item and class is; there once a worker has written."""

PAGE: Final = 1000
"""Rows at a time; of the longest texts that items may have, they take some 300 MB, of common ones 3 MB."""

_DECISIVE: Final = ("head", "catalog", "space", "active_learner", "calibration", "fusion")
"""Kinds of documents one of which is written with every change of what answers are given by."""


_PLAIN: Final[Mapping[str, tuple[Callable[[str], str], Callable[[], CollectionSpec]]]] = {
    STATE: (state_collection, state_spec),
    VERSIONS: (versions_collection, versions_spec),
}
"""Tables that belong to no space, whose vectors are all the same: name of the collection, and layout."""


@dataclass(frozen=True, slots=True)
class Table:
    """One collection of a catalogue: its documents, what is new, or the rows of one kind in one space.

    Attributes:
        kind: ``state``, ``versions``, ``classes``, ``evidence``, ``items`` or ``learned``.
        space: The space; None for the first two.
    """

    kind: str
    space: Space | None = None

    @property
    def name(self) -> str:
        """Kind and space, for messages."""
        return self.kind if self.space is None else f"{self.kind} of {self.space.name}"

    @property
    def spec(self) -> CollectionSpec:
        """Layout of the rows."""
        return _PLAIN[self.kind][1]() if self.space is None else SPACE_SPECS[self.kind](self.space.dim)

    def collection(self, catalog: str) -> str:
        """Name that a catalogue reads and writes the rows by."""
        if self.space is None:
            return _PLAIN[self.kind][0](catalog)
        return SpaceCollections.of(catalog, self.space).of_kind(self.kind)


class CatalogReader:
    """Reads everything that a catalogue has, a page at a time; no model is needed."""

    def __init__(self, store: Store, catalog: str) -> None:
        """Read from ``store``.

        Raises:
            StoreError: The catalogue is not there, or only half.
            SchemaMismatchError: It has a layout that this version does not read.
        """
        self._store = store
        self._catalog = catalog
        self._state = State(store, catalog)
        if not self._state.exists():
            there = ", ".join(catalogs_in(store.collections())) or "none"
            message = f"there is no catalogue {catalog!r} at {store.uri}"
            raise StoreError(message, hint=f"Catalogues there: {there}; name one with --catalog.")
        self._spaces = Spaces(self._state)
        self._spaces.check_version()

    @property
    def spaces(self) -> list[Space]:
        """Every space, in use or kept to go back to, by name."""
        return self._spaces.stored()

    @property
    def revision(self) -> int:
        """Revision of the taxonomy, 0 before the first class."""
        head = self._state.get("head", "head")
        return head.revision if head else 0

    @property
    def opening(self) -> Mapping[str, Any]:
        """Body of the document that every open reads first; empty where no vector was ever stored."""
        known = self._state.get(CATALOG, CATALOG)
        return known.body if known else {}

    def tables(self) -> list[Table]:
        """The documents, then every other table that has been made, space by space."""
        every = [Table(VERSIONS), *(Table(kind, space) for space in self.spaces for kind in SPACE_SPECS)]
        return [Table(STATE), *(one for one in every if self._store.resolve(one.collection(self._catalog)))]

    def count(self, table: Table) -> int:
        """How many rows a table has."""
        return self._store.count(table.collection(self._catalog))

    def pages(self, table: Table, page: int = PAGE) -> Iterator[list[Row]]:
        """Every row of a table once, whole, in order of the keys; rows written meanwhile may be missing."""
        fields = ("key", "vector", *table.spec.field_names)
        return self._store.scan(table.collection(self._catalog), fields=fields, page=page)

    def mark(self) -> str:
        """What changes with every change of the classes, of what was learnt and calibrated, but not with items.

        The same mark before and after reading says that what was read belongs together. A change that was under way
        all the time does not show: what was read is then as if that change had been cut off, and is completed by the
        next open or change, as after a crash.
        """
        seen = hashlib.sha256()
        for kind in _DECISIVE:
            for one in self._state.every(kind):
                row = (one.kind, one.name, one.revision, one.body)
                seen.update(orjson.dumps(row, option=orjson.OPT_SORT_KEYS))
        return seen.hexdigest()


class CatalogWriter:
    """Fills an empty catalogue; until ``finish`` returns, nobody can open it.

    While it is filled nothing else may write to it: a process that had the empty catalogue open before is not noticed.
    """

    def __init__(self, store: Store, catalog: str) -> None:
        self._store = store
        self._catalog = catalog
        self._state = State(store, catalog)
        self._filling: dict[str, Any] = {}

    def begin(self, source: str, label: str, spaces: Sequence[Space]) -> int:
        """Take possession of the catalogue, and make its collections.

        What another source, or this one in another state, had begun to fill is emptied: it was never whole.

        Args:
            source: What tells this source, in this state, from every other.
            label: The same for people, for messages.
            spaces: The spaces whose tables will be written.

        Returns:
            How many parts of this source were noted as done by an earlier attempt.

        Raises:
            StoreError: There is something in the catalogue.
        """
        self._state.create()
        places = [SpaceCollections.of(self._catalog, space) for space in spaces]
        known = self._state.get(CATALOG, CATALOG)
        filling = known.body.get(FILLING) if known else None
        if filling is None:
            self._refuse_unless_empty(places)
        elif filling["source"] != source:
            self._empty(filling["collections"])
            filling = None
        if filling is None:
            named = self._names(places)
            filling = {"source": source, "label": label, "parts": 0, "collections": named}
        self._note(filling)
        self._store.create(versions_collection(self._catalog), versions_spec())
        for place in places:
            place.ensure(self._store)
        return int(filling["parts"])

    def write(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write whole rows, each in place of one of its key.

        Raises:
            StoreError: A row does not fit; the field, the key, the value and the bound are named.
        """
        if table.kind == STATE:
            rows = [row for row in rows if not is_opening(row)]
        self._store.upsert(table.collection(self._catalog), table.spec, rows)

    def done(self, parts: int, table: Table) -> None:
        """Note that so many parts are written, the last of them of this table; returns when they are durable."""
        self._store.flush(table.collection(self._catalog))
        self._note({**self._filling, "parts": parts})

    def finish(self, counts: Iterable[tuple[Table, int]], opening: Mapping[str, Any]) -> None:
        """Compare the number of rows with what was to be written, then let the catalogue be opened.

        Args:
            counts: Each table with the number of its rows in the source.
            opening: Body of the document that every open reads first; empty where the source has none.

        Raises:
            StoreError: A table has another number of rows; the catalogue stays closed.
        """
        for table, rows in counts:
            name = table.collection(self._catalog)
            self._store.flush(name)
            wanted = rows + 1 if table.kind == STATE and not opening else rows  # there is one from now on
            found = self._store.count(name)
            if found != wanted:
                message = f"{table.name}: {wanted} rows were to be in {self._catalog!r}, and {found} are there"
                raise StoreError(message, hint="Two rows have one key, or something else writes to this catalogue.")
        self._state.put(Document(CATALOG, CATALOG, Spaces.whole(opening)))

    def _note(self, filling: dict[str, Any]) -> None:
        self._filling = filling
        self._state.put(Document(CATALOG, CATALOG, Spaces.whole({FILLING: filling})))

    def _names(self, places: Sequence[SpaceCollections]) -> list[str]:
        """Every collection but that of the documents."""
        spaced = [place.of_kind(kind) for place in places for kind in SPACE_SPECS]
        return [versions_collection(self._catalog), *spaced]

    def _refuse_unless_empty(self, places: Sequence[SpaceCollections]) -> None:
        for name in (state_collection(self._catalog), *self._names(places)):
            rows = self._store.count(name) if self._store.resolve(name) else 0
            if rows:
                message = f"the catalogue {self._catalog!r} at {self._store.uri} is not empty: {name} has {rows} rows"
                raise StoreError(message, hint="Give another name with --catalog, or another place with --uri.")

    def _empty(self, collections: Sequence[str]) -> None:
        """Remove all rows, the documents last, so that the mark stays until nothing else is there."""
        for name in (*collections, state_collection(self._catalog)):
            if self._store.resolve(name):
                self._store.delete(name, Compare("key", ">", ""))
                self._store.flush(name)


def is_opening(row: Mapping[str, Any]) -> bool:
    """Whether a row of documents is the one that every open reads first, which is written last."""
    return bool(row["kind"] == CATALOG and row["name"] == CATALOG)


def copy_catalog(
    reader: CatalogReader, writer: CatalogWriter, label: str, on_rows: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Copy a whole catalogue into an empty one; the number of rows of each table, by its name.

    Cut off at any moment, it leaves nothing that can be opened; called again, it starts over.

    Args:
        reader: Of the catalogue.
        writer: Of the empty one.
        label: What the catalogue is, for messages.
        on_rows: Called with the number of rows after each page.

    Raises:
        StoreError: The target is not empty, or the source was changed meanwhile.
    """
    mark = reader.mark()
    writer.begin(secrets.token_hex(16), label, reader.spaces)
    opening = reader.opening
    counts: list[tuple[Table, int]] = []
    for number, table in enumerate(reader.tables(), 1):
        copied = 0
        for rows in reader.pages(table):
            writer.write(table, rows)
            copied += len(rows)
            on_rows(len(rows))
        writer.done(number, table)
        counts.append((table, copied))
    if reader.mark() != mark:
        raise changed_meanwhile(label)
    writer.finish(counts, opening)
    return {table.name: rows for table, rows in counts}


def changed_meanwhile(label: str) -> StoreError:
    """The error for a catalogue that did not hold still while it was read."""
    message = f"{label} was changed while it was read"
    return StoreError(message, hint="Run it again while nobody changes classes, learns or calibrates.")
