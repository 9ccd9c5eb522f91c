"""What all pages share beside the service: decisions of reviewers, and figures that take a while."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from fastapi import Depends, Request
from numpy.typing import NDArray

from ...learn.lint import Finding
from ..access import current_service
from ..figures import Figures, figures_of
from ..finding import Finder
from ..kept import Kept
from ..reviewing import Reviewing
from ..scatter import Scatter, scatter_of
from ..service import Service

if TYPE_CHECKING:
    from ...catalog import Catalog

__all__ = ["AtDesk", "Desk"]

_FIGURES_S: Final = 20.0
_SLOW_S: Final = 600.0

Vectors = tuple[list[str], NDArray[np.float32]]


class Desk:
    """The state of the page, in the memory of this process.

    Attributes:
        service: The service.
        reviewing: Decisions of reviewers, and what waits for them.
        figures: Counts of the stored items, by the revision of the taxonomy.
        findings: What may be wrong with the classes, by the same.
        vectors: Ids and unit vectors of the classes that can be answered, by the same.
        scatter: The map.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.reviewing = Reviewing(service)
        catalog, behind = service.catalog, service.pool.submit
        self.figures: Kept[Figures] = Kept(lambda: figures_of(catalog), behind, fresh_s=_FIGURES_S)
        self.findings: Kept[list[Finding]] = Kept(catalog.lint, behind, fresh_s=_SLOW_S)
        self.vectors: Kept[Vectors] = Kept(lambda: _units(catalog), behind, fresh_s=_SLOW_S)
        self.scatter: Kept[Scatter] = Kept(lambda: scatter_of(catalog), behind, fresh_s=_SLOW_S)
        self._lock = threading.Lock()
        self._finder: Finder | None = None

    @property
    def finder(self) -> Finder:
        """Finds classes of the taxonomy as it is now."""
        taxonomy = self.service.catalog.classes.taxonomy
        with self._lock:
            if self._finder is None or self._finder.taxonomy is not taxonomy:
                self._finder = Finder(taxonomy)
            return self._finder

    def flagged(self, revision: int) -> Mapping[str, int]:
        """How many findings concern each class first of all; empty until the classes have been compared."""
        return Counter(one.classes[0] for one in self.findings.known(revision) or [] if one.classes)


def _units(catalog: "Catalog") -> Vectors:
    found = catalog.class_vectors()
    ids = sorted(found)
    if not ids:
        return [], np.empty((0, 1), np.float32)
    vectors = np.stack([found[one] for one in ids])
    return ids, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


async def _desk(request: Request) -> Desk:
    """Made at the first request, in the one thread of the event loop: the application alone needs no catalogue."""
    state = request.app.state
    if getattr(state, "desk", None) is None:
        state.desk = Desk(current_service(request))
    desk: Desk = state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
"""The state of the page."""
