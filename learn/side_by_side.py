"""Arrays in parts, as many at a time as there are cores.

A product of matrices uses all cores by itself, but what is done with it, a softmax over classes, runs on one. So each
part is computed on one core from end to end.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ..cores import usable_cores

__all__ = ["side_by_side"]

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")

_taken: Final = threading.Lock()
"""How many threads a product of matrices may use is set for the whole process, so by one learning at a time."""


def side_by_side(step: Callable[[_Part], _Made], parts: Collection[_Part]) -> Iterator[_Made]:
    """What the step makes of each part, in their order; one after the other while another learning has the cores."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - slow to import

    cores = min(usable_cores(), len(parts))
    if cores < 2 or not _taken.acquire(blocking=False):
        yield from map(step, parts)
        return
    try:
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores, "learning") as threads:
            yield from threads.map(step, parts)
    finally:
        _taken.release()
