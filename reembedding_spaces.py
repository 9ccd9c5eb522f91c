"""The two kinds of spaces that a catalogue can move, of texts and of pictures: what serves, how one is brought up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from .encoders.base import Encoder
from .encoding import CatalogEncoder
from .errors import UsageError
from .imaging import CatalogImages
from .ingest.editing import ClassEditor
from .ingest.items import ItemWriter
from .ingest.left_out import LeftOut
from .ingest.picture_side import PictureSide
from .ingest.pictured_answers import tell_pictures, tell_texts
from .ingest.reembed import Side, SpaceFilling
from .ingest.rejects import refused
from .ingest.row_making import PictureRows, RowMaker, TextRows
from .ingest.sources import BadRow
from .ingest.text_side import TextSide
from .query.pair import LivePair
from .schemas.records import Item
from .schemas.spaces import Space
from .store import Store
from .store.reembed import Job, read_job, write_job
from .store.spaces import SpaceCollections, Spaces
from .store.state import State
from .store.taxonomy import TaxonomyStore

if TYPE_CHECKING:
    from .encoders.image import ImageEncoder

__all__ = ["MovedSpaces", "OnReject", "kind_of", "left_out_refused"]

_log = logging.getLogger(__name__)

OnReject = Callable[[BadRow], None]
"""Called with each item and each class whose picture is left out, and why."""

_WITHOUT: Final = {
    "text": ("texts", "Name the encoder with NEARCLASS_TEXT_ENCODER before the first class."),
    "image": ("pictures", "Name the encoder with NEARCLASS_IMAGE_ENCODER before the first picture."),
}


def kind_of(encoder: str | Encoder) -> str:
    """Kind of the spaces that an encoder makes, ``text`` or ``image``."""
    from .encoders.image_resolve import is_image_name  # noqa: PLC0415 - slow to import

    if not isinstance(encoder, str):
        return encoder.space.kind
    return "image" if is_image_name(encoder) else "text"


@dataclass(frozen=True)
class MovedSpaces:
    """What a move needs of an open catalogue, for either kind of space.

    Attributes:
        catalog: Name of the catalogue.
        store: Where it is.
        state: Its documents.
        spaces: Its spaces.
        encoders: Its encoders of texts.
        images: Its encoders of pictures.
        taxonomies: Its classes.
        classes: Changes them.
        beside: Gives what answers from a space and the other kind's serving one, as its vectors are now.
    """

    catalog: str
    store: Store
    state: State
    spaces: Spaces
    encoders: CatalogEncoder
    images: CatalogImages
    taxonomies: TaxonomyStore
    classes: ClassEditor
    beside: Callable[[Space], LivePair]

    def serving(self, kind: str) -> Space:
        """The space of a kind that answers come from.

        Raises:
            UsageError: There is none yet.
        """
        name = self.spaces.serving(kind).serving
        if not name:
            what, hint = _WITHOUT[kind]
            raise UsageError(f"the catalogue has no space of {what} yet", hint=hint)
        return self.spaces.named(name)

    def made(self, encoder: str | Encoder, kind: str) -> Encoder:
        """The encoder of a kind that is meant, known to the catalogue from now on.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        if kind == "text":
            encoder = self.encoders.named(encoder) if isinstance(encoder, str) else encoder
            self.encoders.know(encoder)
            return encoder
        seeing = self.images.named(encoder) if isinstance(encoder, str) else cast("ImageEncoder", encoder)
        self.images.know(seeing)
        return seeing

    def place(self, space: Space) -> SpaceCollections:
        """Collections of a space."""
        return SpaceCollections.of(self.catalog, space)

    def items(self, name: str) -> int:
        """How many items a space has."""
        space = self.spaces.get(name) if name else None
        place = self.place(space) if space else None
        return self.store.count(place.items) if place and self.store.resolve(place.items) is not None else 0

    def filling(self, source: Space, target: Space) -> SpaceFilling:
        """What brings ``target`` up to ``source``."""
        side: Side
        if target.kind == "image":
            side = PictureSide(self.store, self.pictures(target))
        else:
            side = TextSide(self.store, TextRows(self.encoders.of(target)))
        lock, newest = self.classes.lock, self.taxonomies.newest
        return SpaceFilling(self.catalog, self.store, self.state, source, target, side, lock, newest, self.beside)

    def rows(self, space: Space) -> RowMaker:
        """What makes rows of items for a space, of those of another of its kind."""
        return self.pictures(space) if space.kind == "image" else TextRows(self.encoders.of(space))

    def pictures(self, space: Space) -> PictureRows:
        """The same for a space of pictures."""
        images = self.images
        return PictureRows(images.of(space), images.loader, images.known_folders, self._left_out)

    def lost(self, filling: SpaceFilling, job: Job, on_reject: OnReject) -> int:
        """Remember the pictures that could not be read, where they are to be left out; how many there are.

        Raises:
            UsageError: There are some, and they are not to be left out.
        """
        if not isinstance(filling.side, PictureSide):
            return 0
        items, others = filling.side.rows.lost, filling.side.lost
        every = [one.error for one in items.values()] + [error for _, error in others.values()]
        if every and not job.leave_out:
            raise left_out_refused(len(every), every[0].message)
        target = filling.target.name
        self._left_out.note(target, {*items, *others})
        for one in items.values():
            on_reject(refused(one.item, one.error.code, one.error.message))
        for key, (reference, error) in others.items():
            on_reject(refused(Item(key, image=reference), error.code, error.message))
        if every:
            _log.warning("%d pictures are left out, such as: %s", len(every), every[0].message)
        return len(every)

    def settle(self) -> None:
        """Complete a switch: rows in the other kind's space get the answers of the space that serves by now."""
        job = read_job(self.state)
        if job is not None and job.untold:
            self._tell(job.kind)
            write_job(self.state, replace(job, untold=False))

    def _tell(self, kind: str) -> None:
        text, image = self.spaces.text_space(), self.spaces.image_space()
        if text is None or image is None:
            return
        texts, pictures = self.place(text), self.place(image)
        if kind == "text":
            tell_pictures(self.store, texts, pictures)
            return
        tell_texts(self.store, texts, pictures)
        left = sorted(self._left_out.keys(image.name))
        pair = self.beside(image)
        if left and pair.text is not None:  # they are answered by their texts alone
            writer = ItemWriter(self.store, pair.text, None, pair=pair)
            writer.reassign(left)
            writer.flush()

    def drop(self, name: str) -> None:
        """Remove a space with its collections and documents; may be repeated."""
        space = self.spaces.get(name)
        if space is not None:
            self.place(space).drop(self.store)
            self.spaces.forget(name)

    @property
    def _left_out(self) -> LeftOut:
        return LeftOut(self.catalog, self.store, self.state, self.spaces)


def left_out_refused(count: int, example: str) -> UsageError:
    """That so many pictures cannot be read again, which nobody has allowed to be left out."""
    message = f"{count:,} pictures cannot be read again, such as: {example}"
    hint = "Put them back, or name their folder with --pictures DIR; --leave-out-missing goes on without them."
    return UsageError(message, hint=hint)
