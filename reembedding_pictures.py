"""Pictures of a catalogue that another encoder would have to look at again: where they are, and how quick that is."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .ingest.row_making import PictureRows
from .pictures.reference import is_url
from .schemas.filters import In
from .schemas.pictures import kept_reference
from .schemas.records import EvidenceKind
from .store import Store
from .store.spaces import SpaceCollections

if TYPE_CHECKING:
    from .pictures.finding import PictureFinder

__all__ = ["PicturesThere", "measure_pictures", "pictures_there"]

_SAMPLE: Final = 64
_WORDS: Final = ("title", "description", "text")
_PICTURED: Final = In("kind", [EvidenceKind.LABEL.value, EvidenceKind.PICTURE.value])


@dataclass(frozen=True, slots=True)
class PicturesThere:
    """Whether pictures are where they were.

    Attributes:
        missing: Pictures of items, classes and labels whose file is in no folder that is known.
        missing_alone: Those of them that are all that an item has: left out, the item is in no space any more.
        addresses: Pictures that have to be fetched; whether they are still there shows when they are.
        example: Reference of one that is missing, or empty.
    """

    missing: int
    missing_alone: int
    addresses: int
    example: str


def pictures_there(store: Store, place: SpaceCollections, finder: "PictureFinder") -> PicturesThere:
    """Look for the file of every picture; none is opened, and no address is asked."""
    missing = alone = addresses = 0
    example = ""
    for reference, worded in _references(store, place):
        if finder.gone(reference):
            missing += 1
            alone += not worded
            example = example or reference
        elif is_url(reference):
            addresses += 1
    return PicturesThere(missing, alone, addresses, example)


def measure_pictures(store: Store, place: SpaceCollections, rows: PictureRows) -> float | None:
    """Stored pictures read, decoded and encoded in a second, loading excluded; None where none can be tried."""
    if store.resolve(place.items) is None:
        return None
    stored = store.query(place.items, fields=("image", "content_hash"), limit=_SAMPLE)
    pictures = [(row["image"], row["content_hash"]) for row in stored if not is_url(row["image"])]
    rows.look(pictures[:1])  # loads the model
    started = time.perf_counter()
    done = sum(isinstance(one, tuple) for one in rows.look(pictures))
    return done / (time.perf_counter() - started) if done else None


def _references(store: Store, place: SpaceCollections) -> Iterator[tuple[str, bool]]:
    """Every picture's reference, and whether there is more than the picture."""
    if store.resolve(place.items) is not None:
        for page in store.scan(place.items, fields=("image", *_WORDS)):
            yield from ((row["image"], any(row[name] for name in _WORDS)) for row in page)
    if store.resolve(place.evidence) is not None:
        for page in store.scan(place.evidence, where=_PICTURED, fields=("text",)):
            yield from ((kept_reference(row["text"]), True) for row in page)
