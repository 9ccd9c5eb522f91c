"""A catalogue with more items than there are titles: each title several times, told apart by a number and a little noise
on its vector, so that a hundred thousand can be stored without embedding them all. Classes and their texts are real.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import common

if TYPE_CHECKING:
    from nearclass import Catalog
    from nearclass.encoders.base import Encoded, Encoder
    from nearclass.schemas.records import Role
    from nearclass.schemas.spaces import Space

NOISE = 0.15
"""Length of the noise on a vector of length 1: near the distance between two titles of one product line."""


@contextmanager
def stocked(uri: Path, folder: Path, n: int) -> Iterator["Catalog"]:
    """An open catalogue with the classes of a folder of data and n items."""
    from nearclass import Catalog, Item, Settings
    from nearclass.ingest.class_files import open_classes

    titles = common.texts_of(folder / "items.jsonl")
    with Catalog.open(settings=Settings(uri=str(uri)), encoder=_Repeating(common.make_encoder(), titles)) as catalog:
        catalog.import_classes(open_classes(str(folder / "classes.jsonl"), catalog.classes.taxonomy).specs)
        for start in range(0, n, 10_000):
            numbers = range(start, min(n, start + 10_000))
            catalog.ingest(
                [Item(f"item-{number}", title=f"{titles[number % len(titles)]} #{number}") for number in numbers]
            )
        yield catalog


class _Repeating:
    """The real encoder for class texts; for a title with a number the vector of the title, and a little noise."""

    def __init__(self, encoder: "Encoder", titles: Sequence[str]) -> None:
        self._encoder = encoder
        self._titles = list(titles)
        self._place = {title: row for row, title in enumerate(self._titles)}
        self._vectors: object = None

    @property
    def space(self) -> "Space":
        """That of the real encoder."""
        return self._encoder.space

    def encode(self, texts: Sequence[str], role: "Role") -> "Encoded":
        """Vectors of the texts."""
        import numpy as np

        from nearclass.encoders.base import Encoded
        from nearclass.schemas.records import Role

        if role is not Role.ITEM or not all("#" in text for text in texts):
            return self._encoder.encode(texts, role)
        if self._vectors is None:
            self._vectors = self._encoder.encode(self._titles, Role.ITEM).vectors
        vectors = np.asarray(self._vectors)[[self._place[text.rpartition(" #")[0]] for text in texts]]
        noise = np.random.default_rng(len(texts)).standard_normal(vectors.shape, np.float32)
        vectors = vectors + NOISE * noise / np.sqrt(vectors.shape[1])
        return Encoded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.zeros(len(texts), bool))
