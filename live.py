"""The read sides of a catalogue's spaces: made when first asked for, and read anew after a switch of spaces."""

import threading

from .encoding import CatalogEncoder
from .query.live import LiveSpace
from .query.pair import LivePair
from .schemas.spaces import Space
from .store import Store
from .store.spaces import SpaceCollections, Spaces
from .store.state import State
from .store.taxonomy import TaxonomyStore

__all__ = ["LiveSpaces"]


class LiveSpaces:
    """Gives the read side of each space; may be used from several threads."""

    def __init__(
        self,
        catalog: str,
        store: Store,
        state: State,
        spaces: Spaces,
        encoders: CatalogEncoder,
        taxonomies: TaxonomyStore,
        *,
        class_search: str = "auto",
    ) -> None:
        """Read the spaces of the catalogue with this name; ``class_search`` as of ``LiveSpace``."""
        self._catalog = catalog
        self._store = store
        self._state = state
        self._spaces = spaces
        self._encoders = encoders
        self._taxonomies = taxonomies
        self._class_search = class_search
        self._lock = threading.RLock()
        self._made: dict[str, tuple[str, LiveSpace]] = {}
        self._pair: LivePair | None = None

    def of(self, name: str | None) -> LiveSpace:
        """The space of given vectors with this name, or for None the space of texts that serves."""
        return self._of(*self._encoders.serving()) if name is None else self._of(self._spaces.named(name), "")

    def pair(self) -> LivePair:
        """The space of texts and, where the catalogue has one by now, the space of pictures."""
        text, image = self.of(None), self._image()
        with self._lock:
            made = self._pair
            if made is None or made.text is not text or made.image is not image:
                made = self._pair = LivePair(self._state, text, image)
            return made

    def beside(self, space: Space) -> LivePair:
        """A space, serving or not, and the serving one of the other kind; read anew, for its vectors are changing."""
        if space.kind == "image":
            return LivePair(self._state, self.of(None), self._read(space))
        return LivePair(self._state, self._read(space), self._image())

    def _image(self) -> LiveSpace | None:
        there = self._spaces.serving("image")
        return self._of(self._spaces.named(there.serving), there.mark) if there.serving else None

    def _of(self, space: Space, mark: str) -> LiveSpace:
        with self._lock:
            # After a switch of spaces nothing that was read before it counts.
            if space.name not in self._made or (mark and self._made[space.name][0] != mark):
                self._made[space.name] = (mark, self._read(space))
            return self._made[space.name][1]

    def _read(self, space: Space) -> LiveSpace:
        place = SpaceCollections.of(self._catalog, space)
        return LiveSpace(self._store, self._state, self._taxonomies, place, class_search=self._class_search)
