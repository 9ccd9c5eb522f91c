"""Items whose picture could not be read again for another space of pictures."""

from collections.abc import Collection
from dataclasses import dataclass

from ..schemas.filters import In
from ..store import Store
from ..store.reembed import read_left_out, write_left_out
from ..store.spaces import SpaceCollections, Spaces
from ..store.state import State

__all__ = ["LeftOut"]


@dataclass(frozen=True)
class LeftOut:
    """Remembers which items a space of pictures is without, so that going back to another one does not lose them."""

    catalog: str
    store: Store
    state: State
    spaces: Spaces

    def note(self, space: str, keys: Collection[str]) -> None:
        """Remember that the space is without the pictures of these items, and of no others."""
        if keys or read_left_out(self.state, space):
            write_left_out(self.state, space, keys)

    def keys(self, space: str) -> set[str]:
        """Keys of the items whose pictures the space is without."""
        return read_left_out(self.state, space)

    def kept(self, source: str, target: SpaceCollections, keys: Collection[str]) -> set[str]:
        """Those of these items of ``target`` that ``source`` is without for no other reason than that it could not.

        An item with a text has a row in the space of texts as well; where that is gone, somebody removed the item.
        """
        left = self.keys(source).intersection(keys)
        text = self.spaces.text_space()
        if not left or text is None:
            return left
        place = SpaceCollections.of(self.catalog, text).items
        fields = ("key", "title", "description", "text")
        rows = self.store.query(target.items, where=In("key", sorted(left)), fields=fields)
        worded = {row["key"] for row in rows if any(row[name] for name in fields[1:])}
        there: set[str] = set()
        if worded and self.store.resolve(place) is not None:
            there = {row["key"] for row in self.store.query(place, where=In("key", sorted(worded)), fields=("key",))}
        return (left - worded) | there
