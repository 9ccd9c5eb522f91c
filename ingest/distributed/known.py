"""Which contents have a vector in the store already, small enough to be sent to every process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...store import Store

__all__ = ["Known"]


@dataclass(frozen=True, slots=True)
class Known:
    """Marks of stored rows, 8 bytes for each.

    A mark mixes 64 bits of the key with 64 of the digest of the content. Of a billion stored rows, one new row in
    18 billion is taken for known by mistake: the driver then finds that it is not stored, and embeds it itself.

    Attributes:
        marks: Sorted, shape (n,), uint64.
    """

    marks: NDArray[np.uint64]

    @classmethod
    def none(cls) -> "Known":
        """Nothing is stored."""
        return cls(np.empty(0, np.uint64))

    @classmethod
    def read(cls, store: Store, collection: str) -> "Known":
        """What a collection of items has."""
        if store.resolve(collection) is None or not store.count(collection):
            return cls.none()
        pages = store.columns(collection, fields=("content_hash",))
        marks = [_marks(page["key"], page["content_hash"]) for page in pages]
        return cls(np.sort(np.concatenate(marks)))

    def has(self, keys: Sequence[str], digests: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each of these keys is stored with this content; shape (n,)."""
        if not len(self.marks):
            return np.zeros(len(keys), np.bool_)
        wanted = _marks(keys, digests)
        places = np.minimum(np.searchsorted(self.marks, wanted), len(self.marks) - 1)
        return np.equal(self.marks[places], wanted)


def _marks(keys: Iterable[str], digests: Iterable[str]) -> NDArray[np.uint64]:
    """Both are digests in hexadecimal digits; one that is empty counts as 0."""
    pairs = zip(keys, digests, strict=True)
    return np.fromiter((int(key[:16], 16) ^ int(digest[:16] or "0", 16) for key, digest in pairs), np.uint64)
