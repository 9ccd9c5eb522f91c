"""Vectors that come in ready-made, checked and brought to unit length."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["unit_vector"]


def unit_vector(values: Sequence[float], dim: int) -> NDArray[np.float32]:
    """The vector at unit length, shape (dim,), float32.

    Raises:
        ValueError: It has another length, is zero or is not finite; the text says what it has.

    >>> unit_vector((3.0, 4.0), 2).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    vector = np.asarray(values, np.float32)
    norm = float(np.linalg.norm(vector))
    if vector.shape != (dim,) or not np.isfinite(norm) or norm == 0:
        raise ValueError(f"a vector of length {len(vector)} and norm {norm:g}, expected length {dim} and a norm > 0")
    unit: NDArray[np.float32] = vector / np.float32(norm)
    return unit
