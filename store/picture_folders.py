"""Folders that pictures of items came from, so that the same files are found again by the paths that are stored.

A stored item keeps the path of its picture as its row had it, which begins in the folder of the file that the row stood
in. There are few such folders, so each is one document.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .state import Document, State

__all__ = ["PictureFolders"]

_KIND: Final = "picture_folder"


class PictureFolders:
    """Remembers folders of pictures; may be used from several threads."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: frozenset[str] = frozenset()

    def note(self, folders: Iterable[str | None]) -> None:
        """Remember these folders, None for the working directory; returns when that is durable."""
        fresh = {os.path.abspath(folder or ".") for folder in folders} - self._known  # noqa: PTH100
        if not fresh:
            return
        fresh -= {str(folder) for folder in self.every()}
        self._state.put(*(Document(_KIND, _name(folder), {"folder": folder}) for folder in sorted(fresh)))
        self._known |= fresh

    def every(self) -> list[Path]:
        """Every folder that is remembered."""
        found = [str(document.body["folder"]) for document in self._state.every(_KIND)]
        self._known |= frozenset(found)
        return [Path(folder) for folder in sorted(found)]


def _name(folder: str) -> str:
    return hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()
