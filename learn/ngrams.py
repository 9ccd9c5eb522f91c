"""Counts of hashed character n-grams, for many texts at once; pure computation.

The same matrix as scikit-learn's ``HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), norm=None,
alternate_sign=False)``, in a fifth of the time: it makes a Python string of every n-gram, here all n-grams of a kind
are hashed as columns of bytes. And a process that only assigns need not import scikit-learn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["SIZES", "counts"]

SIZES: Final = (3, 4, 5)
"""Characters of an n-gram, within words and a space on each side of them: short enough for inflections, long enough to
be rare. Measured by ``bench/accuracy.py``. A word with its spaces has three at least."""

_AT_ONCE: Final = 512
"""Texts at a time: their n-grams stay in a processor's cache."""

_WIDTHS: Final = (0x80, 0x800, 0x10000)
"""From these characters on UTF-8 takes a byte more (RFC 3629)."""

_C1: Final = np.uint32(0xCC9E2D51)
_C2: Final = np.uint32(0x1B873593)
_ADDED: Final = np.uint32(0xE6546B64)
_FINAL: Final = ((16, np.uint32(0x85EBCA6B)), (13, np.uint32(0xC2B2AE35)))

Words = NDArray[np.uint32]


def counts(texts: Sequence[str], columns: int) -> "csr_matrix":
    """How often each text has each n-gram, in lower case; n-grams of one hash are counted together.

    Args:
        texts: Any texts.
        columns: How many the n-grams are hashed into.

    Returns:
        Shape (len(texts), columns), float32, columns of a row in order.
    """
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - see above

    parts = [csr_matrix((0, columns), dtype=np.float32)]
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        rows, found = _hashed(some, columns)
        part = csr_matrix((np.ones(len(rows), np.float32), (rows, found)), (len(some), columns), np.float32)
        part.sum_duplicates()
        parts.append(part)
    return parts[1] if len(parts) == 2 else vstack(parts, format="csr")


def _hashed(texts: Sequence[str], columns: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Text and column of every n-gram."""
    words = [text.lower().split() for text in texts]
    # Each word between spaces of its own, so that every second space ends one.
    joined = "".join([f" {word} " for row in words for word in row]).encode("utf-8", "replace").decode()
    letters = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
    spaces = np.flatnonzero(letters == ord(" "))
    lengths = spaces[1::2] - spaces[::2] + 1
    owners = np.repeat(np.arange(len(words), dtype=np.int32), [len(row) for row in words])
    owner = np.repeat(owners, lengths)
    left = np.repeat(spaces[1::2] + 1, lengths) - np.arange(len(letters))
    data = np.frombuffer(joined.encode(), np.uint8)
    at = np.arange(len(letters) + 1)
    for least in _WIDTHS if len(data) > len(letters) else ():
        at[1:] += np.cumsum(letters >= least)
    rows, found = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for size in SIZES:
        starts = np.flatnonzero(left >= size)
        sizes = at[starts + size] - at[starts]
        for length in np.flatnonzero(np.bincount(sizes)).tolist():
            some = starts[sizes == length]
            hashed = _murmur(data, at[some], length).view(np.int32).astype(np.int64)
            rows.append(owner[some])
            found.append((np.abs(hashed) % columns).astype(np.int32))
    return np.concatenate(rows), np.concatenate(found)


def _murmur(data: NDArray[np.uint8], starts: NDArray[np.int64], length: int) -> Words:
    """Hash of ``length`` bytes from each start on, shape (len(starts),).

    Source:
        MurmurHash3_x86_32 with seed 0, Austin Appleby, public domain.
    """
    state = np.zeros(len(starts), np.uint32)
    whole = length // 4 * 4
    for block in range(0, whole, 4):
        state = _turned(state ^ _mixed(_read(data, starts + block, 4)), 13) * np.uint32(5) + _ADDED
    if whole < length:
        state ^= _mixed(_read(data, starts + whole, length - whole))
    state ^= np.uint32(length)
    for shift, factor in _FINAL:
        state = (state ^ (state >> np.uint32(shift))) * factor
    return state ^ (state >> np.uint32(16))


def _read(data: NDArray[np.uint8], starts: NDArray[np.int64], count: int) -> Words:
    """Numbers of so many bytes, the lowest first."""
    found = np.zeros(len(starts), np.uint32)
    for place in range(count):
        found |= data[starts + place].astype(np.uint32) << np.uint32(8 * place)
    return found


def _mixed(word: Words) -> Words:
    return _turned(word * _C1, 15) * _C2


def _turned(word: Words, bits: int) -> Words:
    return (word << np.uint32(bits)) | (word >> np.uint32(32 - bits))
