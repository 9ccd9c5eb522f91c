"""The public face: a catalogue is one taxonomy, its items and its learnt state in one Milvus database."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from .encoders.base import Encoder
from .encoders.fingerprint import describe
from .encoders.presets import DEFAULT_TEXT_PRESET
from .encoders.resolve import resolve
from .encoders.text import TextEncoder
from .errors import ModelNotFoundError, UsageError
from .ingest.editing import Change, ClassEditor
from .ingest.items import ChunkResult, ItemWriter
from .ingest.labelled import Labelled, mapped_items
from .ingest.rejects import RejectWriter
from .ingest.run import CHUNK_ROWS, Counts, IngestRun, Progress
from .ingest.sources import BadRow, Source, open_sources
from .ingest.stored import StoredItems
from .learn.evaluate import Evaluation, Judged, evaluate
from .query.items import Found, ItemReader, item_filter
from .query.live import LiveSpace
from .schemas.filters import Compare, Filter
from .schemas.records import Assignment, ClassSpec, Item, Role
from .schemas.spaces import Space, precomputed
from .schemas.text import item_text
from .schemas.vectors import unit_vector
from .settings import Settings, load_settings
from .store import Store
from .store.spaces import SpaceCollections, Spaces, check_same
from .store.state import State
from .store.taxonomy import TaxonomyStore

__all__ = ["Catalog", "Items"]

_SPACE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Catalog:
    """An open catalogue; use it in a ``with`` statement. It may be used from several threads.

    Attributes:
        classes: The taxonomy: ``add``, ``edit``, ``retire``, ``restore``, and ``taxonomy`` to read it.
        store: The Milvus database.
        settings: What it was opened with.
    """

    def __init__(self, store: Store, settings: Settings, encoder: Encoder | None = None) -> None:
        """Use an open store; most callers want ``Catalog.open``."""
        self.store = store
        self.settings = settings
        self._encoder = encoder
        self._lock = threading.RLock()
        self._state = State(store, settings.catalog)
        self._state.create()
        self._spaces = Spaces(self._state)
        self._spaces.check_version()
        self._check_encoder()
        self._taxonomies = TaxonomyStore(self._state, shared=not store.embedded)
        self._live: dict[str, LiveSpace] = {}
        self.classes = ClassEditor(
            settings.catalog, store, self._state, self._taxonomies, self._spaces, self._chosen_encoder
        )
        if store.embedded:  # on a server, another process may be in the middle of it
            self.classes.finish()

    @classmethod
    def open(
        cls,
        uri: str | None = None,
        *,
        name: str | None = None,
        settings: Settings | None = None,
        encoder: Encoder | None = None,
    ) -> Self:
        """Open a catalogue, made if it does not exist.

        Args:
            uri: Path of an embedded database, or URL of a Milvus server; by default from the settings.
            name: Name of the catalogue; by default from the settings.
            settings: By default from the environment and ``nearclass.toml``.
            encoder: Used in place of the one that the settings name.

        Raises:
            ConfigError: A setting is wrong.
            StoreError: The database cannot be opened.
            MismatchError: It was made by another encoder or another layout.
        """
        if settings is None:
            settings = load_settings({"uri": uri, "catalog": name}).settings
        else:
            given = {"uri": uri, "catalog": name}
            settings = settings.model_copy(update={key: value for key, value in given.items() if value})
        token = settings.token.get_secret_value() if settings.token else None
        store = Store.open(
            settings.uri,
            token=token,
            database=settings.database,
            tls_ca=settings.tls_ca,
            timeout_s=settings.timeout_s,
        )
        try:
            return cls(store, settings, encoder)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def __enter__(self) -> Self:
        """Give the catalogue itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def spaces(self) -> list[Space]:
        """Every space that the catalogue has vectors in."""
        return self._spaces.every()

    @property
    def encoder(self) -> Encoder:
        """The encoder of texts; its model is loaded at the first text."""
        return self._text_encoder()

    def items(self, space: str | None = None) -> "Items":
        """The stored items, of the text space or of a named one."""
        live = self._live_space(space)
        reader = ItemReader(self.store, live.place.items, self.classes.taxonomy)
        return Items(reader, StoredItems(self.store, live), self.classes)

    def import_vectors(self, specs: Sequence[ClassSpec], space: str) -> int:
        """Store the vectors that classes bring for a space of given vectors; how many there were."""
        dim = next((len(spec.vector) for spec in specs if spec.vector is not None), None)
        return self.classes.put_vectors(specs, self._given_space(space, dim))

    def import_classes(self, specs: Sequence[ClassSpec], *, space: str | None = None) -> Change:
        """Add or replace classes; with a space, their vectors go there and no text is embedded for them."""
        change = self.classes.put(specs, text=space is None)
        if space is not None:
            self.import_vectors(specs, space)
        return change

    def ingest(
        self,
        items: Iterable[Item] | Sequence[str],
        *,
        rejects: str | Path = "nearclass.rejects.jsonl",
        space: str | None = None,
        flags: Sequence[str] = (),
        labels_are_confirmed: bool = False,
        format: str | None = None,  # noqa: A002 - the word of the option
        encoding: str | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Counts:
        """Store items and assign them; returns when all is durable.

        Args:
            items: Items, or paths of files, folders and URLs (``-`` is standard input).
            rejects: File for rows that cannot be used, each with its reason; made when there is one.
            space: Name of a space of given vectors; by default texts are embedded.
            flags: Column mappings such as ``title=product_name``, for paths.
            labels_are_confirmed: Whether the label of a row counts as confirmed by a person.
            format: Format of the files, where their names do not say it.
            encoding: Encoding of text files that are not UTF-8.
            on_progress: Called after each chunk.
        """
        given = list(items)
        paths = [one for one in given if isinstance(one, str)]
        if paths and len(paths) == len(given):

            def opened() -> Iterator[Source]:
                return open_sources(paths, format=format, encoding=encoding)

            writer = self._writer(space, lambda: _first_dim(mapped_items(opened())), streamed="-" in paths)
            with RejectWriter(rejects) as reject_writer:
                run = IngestRun(
                    writer,
                    self._state,
                    self.classes.taxonomy,
                    reject_writer,
                    space=writer.space,
                    flags=flags,
                    labels_are_confirmed=labels_are_confirmed,
                    name="\x1f".join(paths),
                    on_progress=on_progress,
                )
                return run.run(opened)
        made = [one for one in given if isinstance(one, Item)]
        if len(made) < len(given):
            other = next(one for one in given if not isinstance(one, Item))
            message = f"{other!r} is no item, and not all that was given are paths"
            raise UsageError(message, hint="Give either nearclass.Item objects or paths.")
        with RejectWriter(rejects) as reject_writer:
            return self._ingest_items(made, space, reject_writer)

    def assign(
        self, items: Iterable[Item | str] | str, *, k: int = 5, explain: bool = True, space: str | None = None
    ) -> list[Assignment]:
        """The nearest class of each item, in the order given; nothing is stored.

        Args:
            items: Items or texts; the id of a text is its place, from 1.
            k: How many candidates to name.
            explain: Whether to look up the evidence that matched.
            space: Name of a space of given vectors, for items that bring one.

        Raises:
            EmptyTaxonomyError: There is no class to assign to.
        """
        listed = [items] if isinstance(items, str) else list(items)
        made = [one if isinstance(one, Item) else Item(str(number), text=one) for number, one in enumerate(listed, 1)]
        answers: list[Assignment] = []
        for start in range(0, len(made), CHUNK_ROWS):
            answers.extend(self._assign_chunk(made[start : start + CHUNK_ROWS], k, explain=explain, space=space))
        return answers

    def assign_each(
        self, rows: Iterable[Item | BadRow], *, k: int = 5, explain: bool = True, space: str | None = None
    ) -> Iterator[Assignment | BadRow]:
        """The answers for rows as they come, in their order and in bounded memory; bad rows are passed through."""
        chunk: list[Item | BadRow] = []
        for row in rows:
            chunk.append(row if isinstance(row, BadRow) else self._usable(row, space))
            if len(chunk) >= CHUNK_ROWS:
                yield from self._answer_rows(chunk, k, explain=explain, space=space)
                chunk = []
        yield from self._answer_rows(chunk, k, explain=explain, space=space)

    def stale_items(self) -> int:
        """How many stored items were assigned before the latest change of the taxonomy."""
        stale = Compare("revision", "<", self.classes.taxonomy.revision)
        places = [SpaceCollections.of(self.settings.catalog, space) for space in self._spaces.every()]
        return sum(self.store.count(place.items, stale) for place in places if self.store.resolve(place.items))

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        class_id: str | None = None,
        where: Sequence[str] = (),
    ) -> list[Found]:
        """The stored items nearest to a description.

        Args:
            query: What to look for, in words.
            k: How many items.
            class_id: Only items of this class and those below it; an id, a full path or a unique name.
            where: Conditions such as ``brand=Acme`` or ``price<40``, all of which must hold.
        """
        taxonomy = self.classes.taxonomy
        vector = self._text_encoder().encode([item_text(Item("query", text=query))], Role.CLASS).vectors[0]
        reader = ItemReader(self.store, self._live_space(None).place.items, taxonomy)
        return reader.search(vector, k, where=item_filter(taxonomy, class_id, where))

    def evaluate(self, labelled: Iterable[Labelled], *, space: str | None = None) -> tuple[Evaluation, list[Judged]]:
        """Figures of labelled items, and each answer beside its truth."""
        rows = list(labelled)
        if not rows:
            message = "there is no labelled row to evaluate on"
            raise UsageError(message, hint="Rows need a `label` column with a class id, path or name, or `oos`: true.")
        self._live_space(space).assigner().check()
        self.warm_up()
        started = time.perf_counter()
        answers = self.assign([row.item for row in rows], k=5, explain=False, space=space)
        seconds = time.perf_counter() - started
        judged = [Judged(answer, row.truth) for answer, row in zip(answers, rows, strict=True)]
        assigner = self._live_space(space).assigner()
        figures = evaluate(judged, assigner.taxonomy, classes=len(assigner.answerable), items_per_s=len(rows) / seconds)
        return figures, judged

    def warm_up(self) -> None:
        """Load the model now, where a text space is in use, so that the first answer is as quick as the next."""
        if self._spaces.text_space() is not None:
            self._text_encoder().encode(["warm up"], Role.ITEM)

    def _assign_chunk(self, items: Sequence[Item], k: int, *, explain: bool, space: str | None) -> list[Assignment]:
        assigner = self._live_space(space).assigner()
        assigner.check()
        ids = [item.id for item in items]
        if space is not None:
            vectors = np.stack([_given_vector(item, self._live_space(space).place.space) for item in items])
            return assigner.assign(ids, vectors, [False] * len(items), k=k, explain=explain)
        texts = [item_text(item) for item in items]
        empty = next((item.id for item, text in zip(items, texts, strict=True) if not text), None)
        if empty is not None:
            message = f"item {empty!r} has no text: title, description and text are empty"
            raise UsageError(message, hint="Give it a title, a description or a text.")
        encoded = self._text_encoder().encode(texts, Role.ITEM)
        return assigner.assign(ids, encoded.vectors, encoded.truncated.tolist(), k=k, explain=explain)

    def _answer_rows(
        self, rows: Sequence[Item | BadRow], k: int, *, explain: bool, space: str | None
    ) -> Iterator[Assignment | BadRow]:
        items = [row for row in rows if isinstance(row, Item)]
        answers = iter(self._assign_chunk(items, k, explain=explain, space=space) if items else ())
        for row in rows:
            yield row if isinstance(row, BadRow) else next(answers)

    def _usable(self, item: Item, space: str | None) -> Item | BadRow:
        """The item, or why it cannot be asked about."""
        code = "no_text" if space is None else "bad_vector"
        try:
            if space is not None:
                _given_vector(item, self._live_space(space).place.space)
                return item
            if item_text(item):
                return item
            message = "title, description and text are empty"
        except UsageError as error:
            message = error.message
        return _bad_item(item, code, message)

    def _ingest_items(self, items: Sequence[Item], space: str | None, rejects: RejectWriter) -> Counts:
        writer = self._writer(space, lambda: _first_dim(items), streamed=False)
        counts = Counts()
        for start in range(0, len(items), CHUNK_ROWS):
            chunk = items[start : start + CHUNK_ROWS]
            result: ChunkResult = writer.write(chunk)
            counts.read += len(chunk)
            counts.rejected += len(result.refusals)
            counts.add(result)
            for refusal in result.refusals:
                rejects.write(_bad_item(chunk[refusal.index], refusal.code, refusal.message))
        writer.flush()
        return counts

    def _writer(self, space: str | None, first_dim: Callable[[], int | None], *, streamed: bool) -> ItemWriter:
        if space is None:
            live = self._live_space(None)
            return ItemWriter(self.store, live, self._chosen_encoder())
        known = self._spaces.get(space)
        if known is None and streamed:
            message = f"there is no space {space!r} yet, and standard input cannot be read twice to learn its dimension"
            raise UsageError(
                message, hint="Import the class vectors first: nearclass classes import FILE --space NAME."
            )
        dim = known.dim if known else first_dim()
        self._given_space(space, dim)
        return ItemWriter(self.store, self._live_space(space), None)

    def _given_space(self, name: str, dim: int | None) -> Space:
        if not _SPACE_NAME.fullmatch(name):
            message = f"{name!r} cannot be the name of a space"
            raise UsageError(message, hint="Use letters, digits and underscores, at most 64, not a digit first.")
        known = self._spaces.get(name)
        if known is None and not dim:
            message = f"there is no space {name!r}, and no row brings a vector to start one with"
            raise UsageError(message, hint="Give a column `vector` in JSONL or Parquet.")
        space = precomputed(name, dim or (known.dim if known else 0))
        self._spaces.register(space)
        return space

    def _live_space(self, name: str | None) -> LiveSpace:
        with self._lock:
            if name is None:
                space = self._text_encoder().space
            else:
                known = self._spaces.get(name)
                if known is None:
                    message = f"there is no space {name!r}"
                    have = ", ".join(one.name for one in self._spaces.every()) or "none"
                    raise UsageError(message, hint=f"Spaces of this catalogue: {have}.")
                space = known
            if space.name not in self._live:
                place = SpaceCollections.of(self.settings.catalog, space)
                self._live[space.name] = LiveSpace(
                    self.store,
                    self._state,
                    self._taxonomies,
                    place,
                    class_search=self.settings.class_search,
                )
            return self._live[space.name]

    def _check_encoder(self) -> None:
        """Refuse, at open, an encoder that did not make the stored vectors; the model itself is not loaded."""
        stored = self._spaces.text_space()
        if stored is None:
            return
        try:
            encoder = self._make_encoder(stored)
        except ModelNotFoundError:
            if self.settings.text_encoder is not None:
                raise
            return  # said again, in full, by the first command that needs the model
        check_same(stored, encoder.space)

    def _text_encoder(self) -> Encoder:
        with self._lock:
            return self._make_encoder(self._spaces.text_space())

    def _chosen_encoder(self) -> Encoder:
        """The encoder, which from now on is that of the catalogue; for whoever is about to write."""
        with self._lock:
            encoder = self._text_encoder()
            self._spaces.register(encoder.space)
            return encoder

    def _make_encoder(self, stored: Space | None) -> Encoder:
        if self._encoder is None:
            settings = self.settings
            name = settings.text_encoder or (stored.encoder if stored else DEFAULT_TEXT_PRESET)
            model = describe(
                resolve(name, offline=settings.offline),
                class_prompt=settings.class_prompt,
                item_prompt=settings.item_prompt,
            )
            self._encoder = TextEncoder(
                model, device=settings.device, precision=settings.precision, threads=settings.threads
            )
        return self._encoder


@dataclass(frozen=True, slots=True)
class Items:
    """The stored items of one space."""

    reader: ItemReader
    stored: StoredItems
    classes: ClassEditor

    def list(
        self, *, class_id: str | None = None, where: Sequence[str] = (), limit: int | None = None
    ) -> Sequence[Found]:
        """Stored items, in the order of their ids."""
        return self.reader.matching(where=self._filter(class_id, where), limit=limit)

    def iterate(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> Iterator[Found]:
        """Every stored item that matches, in bounded memory."""
        return self.reader.iterate(where=self._filter(class_id, where))

    def get(self, item_id: str) -> Found:
        """One stored item."""
        return self.reader.get(item_id)

    def count(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> int:
        """How many stored items match."""
        return self.reader.count(self._filter(class_id, where))

    def confirm(self, item_ids: Sequence[str], class_id: str) -> ClassSpec:
        """Note that a person says these items belong to this class (id, full path or unique name)."""
        spec = self.classes.taxonomy.find(class_id)
        self.stored.confirm(item_ids, spec.id)
        return spec

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back."""
        self.stored.unconfirm(item_ids)

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        return self.stored.delete(item_ids)

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> Sequence[tuple[str, Assignment]]:
        """Answer items anew whose answer is older than the taxonomy; those whose answer changed."""
        return self.stored.reassign(on_page)

    def _filter(self, class_id: str | None, where: Sequence[str]) -> Filter | None:
        return item_filter(self.classes.taxonomy, class_id, where)


def _bad_item(item: Item, code: str, message: str) -> BadRow:
    row = {"id": item.id, "title": item.title, "description": item.description, "text": item.text}
    return BadRow(row, "", 0, 0, code, message)


def _first_dim(items: Iterable[Item | BadRow]) -> int | None:
    for one in items:
        if isinstance(one, Item) and one.vector is not None:
            return len(one.vector)
    return None


def _given_vector(item: Item, space: Space) -> NDArray[np.float32]:
    try:
        return unit_vector(item.vector or (), space.dim)
    except ValueError as error:
        message = f"item {item.id!r} brings to {space.name} {error}"
        raise UsageError(
            message, hint=f"The space takes finite vectors of length {space.dim} that are not zero."
        ) from error
