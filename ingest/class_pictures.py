"""Pictures of classes: looked at once, before anything changes, and kept as evidence of the image space."""

import logging
import os.path
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import Encoder
from ..errors import PictureError, TaxonomyError
from ..learn.resolve import EvidenceText, picture_level
from ..pictures.reference import is_url
from ..schemas.filters import All, Compare, In
from ..schemas.pictures import kept_picture, kept_reference
from ..schemas.records import ClassSpec, EvidenceKind, Role
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.spaces import SpaceCollections
from ..store.state import Document, State
from .class_rows import evidence_row
from .class_rules import unrelated_vectors
from .looking import Looked, look

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["ClassPictures", "kept_pictures", "pictured_level", "resolved"]

_log = logging.getLogger(__name__)

_LEVEL: Final = "picture_level"
"""Kind of the state document with the bias of classes that have pictures."""

_LEVEL_SAMPLE: Final = 200
_CLASSES_AT_ONCE: Final = 1000
_A_PICTURE: Final = Compare("kind", "==", EvidenceKind.PICTURE.value)


def resolved(spec: ClassSpec, known: Sequence[str], folder: Path | None, roots: Sequence[Path]) -> tuple[str, ...]:
    """The pictures of a class as full paths and addresses.

    Args:
        spec: The class.
        known: References that the class has already; they were resolved once.
        folder: Folder of the file that names them, which they must be in or below; None where a person names each,
            relative to the working directory.
        roots: Further folders that they may be in.

    Raises:
        TaxonomyError: A reference can be neither a path nor an address, or leads out of the folders.
    """
    found = []
    for reference in spec.images:
        try:
            kept = reference in known or is_url(reference)
        except PictureError as error:
            raise _refused(spec, reference, error) from error
        path = _absolute(folder or Path(), reference)
        if not kept and folder is not None and not any(path.is_relative_to(_absolute(one)) for one in (folder, *roots)):
            message = f"class {spec.id!r}, picture {reference!r}: it is outside the folder of the file that names it"
            raise TaxonomyError(message, hint="Put it beside that file, or name its folder in NEARCLASS_PICTURE_ROOTS.")
        found.append(reference if kept else str(path))
    return tuple(dict.fromkeys(found))


class ClassPictures:
    """Looks at pictures of classes, and stores their vectors as evidence."""

    def __init__(
        self, store: Store, place: SpaceCollections, encoder: "ImageEncoder", loader: Callable[[], "PictureLoader"]
    ) -> None:
        """Write to the image space ``place``; ``loader`` gives a loader, which is closed again."""
        self._store = store
        self._place = place
        self._encoder = encoder
        self._loader = loader

    def take(self, specs: Sequence[ClassSpec], folder: Path | None, revision: int) -> set[str]:
        """Store the pictures of these classes that are new or have other content; the ids of their classes.

        A picture that is stored, and whose file cannot be used any more, keeps its vector.

        Args:
            specs: Classes, their pictures resolved.
            folder: Folder that files must be in, besides those of the settings; None for that of each file.
            revision: To be noted in the rows.

        Raises:
            TaxonomyError: A picture that is not stored cannot be used; nothing was written.
        """
        return self._take(specs, self._kept(specs), folder, revision, strict=True)

    def inherit(self, specs: Sequence[ClassSpec], owners: Mapping[str, str], revision: int) -> None:
        """Store for these classes what is kept of pictures that other classes have, whose files may be gone.

        Args:
            specs: Classes, their pictures resolved.
            owners: A class that has the picture, by its reference.
            revision: To be noted in the rows.
        """
        kept = self._kept(specs)
        wanted = {(spec.id, one): place for spec in specs for place, one in enumerate(spec.images) if one in owners}
        missing = {key: place for key, place in wanted.items() if key not in kept}
        ids = sorted({owners[reference] for _, reference in missing})
        found = {
            (row["class_id"], kept_reference(row["text"])): row
            for row in _rows(self._store, self._place, ids, "vector")
        }
        rows = [
            evidence_row(class_id, EvidenceText(EvidenceKind.PICTURE, place, row["text"]), row["vector"], revision)
            for (class_id, reference), place in missing.items()
            if (row := found.get((owners[reference], reference))) is not None
        ]
        if rows:
            self._store.upsert(self._place.evidence, self._place.specs[self._place.evidence], rows)
            self._store.flush(self._place.evidence)

    def complete(self, specs: Sequence[ClassSpec], revision: int) -> set[str]:
        """Store pictures of these classes that are missing, as far as they can be used; the ids of their classes."""
        kept = self._kept(specs)
        missing = [spec for spec in specs if any((spec.id, one) not in kept for one in spec.images)]
        return self._take(missing, kept, None, revision, strict=False)

    def _take(
        self,
        specs: Sequence[ClassSpec],
        kept: Mapping[tuple[str, str], str],
        folder: Path | None,
        revision: int,
        *,
        strict: bool,
    ) -> set[str]:
        from ..pictures.load import PictureSource  # noqa: PLC0415 - slow to import

        wanted = [(spec, place, one) for spec in specs for place, one in enumerate(spec.images)]
        if not strict:
            wanted = [(spec, place, one) for spec, place, one in wanted if (spec.id, one) not in kept]
        if not wanted:
            return set()
        sources = [PictureSource(one, folder or Path(one).parent) for _, _, one in wanted]
        known = [kept.get((spec.id, one), "") for spec, _, one in wanted]
        with self._loader() as loader:
            looked = look(loader, self._encoder, sources, lambda place, digest: digest == known[place])
        rows: list[dict[str, Any]] = []
        for (spec, place, reference), old, found in zip(wanted, known, looked, strict=True):
            if isinstance(found, Looked):
                text = EvidenceText(EvidenceKind.PICTURE, place, kept_picture(found.digest, reference))
                rows += [] if found.vector is None else [evidence_row(spec.id, text, found.vector, revision)]
            elif strict and not old:
                raise _refused(spec, reference, found) from found
            elif not old:
                _log.warning("class %r goes without the picture %r: %s", spec.id, reference, found.message)
        self._place.ensure(self._store)
        self._store.upsert(self._place.evidence, self._place.specs[self._place.evidence], rows)
        self._store.flush(self._place.evidence)
        return {str(row["class_id"]) for row in rows}

    def _kept(self, specs: Sequence[ClassSpec]) -> dict[tuple[str, str], str]:
        """Digests of the pictures that are stored, by class and reference."""
        rows = _rows(self._store, self._place, [spec.id for spec in specs if spec.images])
        return {(row["class_id"], kept_reference(row["text"])): row["text"].partition(" ")[0] for row in rows}


def kept_pictures(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> dict[str, list[EvidenceText]]:
    """What is kept of the pictures that classes have, in the order of the classes' references."""
    ids = [class_id for class_id in taxonomy.assignable() if taxonomy[class_id].images]
    texts = {(row["class_id"], kept_reference(row["text"])): row["text"] for row in _rows(store, place, ids)}
    kept = {
        class_id: [
            EvidenceText(EvidenceKind.PICTURE, position, texts[class_id, reference])
            for position, reference in enumerate(taxonomy[class_id].images)
            if (class_id, reference) in texts
        ]
        for class_id in ids
    }
    return {class_id: pictures for class_id, pictures in kept.items() if pictures}


def pictured_level(
    store: Store, state: State, place: SpaceCollections, taxonomy: Taxonomy, pictured: Sequence[str], encoder: Encoder
) -> float:
    """The bias of classes with pictures before anything is learnt; see ``learn.resolve.picture_level``.

    It is measured on classes that have pictures, and again when twice or half as many have, so that most changes leave
    the other classes as they are.

    Args:
        store: Where the pictures are.
        state: Where it is kept.
        place: The image space.
        taxonomy: Has the names.
        pictured: Ids of the classes with pictures, at least one.
        encoder: Encodes the names.
    """
    known = state.get(_LEVEL, place.space.name)
    if known is not None and known.body["classes"] / 2 < len(pictured) < known.body["classes"] * 2:
        return float(known.body["bias"])
    ordered = sorted(pictured)
    sample = ordered[:: -(-len(ordered) // _LEVEL_SAMPLE)]
    groups: dict[str, list[NDArray[np.float32]]] = {}
    for row in _rows(store, place, sample, "vector"):
        groups.setdefault(row["class_id"], []).append(row["vector"])
    pictures = np.stack([np.mean(groups[class_id], axis=0, dtype=np.float32) for class_id in sample])
    texts = encoder.encode([taxonomy[class_id].name for class_id in sample], Role.CLASS).vectors
    others = unrelated_vectors(encoder) if len(sample) == 1 else pictures[:0]
    bias = round(picture_level(texts, pictures, others), 4)
    state.put(Document(_LEVEL, place.space.name, {"classes": len(pictured), "bias": bias}))
    return bias


def _rows(store: Store, place: SpaceCollections, class_ids: Sequence[str], *more: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    if store.resolve(place.evidence) is None:
        return found
    for start in range(0, len(class_ids), _CLASSES_AT_ONCE):
        where = All([In("class_id", list(class_ids[start : start + _CLASSES_AT_ONCE])), _A_PICTURE])
        found += store.query(place.evidence, where=where, fields=("class_id", "text", *more))
    return found


def _absolute(folder: Path, reference: str = "") -> Path:
    return Path(os.path.normpath((folder / Path(reference).expanduser()).absolute()))


def _refused(spec: ClassSpec, reference: str, error: PictureError) -> TaxonomyError:
    return TaxonomyError(f"class {spec.id!r}, picture {reference!r}: {error.message} ({error.code})", hint=error.hint)
