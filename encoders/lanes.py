"""Several batches through a model at a time, each on a core of its own.

A model that shares each of its steps out over the cores waits at the end of every step for the slowest of them, and
small models have many small steps. Batches that each keep to one core wait for nobody: with MiniLM on two cores, two
batches of 16 titles side by side take six tenths of the time that two threads need one after the other; a single
text on one core takes six tenths of the time on two.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["Lanes"]

_A = TypeVar("_A")
_B = TypeVar("_B")


class Lanes:
    """Threads in each of which torch computes on one core; may be used from several threads.

    Attributes:
        count: How many there are. A single one is the thread of whoever asks, and computes as torch is set.
    """

    def __init__(self, count: int) -> None:
        """Make ``count`` of them; they begin with the first piece of work."""
        self.count: Final = count
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def each(self, step: Callable[[_A], _B], pieces: Iterable[_A]) -> Iterator[_B]:
        """What the step makes of each piece, in their order.

        For each lane one piece more is taken than is worked on, so that no lane waits for whoever makes the pieces.
        """
        if self.count == 1:
            yield from map(step, pieces)
            return
        pool, waiting = self._threads(), deque[Future[_B]]()
        try:
            for piece in pieces:
                waiting.append(pool.submit(step, piece))
                if len(waiting) > 2 * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _threads(self) -> ThreadPoolExecutor:
        """The threads of this process: those of the one that it was forked from did not come with it."""
        with self._lock:
            if self._pool is None or self._process != os.getpid():
                self._pool, self._process = _started(self.count), os.getpid()
            return self._pool


def _started(count: int) -> ThreadPoolExecutor:
    """Threads in which torch computes on one core, while in all others it goes on as before.

    ``torch.set_num_threads`` is for the calling thread, and for every other from the moment it first asks how many it
    has. So each of these asks first, and when all have their one core the number is set again.
    """
    import torch  # noqa: PLC0415 - slow to import

    others, all_here = torch.get_num_threads(), threading.Barrier(count)

    def keep_to_one_core(_: int) -> None:
        all_here.wait()  # so that each thread does this once
        torch.get_num_threads()
        torch.set_num_threads(1)

    pool = ThreadPoolExecutor(count, thread_name_prefix="lane")
    list(pool.map(keep_to_one_core, range(count)))
    torch.set_num_threads(others)
    return pool
