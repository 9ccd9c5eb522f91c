"""Learning from a catalogue, in each space that has items: of texts and of pictures, in versions of one number."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..encoders.base import Encoder
from ..errors import NearclassError, PictureError
from ..query.live import LiveSpace
from ..schemas.learning import Learner
from ..schemas.progress import SILENT, OnProgress
from ..schemas.records import Role
from ..schemas.text import item_text
from ..store import Store
from ..store.picture_folders import PictureFolders
from ..store.state import State
from .labelled import Labelled
from .lessons import Told
from .moves import Move
from .rejects import refused
from .sources import BadRow
from .space_learning import PARTS, Attempt, Outcome, SpaceLearning

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["Learning", "Move", "Outcome", "PictureLearning"]

_OnReject = Callable[[Labelled, BadRow], None] | None


class PictureLearning:
    """What learning needs of pictures: their space, their encoder, and what reads them."""

    def __init__(
        self,
        live: LiveSpace,
        encoder: "ImageEncoder",
        loader: Callable[[], "PictureLoader"],
        folders: PictureFolders,
    ) -> None:
        self.live = live
        self.encoder = encoder
        self._loader = loader
        self._folders = folders

    def told(self, labelled: Sequence[Labelled], on_reject: _OnReject) -> list[Told]:
        """The labelled items that have a picture, which is looked at.

        Raises:
            PictureError: A picture cannot be used, and nobody takes rejects.
        """
        from ..pictures.load import PictureSource  # noqa: PLC0415 - slow to import
        from .looking import folders_of, look  # noqa: PLC0415

        rows = [one for one in labelled if one.item.image]
        if not rows:
            return []
        sources = [PictureSource(one.item.image or "", Path(one.item.folder or ".")) for one in rows]
        with self._loader() as loader:
            looked = look(loader, self.encoder, sources)
        self._folders.note(folders_of([one.item for one in rows]))
        told = []
        for row, found in zip(rows, looked, strict=True):
            if isinstance(found, PictureError):
                if on_reject is None:
                    raise found
                on_reject(row, refused(row.item, found.code, found.message))
            elif found.vector is not None:
                told.append(Told(found.digest, row.item.image or "", "", next(iter(row.truth)), found.vector))
        return told


class Learning:
    """Learns in the spaces of a catalogue, and takes versions in and out of use.

    A version has one number in all spaces. A space that got nothing better at a learning has no version of that number,
    and goes by the one before it.
    """

    def __init__(
        self,
        store: Store,
        state: State,
        live: LiveSpace,
        encoder: Encoder,
        settle: Callable[[], bool],
        pictures: PictureLearning | None = None,
    ) -> None:
        """Learn in the text space ``live`` and in that of ``pictures``.

        Args:
            store: Where the vectors are.
            state: Where the versions are.
            live: The text space.
            encoder: The encoder of texts.
            settle: Brings class vectors up to the versions in use.
            pictures: The image space, where the catalogue has one.
        """
        self._encoder = encoder
        self._settle = settle
        self._text = SpaceLearning(store, state, live, encoder)
        self._pictures = pictures
        self._image = SpaceLearning(store, state, pictures.live, pictures.encoder) if pictures else None

    def learn(
        self,
        labelled: Sequence[Labelled] = (),
        *,
        dry_run: bool = False,
        on_reject: _OnReject = None,
        on_progress: OnProgress = SILENT,
    ) -> Outcome:
        """Learn from the stored items, every label there is and those given; store and use the result if it is better.

        Labels that are given are kept as evidence of their classes, so that the next learning has them too. Those of
        several right classes or of none are passed over.

        Args:
            labelled: Items with the ids of their classes.
            dry_run: Whether to say what would change, and change nothing.
            on_reject: Called with each row whose picture cannot be used and why; without it the first one is an error.
            on_progress: Called before each part of the work, the last time before anything is stored.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
            NearclassError: There is neither an item nor a label.
        """
        parts = 2 + len(PARTS) * len(self._spaces)
        told_parts = count()

        def on_part(what: str) -> None:
            on_progress(what, next(told_parts), parts)

        on_part("labels")
        taxonomy = self._text.live.assigner().taxonomy
        labelled = [one for one in labelled if len(one.truth) == 1]
        tried: list[tuple[SpaceLearning, Attempt]] = []
        with ThreadPoolExecutor(1, "labels") as beside:  # the encoder works while stored items are read
            given: list[Callable[[], Sequence[Told]]] = [beside.submit(self._texts, labelled).result]
            given += [partial(self._pictures.told, labelled, on_reject)] if self._pictures else []
            for space, told in zip(self._spaces, given, strict=True):
                attempt = space.attempt(taxonomy, told, on_part)
                if attempt is not None:
                    tried.append((space, attempt))
        if not tried:
            message = "there is nothing to learn from: no item is stored, and no label is given"
            raise NearclassError(message, hint="Ingest items first, or give labelled items with --labels FILE.")
        on_part("storing")
        version = max(space.learned.next_version() for space in self._spaces)
        outcomes = []
        for space, attempt in tried:
            stored = attempt.outcome.kept and not dry_run
            if stored:
                space.write(attempt, taxonomy, version)
            outcomes.append(replace(attempt.outcome, version=version if stored else None))
        if any(one.version is not None for one in outcomes):
            self._settle()
        return replace(outcomes[0], spaces=tuple(outcomes))

    def use(self, version: int) -> None:
        """Take a stored version into use, or with 0 the class texts alone; a space without it goes by the one before.

        Raises:
            NearclassError: There is no such version.
        """
        known = [learner.version for learner in self.versions()]
        if version and version not in known:
            have = ", ".join(map(str, sorted(set(known)))) or "none"
            message = f"there is no version {version}"
            raise NearclassError(message, hint=f"Stored versions: {have}; 0 stands for class texts alone.")
        for space in self._spaces:
            numbers = [learner.version for learner in space.learned.versions() if learner.version <= version]
            wanted = max(numbers, default=0) if version else 0
            if wanted != space.learned.active_version():
                space.learned.use(wanted)
        self._settle()

    def versions(self) -> list[Learner]:
        """Every stored version, oldest first; of one number that of the text space comes first."""
        return [learner for learner, _, _ in self.listed()]

    def listed(self) -> list[tuple[Learner, str, bool]]:
        """Every stored version, oldest first, with its space and whether it is in use there."""
        found = [
            (learner, space.live.place.space.name, learner.version == space.learned.active_version())
            for space in self._spaces
            for learner in space.learned.versions()
        ]
        return sorted(found, key=lambda one: one[0].version)

    def active_version(self) -> int:
        """The newest version in use, 0 for class texts alone."""
        return max(space.learned.active_version() for space in self._spaces)

    def labelled_texts(self) -> set[str]:
        """Canonical texts of the labels that the version in use was learnt from; none where texts alone are in use."""
        return self._text.labelled() - {""}

    def labelled_pictures(self) -> set[str]:
        """Digests of the pictures that the version in use was learnt from as labels."""
        return self._image.labelled() if self._image else set()

    def told_classes(self) -> set[str]:
        """Classes that the versions in use had labels of."""
        return {one for space in self._spaces for one in space.told_classes()}

    @property
    def _spaces(self) -> list[SpaceLearning]:
        return [self._text] if self._image is None else [self._text, self._image]

    def _texts(self, labelled: Sequence[Labelled]) -> list[Told]:
        rows = [(item_text(one.item), one) for one in labelled]
        rows = [(text, one) for text, one in rows if text]
        if not rows:
            return []
        vectors = self._encoder.encode([text for text, _ in rows], Role.ITEM).vectors
        return [
            Told(text, text, text, next(iter(one.truth)), vector)
            for (text, one), vector in zip(rows, vectors, strict=True)
        ]
