"""Writing while a catalogue moves from one space of texts to another: whatever is acknowledged is in both.

Before a space begins to serve, the document that names the spaces says so, and from then on every write is followed by
a look at it: what went to one space is brought to the one that is about to serve, or that serves by now. A write that
looked before that stands where the last pass of the move finds it.
"""

from collections.abc import Callable, Sequence

from ..encoders.base import Encoder
from ..errors import NearclassError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.records import Item
from ..schemas.spaces import Space
from ..store import Store
from ..store.spaces import SpaceCollections, Spaces
from .item_copies import ItemCopier
from .items import ChunkResult, ItemWriter

__all__ = ["FollowingWriter", "Moves"]


class Moves:
    """Knows where what is written to a space of texts has to go as well; may be used from several threads."""

    def __init__(
        self,
        catalog: str,
        store: Store,
        spaces: Spaces,
        encoder_of: Callable[[Space], Encoder],
        pair_of: Callable[[Space], LivePair],
    ) -> None:
        """Follow a catalogue; ``pair_of`` gives what answers from a space of texts and that of pictures."""
        self._catalog = catalog
        self._store = store
        self._spaces = spaces
        self._encoder_of = encoder_of
        self._pair_of = pair_of

    def check(self, name: str) -> None:
        """Refuse to change stored items by way of a space that does not serve any more.

        Raises:
            NearclassError: Another one serves.
        """
        serving = self._spaces.texts().serving
        if serving not in {name, ""}:
            message = f"these are the items of the space {name}, and the catalogue answers from {serving} by now"
            raise NearclassError(message, hint="Ask the catalogue for its items again.")

    def steady(self, name: str) -> None:
        """Refuse to acknowledge what only this space has, where another one serves or is about to.

        Raises:
            NearclassError: One does.
        """
        texts = self._spaces.texts()
        if texts.next or texts.serving not in {name, ""}:
            message = f"the catalogue moved from the space {name} to {texts.next or texts.serving} meanwhile"
            raise NearclassError(message, hint="Do it again once `nearclass reembed swap` is done.")

    def carry(self, written: str, keys: Sequence[str]) -> None:
        """Bring items that were written to a space, or removed from it, to every other that has to have them."""
        done = {written}
        while names := self._others(done):
            for name in names:
                self._bring(written, name, keys)
                done.add(name)

    def _others(self, done: set[str]) -> list[str]:
        texts = self._spaces.texts()
        return [name for name in (texts.serving, texts.next) if name and name not in done]

    def _bring(self, written: str, name: str, keys: Sequence[str]) -> None:
        source, target = self._spaces.named(written), self._spaces.named(name)
        there, here = (SpaceCollections.of(self._catalog, space) for space in (source, target))
        pair = self._pair_of(target)
        follow = _text(pair).assigner().taxonomy.follow
        if ItemCopier(self._store, there, here, self._encoder_of(target), follow=follow).some(keys):
            writer = ItemWriter(self._store, _text(pair), None, pair=pair)
            writer.reassign(keys, pictures_too=False)
            writer.flush()


class FollowingWriter:
    """Writes items to the space of texts that serves, whichever it is by then, and to one that is about to."""

    def __init__(self, pair: Callable[[], LivePair], make: Callable[[LivePair], ItemWriter], moves: Moves) -> None:
        """Write with what ``make`` gives for the spaces that ``pair`` names."""
        self._pair = pair
        self._make = make
        self._moves = moves
        self._text = _text(pair())
        self._writer = make(pair())

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
        self._moves.carry(self._writer.space, [key_of(item.id) for item in items])
        return result

    def delete(self, item_ids: Sequence[str]) -> None:
        """Remove items, as ``ItemWriter.delete``."""
        self._turn()
        self._writer.delete(item_ids)
        self._moves.carry(self._writer.space, [key_of(item_id) for item_id in item_ids])

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._writer.flush()

    def _turn(self) -> None:
        """Write to the space that serves by now."""
        pair = self._pair()
        if pair.text is not self._text:
            self._writer.flush()
            self._text, self._writer = _text(pair), self._make(pair)


def _text(pair: LivePair) -> LiveSpace:
    if pair.text is None:
        message = "the catalogue has no space of texts"
        raise NearclassError(message)
    return pair.text
