"""From a shard to its part: the intake, the maker and the answers of the plain way, without a store."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...encoders.base import Encoder
from ...schemas.records import Role
from ...schemas.spaces import Space
from ...store.spaces import check_same
from ..counts import Counts
from ..intake import Chunk, Intake
from ..items import answer
from ..making import Answering, ItemMaker, Looking
from ..pending import ChunkResult, Pending
from ..rejects import RejectWriter
from .known import Known
from .part_table import PartWriter
from .parts import Manifest, PartFolder
from .shard import Shard

if TYPE_CHECKING:
    from ...encoders.image import ImageEncoder
    from ...pictures.load import PictureLoader

__all__ = ["Recipe", "ShardEmbedder"]


@dataclass(frozen=True)
class Recipe:
    """How parts are made; it goes to every process once.

    Attributes:
        digest: Of what decides what is in a part, besides the shard.
        place: Folder or address of the parts.
        space: Of texts or of given vectors.
        answering: Answers items without a store.
        texts: Texts that have vectors already.
        pictures: Pictures that do.
        labels_are_confirmed: Whether the label of a row counts as confirmed by a person.
        make_encoder: Makes the encoder of texts, with so many threads; None for given vectors.
        make_image_encoder: The same of pictures; None where they do not count.
        make_loader: Makes what loads them.
    """

    digest: str
    place: str
    space: Space
    answering: Answering
    texts: Known
    pictures: Known
    labels_are_confirmed: bool = False
    make_encoder: "Callable[[int | None], Encoder] | None" = None
    make_image_encoder: "Callable[[int | None], ImageEncoder] | None" = None
    make_loader: "Callable[[], PictureLoader] | None" = None

    def worker(self, threads: int | None) -> "ShardEmbedder":
        """What makes parts by it, in whatever process."""
        return ShardEmbedder(self, threads)


class ShardEmbedder:
    """Makes parts, one after another, with one encoder that stays loaded."""

    def __init__(self, recipe: Recipe, threads: int | None = None) -> None:
        """Work by ``recipe``; models are loaded by ``warm_up`` or with the first shard."""
        self._recipe = recipe
        self._threads = threads
        self._folder = PartFolder(recipe.place)
        self._ready = 0.0

    def warm_up(self) -> None:
        """Load the model of texts, so that the first shard is as quick as the next.

        Raises:
            EncoderError: It cannot be loaded.
            SpaceMismatchError: What is here under its name makes other vectors.
        """
        if self._encoder is not None:
            self._encoder.encode(["warm up"], Role.ITEM)

    def do(self, shard: Shard) -> None:
        """Make the part of a shard; there is nothing of it unless it is whole.

        Raises:
            InputError: The shard cannot be read, or the part cannot be written.
            EncoderError: The model fails.
        """
        self._ready = self._ready or time.time()
        started = time.monotonic()
        recipe, folder, counts = self._recipe, self._folder, Counts()
        folder.forget(shard)
        with ExitStack() as stack:
            looking = self._looking(stack)
            rejected = stack.enter_context(folder.writing(folder.rejects(shard)))
            path = stack.enter_context(folder.writing(folder.part(shard)))
            source = shard.open()
            # In files of their own, so that both are closed before they get their names.
            with RejectWriter(rejected) as rejects, PartWriter(path) as part:
                labels = recipe.labels_are_confirmed
                intake = Intake(recipe.answering.taxonomy, rejects, counts, labels_are_confirmed=labels)
                maker = ItemMaker(recipe.space, self._encoder, looking)
                for chunk in intake.chunks(source, shard.mapper(source)):
                    result = ChunkResult()
                    part.write(self._made(chunk, maker, result))
                    counts.add(result)
                    intake.refuse(chunk, result)
            size, items, refused = path.stat().st_size, part.items, rejects.offset
        manifest = Manifest(
            shard.number,
            shard.digest,
            recipe.digest,
            size,
            items,
            refused,
            counts,
            self._ready,
            time.monotonic() - started,
            f"{platform.node()}/{os.getpid()}",
        )
        folder.note(shard, manifest)

    def _made(self, chunk: Chunk, maker: ItemMaker, result: ChunkResult) -> list[Pending]:
        """The items of a chunk with vectors, but for those that are known, and with answers."""
        recipe = self._recipe
        pending = maker.prepare(chunk.items, chunk.confirmed, result)
        known = recipe.texts.has([one.key for one in pending], [one.content_hash for one in pending]).tolist()
        pending_known = {one.key for one, is_known in zip(pending, known, strict=True) if is_known}
        seen = recipe.pictures
        pending = maker.look(pending, lambda key, digest: bool(seen.has([key], [digest])[0]), result)
        wanted = [one for one in pending if one.content_hash and one.vector is None and one.key not in pending_known]
        maker.embed(wanted, result)
        whole = [
            one
            for one in pending
            if not (one.content_hash and one.vector is None) and not (one.digest and one.picture is None)
        ]
        answer(whole, recipe.answering)
        return pending

    def _looking(self, stack: ExitStack) -> Looking | None:
        make = self._recipe.make_loader
        if make is None or self._image_encoder is None:
            return None
        return Looking(self._image_encoder, stack.enter_context(make()))

    @cached_property
    def _image_encoder(self) -> "ImageEncoder | None":
        make = self._recipe.make_image_encoder
        return None if make is None else make(self._threads)

    @cached_property
    def _encoder(self) -> Encoder | None:
        make = self._recipe.make_encoder
        if make is None:
            return None
        encoder = make(self._threads)
        check_same(self._recipe.space, encoder.space)
        return encoder
