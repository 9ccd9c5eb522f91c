"""Classes that are hard to tell apart because their class vectors point the same way; pure computation."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["most_alike"]

_SCORES_AT_ONCE: Final = 4_000_000


def most_alike(class_ids: Sequence[str], vectors: NDArray[np.float32], top: int = 20) -> list[tuple[str, str, float]]:
    """Gives the pairs of classes with the highest cosine as (class, class, cosine), highest first, then by id.

    Args:
        class_ids: Ids of K classes.
        vectors: Their vectors, shape (K, dim), of any length; one of length 0 is like none.
        top: How many pairs.

    Example:
        >>> pairs = most_alike(["a", "b", "c"], np.array([[1, 0], [0, 1], [2, 1]], np.float32), top=1)
        >>> [(first, second, round(cosine, 3)) for first, second, cosine in pairs]
        [('a', 'c', 0.894)]
    """
    order = sorted(range(len(class_ids)), key=lambda place: class_ids[place])
    ids = [class_ids[place] for place in order]
    units = vectors[order] / np.maximum(np.linalg.norm(vectors[order], axis=1, keepdims=True), 1e-9)
    best: list[tuple[float, int, int]] = []
    step = max(1, _SCORES_AT_ONCE // max(1, len(ids)))
    for start in range(0, len(ids), step):
        # Each pair once: only the columns after the row.
        cosines = np.triu(units[start : start + step] @ units[start:].T, 1)
        rows, columns = np.triu_indices(cosines.shape[0], 1, cosines.shape[1])
        values = cosines[rows, columns]
        if len(values) > top:
            # Everything that ties with the last one stays, so that the order by id decides.
            kept = np.flatnonzero(values >= np.partition(values, -top)[-top])
            rows, columns, values = rows[kept], columns[kept], values[kept]
        found = zip((-values).tolist(), (rows + start).tolist(), (columns + start).tolist(), strict=True)
        best = sorted([*best, *found])[:top]
    return [(ids[first], ids[second], min(1.0, -negative)) for negative, first, second in best]
