"""Order of work: texts of like length together, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOKENS_PER_BATCH", "TOKENS_PER_CALL", "by_length", "tokens_per_batch"]

TOKENS_PER_BATCH: Final = 1024
"""Padded tokens of a batch on a CPU; from 512 to 4096 the rate of MiniLM differs by less than a tenth."""

_FEWEST_TOKENS: Final = 192
"""Padded tokens that are worth a batch of their own: with fewer, what each call costs counts (MiniLM on two cores: 16
titles at a time 470 texts/s, 8 at a time 400)."""

_PARTS: Final = 4

TOKENS_PER_CALL: Final = 24
"""What calling the model costs on a CPU beside its tokens, in tokens: for MiniLM 5.6 ms of CPU time a call and 0.23 ms
a token, measured with batches of 8 and of 512 texts of like length."""


def tokens_per_batch(tokens: int) -> int:
    """Size of the batches on a CPU for texts of so many tokens in all: a few texts are shared out, too.

    It does not depend on the cores there are, so that the vectors are the same to the last bit with any number.

    >>> [tokens_per_batch(tokens) for tokens in (10, 1000, 100_000)]
    [192, 250, 1024]
    """
    return min(TOKENS_PER_BATCH, max(_FEWEST_TOKENS, tokens // _PARTS))


def by_length(
    lengths: Sequence[int], tokens_per_batch: int = TOKENS_PER_BATCH, tokens_per_call: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Positions of the texts, shortest first, cut into batches of about ``tokens_per_batch`` padded tokens.

    Every position comes exactly once; texts of equal length keep their order, so that the batches depend on the
    texts alone. With ``tokens_per_call`` a batch is cut further where that saves more padding than another call of
    the model costs: a few texts of unlike lengths would be half padding.

    >>> [batch.tolist() for batch in by_length([5, 1, 5, 2], 10)]
    [[1, 3], [0, 2]]
    >>> [batch.tolist() for batch in by_length([50, 1, 50, 2], 1000, 24)]
    [[1, 3], [0, 2]]
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        # The last text of a batch is the longest, and all the others are padded to it.
        if end == len(order) or (end + 1 - start) * int(sizes[order[end]]) > tokens_per_batch:
            batch = order[start:end]
            yield from [batch] if tokens_per_call is None else np.split(batch, _cuts(sizes[batch], tokens_per_call))
            start = end


def _cuts(sizes: NDArray[np.int64], tokens_per_call: int) -> list[int]:
    """Where to cut texts that are sorted by their sizes, so that padded tokens and calls cost least together."""
    ends = np.append(np.flatnonzero(np.diff(sizes)) + 1, len(sizes))  # where a size ends: nothing is cut within one
    starts = np.append(0, ends)
    costs, begins = np.zeros(len(starts)), np.zeros(len(starts), np.int64)
    for place, end in enumerate(ends, 1):
        tried = costs[:place] + (end - starts[:place]) * sizes[end - 1] + tokens_per_call
        begins[place] = tried.argmin()
        costs[place] = tried[begins[place]]
    found, place = [], int(begins[-1])
    while place:
        found.append(int(starts[place]))
        place = int(begins[place])
    return found[::-1]
