"""What items that wait would be answered now: asked once for each of them, and again when the classes are others."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..schemas.records import Assignment
from ..schemas.taxonomy import Taxonomy
from .queue import Waiting

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["Nearest"]


class Nearest:
    """Keeps the answers of the items that were asked for last; may be used from several threads."""

    def __init__(self, catalog: "Catalog") -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._taxonomy: Taxonomy | None = None
        self._kept: Mapping[Waiting, Assignment] = {}

    def of(self, waiting: Sequence[Waiting]) -> Mapping[Waiting, Assignment]:
        """The answers of those that are still there, in their order."""
        with self._lock:
            taxonomy = self._catalog.classes.taxonomy  # another object after whatever changes answers
            kept = self._kept if taxonomy is self._taxonomy else {}
            missing = [one.id for one in waiting if one not in kept]
            fresh = self._catalog.items().answers(missing) if missing else {}
            found = {one: kept.get(one) or fresh.get(one.id) for one in waiting}
            self._taxonomy = taxonomy
            self._kept = {one: answer for one, answer in found.items() if answer is not None}
            return self._kept
