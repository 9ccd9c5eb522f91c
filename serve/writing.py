"""Items of many requests, stored one after the other and made durable together."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import TaxonomyError
from ..schemas.records import Item
from ..schemas.written import ItemError, Written
from .metrics import Metrics

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.run import Writer

__all__ = ["Write", "Writing"]


@dataclass(frozen=True, slots=True)
class Write:
    """Items that one request stores.

    Attributes:
        items: The items.
        confirmed: For each the class that a person says it belongs to (id, full path or unique name), or an empty text.
    """

    items: tuple[Item, ...]
    confirmed: tuple[str, ...]


class Writing:
    """Stores items."""

    def __init__(self, catalog: "Catalog", metrics: Metrics, lock: threading.Lock) -> None:
        self._catalog = catalog
        self._metrics = metrics
        self._lock = lock

    def write(self, writes: Sequence[Write]) -> Sequence[Written | Exception]:
        """What became of each write; nothing is told before all of it is durable."""
        with self._lock, self._metrics.timed("store"), self._catalog.writing() as writer:
            found: list[Written | Exception] = []
            for one in writes:
                try:
                    found.append(self._one(writer, one))
                except Exception as error:  # noqa: BLE001 - told to the one request
                    found.append(error)
            writer.flush()
        for done in found:
            if isinstance(done, Written):
                self._metrics.stored("stored", done.ok)
                self._metrics.stored("unchanged", done.unchanged)
                self._metrics.stored("refused", len(done.errors))
        return found

    def _one(self, writer: "Writer", write: Write) -> Written:
        confirmed, unknown = self._classes(write)
        kept = [place for place in range(len(write.items)) if place not in unknown]
        result = writer.write([write.items[place] for place in kept], [confirmed[place] for place in kept])
        refused = dict(unknown)
        for one in result.refusals:
            place = kept[one.index]
            refused[place] = ItemError(place, write.items[place].id, one.code, one.message)
        errors = tuple(refused[place] for place in sorted(refused))
        return Written(len(write.items), result.ok, result.unchanged, result.embedded, result.truncated, errors)

    def _classes(self, write: Write) -> tuple[list[str], dict[int, ItemError]]:
        """Ids of the confirmed classes, and the items whose class is not there."""
        taxonomy = self._catalog.classes.taxonomy
        ids: list[str] = []
        unknown: dict[int, ItemError] = {}
        for place, (item, name) in enumerate(zip(write.items, write.confirmed, strict=True)):
            try:
                ids.append(taxonomy.find(name).id if name else "")
            except TaxonomyError as error:
                ids.append("")
                unknown[place] = ItemError(place, item.id, "unknown_label", error.message)
        return ids, unknown
