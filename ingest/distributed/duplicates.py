"""Ids that are in more than one row: which of them does not count."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Keys"]


class Keys:
    """Keys of rows in the order of the rows, 24 bytes for each."""

    def __init__(self) -> None:
        self._pages: list[NDArray[np.uint64]] = []

    def add(self, keys: Sequence[str]) -> None:
        """Note the keys of the next rows, 32 hexadecimal digits each."""
        self._pages.append(np.frombuffer(bytes.fromhex("".join(keys)), ">u8").reshape(-1, 2).astype(np.uint64))

    def superseded(self) -> NDArray[np.int64]:
        """Places of the rows whose key comes again later, rising; shape (m,)."""
        if not self._pages:
            return np.empty(0, np.int64)
        keys = np.concatenate(self._pages)
        order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: equal keys stay in the order of the rows
        sorted_keys = keys[order]
        again = (sorted_keys[:-1] == sorted_keys[1:]).all(axis=1)
        return np.sort(order[:-1][again])
