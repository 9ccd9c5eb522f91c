"""What adaptation, student, head and their choice do with arrays alike; pure computation."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["chunks", "evenly", "softmax"]

_SCORES: Final = 500_000
"""Scores of items by classes that are held at a time: 2 MB of float32."""


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of each row, in place."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """At most so many of n indices, evenly spread.

    >>> evenly(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)


def chunks(n: int, classes: int) -> list[slice]:
    """Places of n items, some after the other, as many as may have scores by so many classes at a time.

    >>> chunks(3, 250_000)
    [slice(0, 2, None), slice(2, 4, None)]
    """
    step = max(1, _SCORES // classes)
    return [slice(start, start + step) for start in range(0, n, step)]
