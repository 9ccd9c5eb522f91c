"""The write side of a catalogue: items or files in, each item stored and answered by one writer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from .distribution import Reading, ShardedIngest, Sharing
from .encoding import CatalogEncoder
from .errors import UsageError
from .imaging import CatalogImages
from .ingest.items import ItemWriter, Looking
from .ingest.labelled import mapped_items
from .ingest.moving import FollowingWriter, Moves
from .ingest.rejects import RejectWriter
from .ingest.run import Counts, IngestRun, Progress, run_items
from .ingest.sources import BadRow, Source, open_sources
from .live import LiveSpaces
from .query.pair import LivePair
from .schemas.records import Item
from .settings import Settings
from .store import Store
from .store.spaces import Spaces
from .store.state import State
from .store.taxonomy import TaxonomyStore

__all__ = ["Files", "Storing", "items_or_paths"]


@dataclass(frozen=True, slots=True)
class Files:
    """Files that items are read from.

    Attributes:
        paths: Files, folders and URLs; ``-`` is standard input.
        reading: How rows become items.
        sharing: Who else does the work, each file being one shard; None is nobody.
    """

    paths: Sequence[str]
    reading: Reading = field(default_factory=Reading)
    sharing: Sharing | None = None

    def opened(self) -> Iterator[Source]:
        """The files, one after the other."""
        return open_sources(self.paths, format=self.reading.format, encoding=self.reading.encoding)


class Storing:
    """Stores items, in a space of texts with what pictures there are, or in a space of given vectors."""

    def __init__(
        self,
        store: Store,
        state: State,
        settings: Settings,
        taxonomies: TaxonomyStore,
        spaces: Spaces,
        encoders: CatalogEncoder,
        images: CatalogImages,
        live: LiveSpaces,
        moves: Moves,
    ) -> None:
        """Write to ``store``; ``moves`` are the spaces that are filled beside those that serve."""
        self._store = store
        self._state = state
        self._settings = settings
        self._taxonomies = taxonomies
        self._spaces = spaces
        self._encoders = encoders
        self._images = images
        self._live = live
        self._moves = moves

    def files(
        self, files: Files, rejects: str | Path, space: str | None, on_progress: Callable[[Progress], None]
    ) -> Counts:
        """Store the items of files; a run that was cut off goes on where it was."""
        dim = lambda: _first_dim(mapped_items(files.opened()))  # noqa: E731 - read only where the space is new
        with RejectWriter(rejects) as reject_writer, self._looking(space) as looking:
            writer = self._writer(space, looking, dim, streamed="-" in files.paths)
            if files.sharing is not None:
                pair = self._live.pair() if space is None else None
                sharded = ShardedIngest(self._store, self._state, self._settings, self._live.of(space), pair)
                return sharded.run(files.sharing, files.paths, writer, reject_writer, files.reading, on_progress)
            run = IngestRun(
                writer,
                self._state,
                self._taxonomies.current(),
                reject_writer,
                space=writer.space,
                flags=files.reading.flags,
                labels_are_confirmed=files.reading.labels_are_confirmed,
                name="\x1f".join(files.paths),
                on_progress=on_progress,
            )
            return run.run(files.opened)

    def items(self, items: Sequence[Item], rejects: str | Path, space: str | None) -> Counts:
        """Store items."""
        with RejectWriter(rejects) as reject_writer, self._looking(space) as looking:
            writer = self._writer(space, looking, lambda: _first_dim(items), streamed=False)
            return run_items(writer, items, reject_writer)

    @contextmanager
    def writing(self, space: str | None = None) -> Iterator[ItemWriter | FollowingWriter]:
        """What stores and answers items, a chunk at a time, for whoever says when they are flushed."""
        with self._looking(space) as looking:
            yield self._writer(space, looking, lambda: None, streamed=True)

    @contextmanager
    def _looking(self, space: str | None) -> Iterator[Looking | None]:
        """What looks at pictures while items are written, if anything does."""
        if space is not None or self._images.current() is None:
            yield None
            return
        encoder = self._images.chosen()
        with self._images.loader() as loader:
            yield Looking(encoder, loader)

    def _writer(
        self, space: str | None, looking: Looking | None, first_dim: Callable[[], int | None], *, streamed: bool
    ) -> ItemWriter | FollowingWriter:
        if space is None:
            self._encoders.chosen()  # remembered before the first item
            return FollowingWriter(self._live.pair, lambda pair: self._text_writer(pair, looking), self._moves)
        known = self._spaces.get(space)
        if known is None and streamed:
            message = f"there is no space {space!r} yet, and standard input cannot be read twice to learn its dimension"
            raise UsageError(
                message, hint="Import the class vectors first: nearclass classes import FILE --space NAME."
            )
        dim = known.dim if known else first_dim()
        self._spaces.register_given(space, dim)
        return ItemWriter(self._store, self._live.of(space), None)

    def _text_writer(self, pair: LivePair, looking: Looking | None) -> ItemWriter:
        live = pair.text or self._live.of(None)
        if looking and pair.image:
            looking = replace(looking, encoder=self._images.of(pair.image.place.space))
        encoder, folders = self._encoders.of(live.place.space), self._images.folders
        return ItemWriter(self._store, live, encoder, pair=pair, looking=looking, folders=folders)


def items_or_paths(given: Iterable[Item | str]) -> tuple[list[Item], list[str]]:
    """What was given to be stored, which is all items or all paths; nothing counts as no items.

    Raises:
        UsageError: It is of both kinds, or of another.
    """
    every = list(given)
    items = [one for one in every if isinstance(one, Item)]
    paths = [one for one in every if isinstance(one, str)]
    if len(every) not in {len(items), len(paths)}:
        other = next(one for one in every if not isinstance(one, Item))
        message = f"{other!r} is no item, and not all that was given are paths"
        raise UsageError(message, hint="Give either nearclass.Item objects or paths.")
    return items, paths


def _first_dim(items: Iterable[Item | BadRow]) -> int | None:
    for one in items:
        if isinstance(one, Item) and one.vector is not None:
            return len(one.vector)
    return None
