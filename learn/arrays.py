"""What adaptation, student, head and their choice do with arrays alike; pure computation."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["evenly", "softmax"]


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
