"""The public face of ingesting by many processes: what they need of a catalogue, and the two ways to store."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from .encoding import text_encoder
from .imaging import image_encoder, picture_loader
from .ingest.checkpoints import Checkpoints
from .ingest.counts import Counts
from .ingest.distributed.bulk import BulkImport, BulkPlace
from .ingest.distributed.embedding import Recipe
from .ingest.distributed.engines import Engine
from .ingest.distributed.known import Known
from .ingest.distributed.parts import LAYOUT, PartFolder
from .ingest.distributed.run import Putting, ShardRun
from .ingest.distributed.shard import find_shards
from .ingest.items import ItemWriter
from .ingest.making import Answering
from .ingest.rejects import RejectWriter
from .ingest.run import Mappings, Progress
from .ingest.sources.address import is_address
from .query.live import LiveSpace
from .query.pair import LivePair
from .schemas.filters import Compare
from .schemas.spaces import Space
from .settings import Settings
from .store import Store
from .store.picture_folders import PictureFolders
from .store.spaces import SpaceCollections, check_same
from .store.state import State

if TYPE_CHECKING:
    from .encoders.image import ImageEncoder
    from .encoders.text import TextEncoder

__all__ = ["Reading", "ShardedIngest", "Sharing"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the work on files is shared out.

    Attributes:
        engine: Who does it, such as ``RayEngine``.
        parts: Folder or address that all processes reach, for what is embedded and not stored yet.
        bulk: Folder or address that the Milvus server reads itself: items are imported in bulk into a catalogue that
            has none, where the engine of the database can; None inserts them.
        on_note: Called with what a person should know of how it goes.
    """

    engine: Engine
    parts: str | Path = "nearclass.parts"
    bulk: str | None = None
    on_note: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read; see ``Catalog.ingest``."""

    flags: tuple[str, ...] = ()
    labels_are_confirmed: bool = False
    format: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class ShardedIngest:
    """Ingests files by an engine.

    Attributes:
        store: The database.
        state: Its documents.
        settings: Of the catalogue.
        live: The space of texts or of given vectors.
        pair: The spaces of texts and pictures; None for given vectors.
    """

    store: Store
    state: State
    settings: Settings
    live: LiveSpace
    pair: LivePair | None

    def run(
        self,
        sharing: Sharing,
        paths: Sequence[str],
        writer: Putting,
        rejects: RejectWriter,
        how: Reading,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Counts:
        """Store the items of files, and return when all is durable.

        Raises:
            UsageError: There is nothing to share out, or items are there and all shall be imported in bulk.
            NearclassError: A shard cannot be read or embedded; what is done is kept for the next attempt.
        """
        name = self.live.place.space.name
        mappings = Mappings(self.state, name, how.flags)
        shards = find_shards(paths, mappings, format=how.format, encoding=how.encoding)
        asked = ("shards", *paths, str(how.labels_are_confirmed), str(sorted(how.flags)))
        checkpoints = Checkpoints(self.state, rejects, ("\x1f".join(asked), name))
        folder = PartFolder(f"{str(sharing.parts).rstrip('/')}/{checkpoints.name[:16]}")
        recipe = self._recipe(folder.place, labels_are_confirmed=how.labels_are_confirmed)
        sharing.on_note(f"shards: {len(shards)}, parts in {folder.place}")
        importing = self._importing(sharing, folder)
        with sharing.engine as engine:
            run, started = ShardRun(engine, recipe, folder, checkpoints, rejects, on_progress), time.time()
            if importing is not None and "image" in self._places():  # which a writer would do by itself
                PictureFolders(self.state).note(
                    str(Path(one.path).parent) for one in shards if not is_address(one.path)
                )
            counts = run.run(shards, writer) if importing is None else run.import_all(shards, importing)
            if run.began < math.inf:  # said before Ray is ended, which takes seconds and keeps nobody waiting for rows
                sharing.on_note(f"start-up: {run.began - started:.1f} s of {time.time() - started:.1f} s")
        if importing is None:
            return counts
        self._catch_up(recipe.answering.taxonomy.revision)
        return counts

    def _importing(self, sharing: Sharing, folder: PartFolder) -> BulkImport | None:
        """What imports in bulk; None where that is not asked for, or this engine cannot.

        Raises:
            UsageError: It cannot be done here.
        """
        if sharing.bulk is None:
            return None
        if reason := self.store.imports.missing(self.live.place.items):
            sharing.on_note(f"{reason}: the items are inserted")
            return None
        importing = BulkImport(self.store, self._places(), folder, BulkPlace(sharing.bulk))
        importing.check()
        return importing

    def _recipe(self, place: str, *, labels_are_confirmed: bool) -> Recipe:
        """What another process needs to make parts: no store, no secret, and nothing that changes while it works."""
        image = self.pair.image if self.pair is not None else None
        space = self.live.place.space
        answering = Answering.portable(self.live, self.pair)
        pictures = image.place.space.fingerprint if image else ""
        labels = answering.taxonomy.revision if labels_are_confirmed else None
        said = [LAYOUT, space.fingerprint, pictures, labels_are_confirmed, labels]
        settings = _for_other_processes(self.settings)
        if space.kind == "text":  # an encoder without a name that others find is refused before anything is started
            check_same(space, _texts(settings, space.encoder, None).space)
        return Recipe(
            hashlib.sha256(orjson.dumps(said)).hexdigest(),
            place,
            space,
            answering,
            Known.read(self.store, self.live.place.items),
            Known.read(self.store, image.place.items) if image else Known.none(),
            labels_are_confirmed,
            partial(_texts, settings, space.encoder) if space.kind == "text" else None,
            partial(_images, settings, image.place.space) if image else None,
            partial(picture_loader, settings) if image else None,
        )

    def _places(self) -> Mapping[str, SpaceCollections]:
        image = self.pair.image if self.pair is not None else None
        return {"text": self.live.place} | ({"image": image.place} if image else {})

    def _catch_up(self, revision: int) -> None:
        """Answer anew what was answered before a change of the classes that came meanwhile."""
        if not self.live.moved_on(revision):
            return
        writer = ItemWriter(self.store, self.live, None, pair=self.pair)
        stale = Compare("revision", "<", self.live.assigner().taxonomy.revision)
        for place in self._places().values():
            for rows in self.store.scan(place.items, where=stale, fields=("key",), page=1000):
                writer.reassign([row["key"] for row in rows])
        writer.flush()


def _for_other_processes(settings: Settings) -> Settings:
    roots = tuple(root.expanduser().absolute() for root in settings.picture_roots)
    return settings.model_copy(update={"token": None, "broker_url": None, "uri": "none", "picture_roots": roots})


def _texts(settings: Settings, name: str, threads: int | None) -> "TextEncoder":
    return text_encoder(settings.model_copy(update={"threads": threads or settings.threads}), name)


def _images(settings: Settings, space: Space, threads: int | None) -> "ImageEncoder":
    made = image_encoder(settings.model_copy(update={"threads": threads or settings.threads}), space.encoder)
    check_same(space, made.space)
    return made
