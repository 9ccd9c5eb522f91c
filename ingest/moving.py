"""Writing while a catalogue moves from one space to another of the kind: whatever is acknowledged is in both.

Before a space begins to serve, the document that names the spaces says so, and from then on every write is followed by
a look at it: what went to one space is brought to the one that is about to serve, or that serves by now. A write that
looked before that stands where the last pass of the move finds it.
"""

from collections.abc import Callable, Sequence

from ..errors import NearclassError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.records import Item
from ..schemas.spaces import Serving, Space
from ..store import Store
from ..store.spaces import SpaceCollections, Spaces
from .item_copies import ItemCopier
from .items import ChunkResult, ItemWriter
from .pending import Pending
from .row_making import RowMaker

__all__ = ["FollowingWriter", "Moves"]


class Moves:
    """Knows where what is written to a space of texts has to go as well; may be used from several threads."""

    def __init__(
        self,
        catalog: str,
        store: Store,
        spaces: Spaces,
        maker_of: Callable[[Space], RowMaker],
        pair_of: Callable[[Space], LivePair],
    ) -> None:
        """Follow a catalogue.

        Args:
            catalog: Its name.
            store: Where it is.
            spaces: Its spaces.
            maker_of: Gives what makes rows for a space.
            pair_of: Gives what answers from a space, of texts or of pictures, and the other kind's serving one.
        """
        self._catalog = catalog
        self._store = store
        self._spaces = spaces
        self._maker_of = maker_of
        self._pair_of = pair_of

    def check(self, names: Sequence[str]) -> None:
        """Refuse to change stored items by way of a space that does not serve any more.

        Raises:
            NearclassError: Another one serves.
        """
        for name in names:
            serving = self._serving(name).serving
            if serving not in {name, ""}:
                message = f"these are the items of the space {name}, and the catalogue answers from {serving} by now"
                raise NearclassError(message, hint="Ask the catalogue for its items again.")

    def steady(self, names: Sequence[str]) -> None:
        """Refuse to acknowledge what only these spaces have, where another one serves or is about to.

        Raises:
            NearclassError: One does.
        """
        for name in names:
            there = self._serving(name)
            if there.next or there.serving not in {name, ""}:
                message = f"the catalogue moved from the space {name} to {there.next or there.serving} meanwhile"
                raise NearclassError(message, hint="Do it again once `nearclass reembed swap` is done.")

    def carry(self, written: Sequence[str], keys: Sequence[str]) -> None:
        """Bring items that were written to spaces, or removed from them, to every other that has to have them."""
        for source in written:
            done = {source}
            while names := [name for name in self._wanted(source) if name not in done]:
                for name in names:
                    self._bring(source, name, keys)
                    done.add(name)

    def _wanted(self, written: str) -> list[str]:
        there = self._serving(written)
        return [name for name in (there.serving, there.next) if name]

    def _serving(self, name: str) -> Serving:
        space = self._spaces.get(name)
        return self._spaces.serving(space.kind) if space and space.kind != "precomputed" else Serving()

    def _bring(self, written: str, name: str, keys: Sequence[str]) -> None:
        source, target = self._spaces.named(written), self._spaces.named(name)
        there, here = (SpaceCollections.of(self._catalog, space) for space in (source, target))
        pair = self._pair_of(target)
        follow = _text(pair).assigner().taxonomy.follow
        if ItemCopier(self._store, there, here, self._maker_of(target), follow=follow).some(keys):
            writer = ItemWriter(self._store, _text(pair), None, pair=pair)
            serves = target.kind == "image" and self._serving(name).serving == name
            writer.reassign(keys, only="" if serves else name)  # a text row has the answer by the pictures that serve
            writer.flush()


class FollowingWriter:
    """Writes items to the spaces that serve, whichever they are by then, and to those that are about to."""

    def __init__(self, pair: Callable[[], LivePair], make: Callable[[LivePair], ItemWriter], moves: Moves) -> None:
        """Write with what ``make`` gives for the spaces that ``pair`` names."""
        self._pair = pair
        self._make = make
        self._moves = moves
        first = pair()
        self._text, self._image = _text(first), first.image
        self._writer = make(first)

    @property
    def space(self) -> str:
        """Name of the space that was written to last."""
        return self._writer.space

    def write(
        self, items: Sequence[Item], confirmed: Sequence[str] | None = None, *, answer_all: bool = False
    ) -> ChunkResult:
        """Embed, assign and store items, as ``ItemWriter.write``."""
        self._turn()
        result = self._writer.write(items, confirmed, answer_all=answer_all)
        self._moves.carry(self._written, [key_of(item.id) for item in items])
        return result

    def expect(self, items: Sequence[Item]) -> None:
        """Begin to embed items that will probably be written next, as ``ItemWriter.expect``."""
        self._writer.expect(items)

    def put(self, pending: Sequence[Pending]) -> ChunkResult:
        """Store items that were made elsewhere for the space that served at the beginning, as ``ItemWriter.put``.

        Raises:
            NearclassError: Another space serves by now.
        """
        self._moves.check(self._written)
        result = self._writer.put(pending)
        self._moves.carry(self._written, [one.key for one in pending])
        return result

    def delete(self, item_ids: Sequence[str]) -> None:
        """Remove items, as ``ItemWriter.delete``."""
        self._turn()
        self._writer.delete(item_ids)
        self._moves.carry(self._written, [key_of(item_id) for item_id in item_ids])

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._writer.flush()

    @property
    def _written(self) -> list[str]:
        """Names of the spaces that are written to."""
        return [side.place.space.name for side in (self._text, self._image) if side is not None]

    def _turn(self) -> None:
        """Write to the spaces that serve by now."""
        pair = self._pair()
        moved = self._image is not None and pair.image is not self._image  # a first one has nothing to look with yet
        if pair.text is not self._text or moved:
            self._writer.flush()
            self._text, self._image, self._writer = _text(pair), pair.image, self._make(pair)


def _text(pair: LivePair) -> LiveSpace:
    if pair.text is None:
        message = "the catalogue has no space of texts"
        raise NearclassError(message)
    return pair.text
