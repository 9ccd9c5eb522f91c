"""The public face: a catalogue is one taxonomy, its items and its learnt state in one Milvus database."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .answers import Answers
from .backup.manifest import Manifest
from .backup.writing import back_up
from .distribution import Reading, Sharing
from .encoders.base import Encoder
from .encoding import CatalogEncoder
from .errors import UsageError
from .imaging import CatalogImages
from .ingest.discovery import Accepted, Discovery, Proposal
from .ingest.editing import Change
from .ingest.items import ItemWriter
from .ingest.labelled import Labelled
from .ingest.learning import Learning, Outcome, PictureLearning
from .ingest.lifecycle import LivingClasses
from .ingest.linting import lint_catalog
from .ingest.merging import part_row
from .ingest.moving import FollowingWriter, Moves
from .ingest.preview import Preview, preview
from .ingest.run import Counts, Progress
from .ingest.sources import BadRow
from .ingest.splitting import Shared, share_out
from .ingest.stored import StoredItems
from .items import Items
from .judging import Judging, OnReject
from .learn.calibration_report import CalibrationReport
from .learn.discover import MIN_SIZE
from .learn.evaluate import Evaluation, Judged
from .learn.lint import Finding
from .live import LiveSpaces
from .query.items import Found, ItemReader, item_filter
from .query.review import ReviewReader
from .query.search_items import search_items
from .reembedding import Reembedding
from .reembedding_spaces import MovedSpaces
from .schemas.filters import Compare
from .schemas.progress import SILENT, OnProgress
from .schemas.records import Assignment, ClassSpec, Item, Role
from .schemas.spaces import Space
from .schemas.taxonomy import Taxonomy
from .settings import Settings, load_settings
from .store import Store
from .store.draft import DraftStore
from .store.opening import open_store
from .store.picture_folders import PictureFolders
from .store.spaces import Spaces
from .store.state import State
from .store.taxonomy import TaxonomyStore
from .storing import Files, Storing, items_or_paths
from .tuning import TuningReport, tune
from .tuning_inputs import stored_texts

if TYPE_CHECKING:
    from PIL.Image import Image

    from .encoders.image import ImageEncoder

__all__ = ["Catalog", "Items"]


class Catalog:
    """An open catalogue; use it in a ``with`` statement. It may be used from several threads.

    Attributes:
        classes: The taxonomy: ``add``, ``edit``, ``retire``, ``restore``, ``log``, and ``taxonomy`` to read it.
        store: The Milvus database.
        settings: What it was opened with.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        encoder: Encoder | None = None,
        image_encoder: "ImageEncoder | None" = None,
        *,
        brief: bool = False,
        apart: bool = False,
    ) -> None:
        """Use an open store; most callers want ``Catalog.open``."""
        self.store = store
        self.settings = settings
        self._state = State(store, settings.catalog)
        self._state.create()
        self._spaces = Spaces(self._state)
        self._spaces.check_version()
        self._encoders = CatalogEncoder(settings, self._spaces, encoder, brief=brief, apart=apart)
        self._encoders.check()
        self._images = CatalogImages(settings, self._spaces, PictureFolders(self._state), image_encoder)
        self._images.check()
        self._taxonomies = TaxonomyStore(self._state, shared=not store.embedded)
        self._live = LiveSpaces(
            settings.catalog,
            store,
            self._state,
            self._spaces,
            self._encoders,
            self._taxonomies,
            class_search=settings.class_search,
        )
        self._answers = Answers(self._encoders, self._images, self._live.of, self._live.pair)
        self._judging = Judging(self._state, self._answers, self._live.of, self._live.pair)
        self.classes = LivingClasses(
            settings.catalog,
            store,
            self._state,
            self._taxonomies,
            self._spaces,
            self._encoders,
            self._images,
            settings.picture_roots,
            settings.author,
        )
        parts = self._state, self._spaces, self._encoders, self._images, self._taxonomies, self.classes
        self._moved = MovedSpaces(settings.catalog, store, *parts, self._live.beside)
        self._moves = Moves(settings.catalog, store, self._spaces, self._moved.rows, self._live.beside)
        self._storing = Storing(
            store,
            self._state,
            settings,
            self._taxonomies,
            self._spaces,
            self._encoders,
            self._images,
            self._live,
            self._moves,
        )
        self._images.settle = self.classes.finish
        if store.embedded:  # on a server, another process may be in the middle of it
            self._spaces.settle()
            self.classes.finish()
            self._moved.settle()

    @classmethod
    def open(
        cls,
        uri: str | None = None,
        *,
        name: str | None = None,
        settings: Settings | None = None,
        encoder: Encoder | None = None,
        image_encoder: "ImageEncoder | None" = None,
        brief: bool = False,
        apart: bool = False,
    ) -> Self:
        """Open a catalogue, made if it does not exist.

        Args:
            uri: Path of an embedded database, or URL of a Milvus server; by default from the settings.
            name: Name of the catalogue; by default from the settings.
            settings: By default from the environment and ``nearclass.toml``.
            encoder: Used in place of the one that the settings name.
            image_encoder: The same for pictures.
            brief: Whether a few texts at most will probably be encoded: they are, where that can be, without torch,
                whose import takes seconds.
            apart: Whether texts are encoded in a process of their own, so that this one goes on meanwhile; with
                ``brief`` only where they are many, and it ends when it has encoded them.

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
        store = open_store(settings)
        try:
            return cls(store, settings, encoder, image_encoder, brief=brief, apart=apart)
        except BaseException:  # also Ctrl-C: the database must not stay locked
            store.close()
            raise

    def close(self) -> None:
        """Let go of the database and of the models."""
        self._encoders.close()
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
        return self._encoders.current()

    @property
    def sees(self) -> bool:
        """Whether pictures can be looked at: an encoder for them is configured or remembered."""
        return self._images.current() is not None

    def items(self, space: str | None = None) -> Items:
        """The stored items, of the spaces of texts and pictures or of a named one."""
        live = self._live.of(space)
        pair = self._live.pair() if space is None else None
        pictures = pair.image.place.items if pair and pair.image else None
        reader = ItemReader(self.store, live.place.items, self.classes.taxonomy, pictures=pictures)
        moves = self._moves if space is None else None
        return Items(reader, StoredItems(self.store, live, pair, moves), self.classes)

    def import_vectors(self, specs: Sequence[ClassSpec], space: str) -> int:
        """Store the vectors that classes bring for a space of given vectors; how many there were."""
        dim = next((len(spec.vector) for spec in specs if spec.vector is not None), None)
        return self.classes.put_vectors(specs, self._spaces.register_given(space, dim))

    def import_classes(
        self,
        specs: Sequence[ClassSpec],
        *,
        space: str | None = None,
        folder: str | Path | None = None,
        base: Taxonomy | None = None,
        by: str = "",
        message: str = "",
    ) -> Change:
        """Add or replace classes; with a space, their vectors go there and no text is embedded for them.

        Args:
            specs: The classes.
            space: Name of a space of given vectors.
            folder: Folder of the file that they come from: their pictures are relative to it, and must be in it.
                Without one, pictures may be anywhere, relative to the working directory.
            base: The taxonomy that the classes were made for, if they depend on it.
            by: Who makes the change, for the log.
            message: Why.

        Raises:
            TaxonomyError: A picture cannot be used, or the taxonomy is not ``base``; nothing was changed.
        """
        classes = self.classes.signed(by, message)
        change = classes.put(specs, text=space is None, folder=None if folder is None else Path(folder), base=base)
        if space is not None:
            self.import_vectors(specs, space)
        return change

    def split(
        self,
        class_id: str,
        parts: Sequence[str | Mapping[str, Any]],
        *,
        retire: bool = False,
        by: str = "",
        message: str = "",
    ) -> tuple[Change, Shared]:
        """Split a class into new ones, and move its stored items to the nearest of them, but for confirmed ones.

        Args:
            class_id: The class; it stays above the parts, or with ``retire`` is retired beside them.
            parts: Class rows, or texts such as ``E-readers: Devices to read books on.``; at least two.
            retire: Whether the class is retired.
            by: Who makes the change, for the log.
            message: Why.

        Raises:
            TaxonomyError: The parts cannot be classes; nothing was changed.
        """
        split_id = self.classes.taxonomy.find(class_id).id
        rows = [part_row(part) if isinstance(part, str) else part for part in parts]
        change = self.classes.signed(by, message).split(split_id, rows, retire=retire)
        there = [one for one in change.added if change.taxonomy.is_assignable(one)]
        return change, share_out(self.store, self._live.of(None), self._live.pair(), split_id, there)

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
        sharing: Sharing | None = None,
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
            sharing: Who else does the work on files, each of which is one shard; the rows that are stored are the same.
        """
        made, paths = items_or_paths(items)
        if sharing is not None and made:
            message = "only files are shared out, and there are items among what was given"
            raise UsageError(message, hint="Give paths, or leave `sharing` out.")
        if not paths:
            return self._storing.items(made, rejects, space)
        reading = Reading(tuple(flags), labels_are_confirmed, format, encoding)
        return self._storing.files(Files(paths, reading, sharing), rejects, space, on_progress)

    def writing(self, space: str | None = None) -> AbstractContextManager[ItemWriter | FollowingWriter]:
        """What stores and answers items, a chunk at a time, for whoever says when they are flushed; one at a time."""
        return self._storing.writing(space)

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
        return self._answers.assign(made, k=k, explain=explain, space=space)

    def assign_each(
        self, rows: Iterable[Item | BadRow], *, k: int = 5, explain: bool = True, space: str | None = None
    ) -> Iterator[Assignment | BadRow]:
        """The answers for rows as they come, in their order and in bounded memory; bad rows are passed through."""
        return self._answers.each(rows, k=k, explain=explain, space=space)

    def draft(self) -> "Catalog":
        """A catalogue that begins as this one and keeps every change in memory only, to see what it would do."""
        settings = self.settings.model_copy(update={"class_search": "mirror"})
        return Catalog(DraftStore(self.store), settings, self._encoders.current(), self._images.current())

    def preview(self, before: Taxonomy | None = None, *, space: str | None = None) -> Preview:
        """What answering the stored items anew would change; nothing is written, and no item is embedded.

        Args:
            before: The taxonomy that they were answered under, for its names; by default that of now.
            space: Name of a space of given vectors; by default texts and pictures.
        """
        items = self.items(space)
        return preview(items.count(), before or self.classes.taxonomy, items.stored.foresee(), items.stored.evidence)

    def reassign(self, before: Taxonomy | None = None, *, space: str | None = None) -> Preview:
        """Answer stored items anew under the classes as they are now, and say what changed; arguments as ``preview``.

        Only items whose answer is another one are written. It may be cut off and run again.
        """
        items = self.items(space)
        renewed = items.stored.renew()
        return preview(items.count(), before or self.classes.taxonomy, renewed, items.stored.evidence)

    def stale_items(self) -> int:
        """How many stored items have not been answered since the latest change of the taxonomy."""
        return sum(self.stale_spaces().values())

    def stale_spaces(self) -> dict[str | None, int]:
        """The same by space, where there are any: None for texts and pictures, else the name of given vectors."""
        revision = self.classes.taxonomy.revision
        given = [space.name for space in self._spaces.every() if space.kind == "precomputed"]
        stale = Compare("revision", "<", revision)
        behind = [name for name in (None, *given) if self._live.of(name).answered.revision() < revision]
        counts = {name: self.items(name).reader.count(stale) for name in behind}
        return {name: count for name, count in counts.items() if count}

    def search(
        self,
        query: str | None = None,
        k: int = 10,
        *,
        image: str | Path | None = None,
        class_id: str | None = None,
        where: Sequence[str] = (),
    ) -> list[Found]:
        """The stored items nearest to a description, to a picture, or to both.

        Words find items by their texts and by their pictures, a picture finds pictures.

        Args:
            query: What to look for, in words.
            k: How many items.
            image: A picture of what to look for, a path or an address.
            class_id: Only items of this class and those below it; an id, a full path or a unique name.
            where: Conditions such as ``brand=Acme`` or ``price<40``, all of which must hold.

        Raises:
            UsageError: There is nothing to look for, or no encoder of pictures.
            PictureError: The picture cannot be used.
        """
        taxonomy = self.classes.taxonomy
        lookups = [
            (ItemReader(self.store, live.place.items, taxonomy), vector)
            for live, vector in self._answers.lookups(query, None if image is None else str(image))
        ]
        return search_items(lookups, k, where=item_filter(taxonomy, class_id, where))

    def evaluate(
        self,
        labelled: Iterable[Labelled],
        *,
        space: str | None = None,
        on_reject: OnReject | None = None,
        on_progress: OnProgress = SILENT,
    ) -> tuple[Evaluation, list[Judged]]:
        """Figures of labelled items, and each answer beside its truth.

        Args:
            labelled: Items with the classes that are right for them.
            space: Name of a space of given vectors; by default texts and pictures are encoded.
            on_reject: Called with each row that cannot be answered and why; without it the first one is an error.
            on_progress: Called as it goes on.
        """
        rows = list(labelled)
        if rows:
            self.warm_up()
        told = self.learning.told_classes() if rows and space is None else ()
        return self._judging.evaluate(rows, space=space, told=told, on_reject=on_reject, on_progress=on_progress)

    def calibrate(
        self,
        labelled: Iterable[Labelled],
        *,
        precision: float,
        space: str | None = None,
        exclude: Collection[str] = (),
        on_reject: OnReject | None = None,
        on_progress: OnProgress = SILENT,
    ) -> CalibrationReport:
        """Make confidences honest, and assign only what keeps a precision; holds for every answer from now on.

        Args:
            labelled: Items with the classes that are right for them; 500 or more, as the items to come.
            precision: Share of the assigned items that must be right, above 0 and below 1.
            space: Name of a space of given vectors; by default texts and pictures are encoded.
            exclude: Canonical texts to leave out, besides those that the version in use was learnt from.
            on_reject: Called with each row that cannot be answered and why; without it the first one is an error.
            on_progress: Called as it goes on, the last time before anything is stored.

        Raises:
            UsageError: The precision is not between 0 and 1.
            CalibrationError: There are too few rows, or no threshold keeps the precision.
            EmptyTaxonomyError: There is no class to assign to.
        """
        learning = self.learning if space is None else None
        serving = [name for name in (self._spaces.serving(kind).serving for kind in ("text", "image")) if name]
        report = self._judging.calibrate(
            list(labelled),
            precision=precision,
            space=space,
            exclude={*exclude, *(learning.labelled_texts() if learning else ())},
            pictures=learning.labelled_pictures() if learning else (),
            on_reject=on_reject,
            on_progress=on_progress,
        )
        if space is None:
            self._moves.steady(serving)
        self.classes.announce()
        return report

    @property
    def learning(self) -> Learning:
        """Versions of what was learnt: ``learn``, ``versions``, ``use`` to go back."""
        pair, images = self._live.pair(), self._images
        pictures = None
        if pair.image:
            encoder = images.of(pair.image.place.space)
            pictures = PictureLearning(pair.image, encoder, images.loader, images.folders)
        live = pair.text or self._live.of(None)
        return Learning(
            self.store, self._state, live, self._encoders.of(live.place.space), self.classes.finish, pictures
        )

    def learn(
        self,
        labelled: Iterable[Labelled] = (),
        *,
        dry_run: bool = False,
        on_reject: OnReject | None = None,
        on_progress: OnProgress = SILENT,
    ) -> Outcome:
        """Better class vectors from stored items, confirmed items, examples and labels; kept only if better.

        Args:
            labelled: Items with the ids of their classes; they are kept as evidence.
            dry_run: Whether to say what would change, and change nothing.
            on_reject: Called with each row whose picture cannot be used and why; without it the first one is an error.
            on_progress: Called before each part of the work, the last time before anything is stored.

        Raises:
            EmptyTaxonomyError: There is no class.
            NearclassError: There is neither an item nor a label.
        """
        outcome = self.learning.learn(list(labelled), dry_run=dry_run, on_reject=on_reject, on_progress=on_progress)
        self._moves.steady([outcome.space, *(one.space for one in outcome.spaces)])
        return outcome

    @property
    def reembedding(self) -> Reembedding:
        """The move to another encoder: ``plan``, ``run``, ``swap``, ``rollback``, ``drop``, ``status``."""
        return Reembedding(self._moved, self._live.of)

    def discover(
        self,
        *,
        min_size: int = MIN_SIZE,
        review: bool = False,
        weakest: float = 0.0,
        space: str | None = None,
        on_progress: OnProgress = SILENT,
    ) -> list[Proposal]:
        """Classes that the catalogue may lack, from stored items that no class fits; kept for ``accept``."""
        return self._discovery(space).propose(min_size, review=review, weakest=weakest, on_progress=on_progress)

    def accept(
        self,
        number: int,
        name: str,
        *,
        parent: str | None = None,
        id: str | None = None,  # noqa: A002 - the word of the vocabulary
        space: str | None = None,
        by: str = "",
        message: str = "",
    ) -> Accepted:
        """Make a class of the proposal with this number, and answer the stored items anew."""
        return self._discovery(space, by, message).accept(number, name, parent=parent, id=id)

    def proposals(self) -> list[Proposal]:
        """Classes that ``discover`` proposed and that can be accepted now."""
        return self._discovery(None).kept()

    @property
    def review(self) -> ReviewReader:
        """Reads what people need who look at single items: their candidates, and what is near to them."""
        return ReviewReader(self.store, self._live.pair(), self.classes.taxonomy)

    def picture(self, reference: str) -> "Image":
        """The picture of a stored item, by the reference that is stored with it."""
        return self._images.picture(reference)

    def lint(self, space: str | None = None) -> list[Finding]:
        """What may be wrong with the classes, by their texts and by where the stored items went."""
        return lint_catalog(self.store, self._live.of(space).place, self.classes.taxonomy)

    def tune(
        self,
        labelled: Iterable[Labelled],
        folder: str | Path,
        *,
        seed: int = 0,
        on_step: Callable[[int, int], None] = lambda _done, _steps: None,
    ) -> TuningReport:
        """Train a copy of the encoder on labels; in ``folder`` if better on held-out ones. Nothing stored changes.

        Args:
            labelled: Items with the ids of their classes.
            folder: Not there yet, or empty; afterwards the name of an encoder.
            seed: Of the training.
            on_step: Called after each step of training with its number and how many there are.

        Raises:
            UsageError: The folder is in use, or there are too few labels to hold any out.
            EncoderError: The encoder is no text model with files, or cannot be trained.
            EmptyTaxonomyError: There is no class.
        """
        place = self._live.of(None).place
        items = stored_texts(self.store, place.items)
        given = (self._encoders.of(place.space), self.classes.taxonomy, list(labelled), folder, self.settings)
        return tune(*given, items=items, seed=seed, on_step=on_step)

    def backup(self, folder: str | Path) -> Manifest:
        """Write everything that the catalogue has into a new folder, for ``nearclass restore``."""
        return back_up(self.store, self.settings.catalog, folder)

    def class_vectors(self, space: str | None = None) -> dict[str, NDArray[np.float32]]:
        """The stored vector, shape (dim,), of each class that may be answered, by id; of the text or a named space.

        Once something is learnt, they are not of unit length.
        """
        place = self._live.of(space).place
        if self.store.resolve(place.classes) is None:
            return {}
        answerable = frozenset(self.classes.taxonomy.assignable())
        pages = self.store.columns(place.classes, fields=("class_id", "vector"))
        rows = (row for page in pages for row in zip(page["class_id"], page["vector"], strict=True))
        return {class_id: vector for class_id, vector in rows if class_id in answerable}

    def warm_up(self) -> None:
        """Load the model now, where a text space is in use, so that the first answer is as quick as the next."""
        if self._spaces.text_space() is not None:
            self._encoders.current().encode(["warm up"], Role.ITEM)

    def _discovery(self, space: str | None, by: str = "", message: str = "") -> Discovery:
        classes, stored = self.classes.signed(by, message), self.items(space).stored
        return Discovery(self.store, self._state, self._live.of(space), classes, stored)
