"""Up to which revision of the taxonomy every stored item of a space has its answer.

An item keeps the revision that it was answered under. Most changes of the classes leave most answers as they are, and
those items are not written again; this document says that they have been looked at.
"""

from typing import Final

from .state import Document, State

__all__ = ["Answered"]

_ANSWERED: Final = "answered"


class Answered:
    """Reads and moves the mark of one space."""

    def __init__(self, state: State, space: str) -> None:
        """Use the mark of the space with this name; that of the text space stands for the image space too."""
        self._state = state
        self._space = space

    def revision(self) -> int:
        """Under this revision every item that was stored has its answer, or would have the same; 0 for none."""
        document = self._state.get(_ANSWERED, self._space)
        return int(document.body["revision"]) if document else 0

    def reach(self, revision: int) -> None:
        """Note that every stored item has been answered under this revision."""
        if revision > self.revision():
            self._state.put(Document(_ANSWERED, self._space, {"revision": revision}, revision))
