"""Pictures to vectors, as they come: read and hashed, decoded unless they are known, encoded meanwhile."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from ..pictures.reference import is_url
from ..schemas.records import Item

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..encoders.image_loading import Prepared
    from ..pictures.load import PictureBytes, PictureLoader, PictureSource

__all__ = ["Looked", "folders_of", "look"]


def folders_of(items: Iterable[Item]) -> set[str]:
    """The folders that the paths of these items' pictures begin in."""
    found = set()
    for item in items:
        reference = item.image or ""
        with suppress(PictureError):
            if reference and not is_url(reference) and not Path(reference).is_absolute():
                found.add(item.folder or ".")
    return found


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture that can be used.

    Attributes:
        digest: SHA-256 of its bytes.
        vector: Unit vector of shape (dim,), or None where the digest was known.
    """

    digest: str
    vector: NDArray[np.float32] | None


def look(
    loader: "PictureLoader",
    encoder: "ImageEncoder",
    sources: Sequence["PictureSource"],
    known: Callable[[int, str], bool] = lambda _place, _digest: False,
) -> list[Looked | PictureError]:
    """Digest and vector of each picture, or why it cannot be used, in the order of the sources.

    Threads read and decode what comes next while the encoder computes; of the pixels, only those are in memory that
    the loader works on ahead and one batch of the encoder.

    Args:
        loader: Reads and decodes.
        encoder: Encodes.
        sources: Where the pictures are.
        known: Whether the picture at a place of the sources needs no vector, where this is its digest.
    """
    found: dict[int, Looked | PictureError] = {}
    on_the_way: deque[tuple[int, str]] = deque()

    def unknown() -> Iterator["PictureBytes"]:
        for place, read in enumerate(loader.read_all(sources)):
            if isinstance(read, PictureError):
                found[place] = read
            elif known(place, read.digest):
                found[place] = Looked(read.digest, None)
            else:
                on_the_way.append((place, read.digest))
                yield read

    def prepared() -> Iterator[tuple[tuple[int, str], "Prepared"]]:
        for one in loader.prepare_all(unknown(), encoder.prepare):
            place, digest = on_the_way.popleft()
            if isinstance(one, PictureError):
                found[place] = one
            else:
                yield (place, digest), one

    for (place, digest), vector in encoder.stream(prepared()):
        found[place] = Looked(digest, vector)
    return [found[place] for place in range(len(sources))]
