"""The read side of a catalogue's two encoded spaces together, kept as fresh as each of them."""

import threading

from ..store.fusion import read_fusion
from ..store.state import State
from .fuse import FusedAssigner
from .live import LiveSpace

__all__ = ["LivePair"]


class LivePair:
    """Gives a ``FusedAssigner`` for the taxonomy of the moment; may be used from several threads."""

    def __init__(self, state: State, text: LiveSpace | None, image: LiveSpace | None) -> None:
        """Answer from these spaces; one may be None."""
        self.text = text
        self.image = image
        self._state = state
        self._lock = threading.Lock()
        self._made: FusedAssigner | None = None

    def assigner(self) -> FusedAssigner:
        """The assigner for the taxonomy as it is now."""
        text = None if self.text is None else self.text.assigner()
        image = None if self.image is None else self.image.assigner()
        with self._lock:
            if self._made is None or self._made.text is not text or self._made.image is not image:
                fusion = None
                if text is not None and image is not None:
                    fusion = read_fusion(self._state, (text.space, image.space), (text.learner, image.learner))
                self._made = FusedAssigner(text, image, fusion)
            return self._made

    def portable(self) -> FusedAssigner:
        """The same for a process that has no store, see ``LiveSpace.portable``."""
        text = None if self.text is None else self.text.portable()
        image = None if self.image is None else self.image.portable()
        return FusedAssigner(text, image, self.assigner().fusion)

    def beside(self, image: LiveSpace | None) -> "LivePair":
        """The same text space beside another image space."""
        return LivePair(self._state, self.text, image)
