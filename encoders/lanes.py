"""Several batches through a model at a time, each on one core.

A small model spends much of a batch between its matrix products, where more threads only wait for each other. With
MiniLM on two cores two batches of 16 titles side by side, on a thread each, take six tenths of the time that two
threads need for one after the other, and a single text on one thread takes six tenths of the time on two (measured).
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Lanes"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class Lanes:
    """Threads in which torch uses one core each; whoever calls shares them."""

    def __init__(self, count: int) -> None:
        """Start so many."""
        self._count = count
        self._lock = threading.Lock()
        self._pool = self._started()
        self._process = os.getpid()

    def map(self, call: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
        """What a call makes of each that is given, in order; as many at a time as there are lanes."""
        if self._process != os.getpid():
            self._start_again()
        return self._pool.map(call, given)

    def _start_again(self) -> None:
        # The threads of the process that this one was forked from did not come with it.
        with self._lock:
            if self._process != os.getpid():
                self._pool, self._process = self._started(), os.getpid()

    def _started(self) -> ThreadPoolExecutor:
        import torch  # noqa: PLC0415 - slow to import

        pool = ThreadPoolExecutor(self._count, thread_name_prefix="encoder")
        everywhere, all_there = torch.get_num_threads(), threading.Barrier(self._count)

        def narrow(_: int) -> None:
            all_there.wait()  # one call in each thread, for the number counts in the thread that sets it
            torch.get_num_threads()  # or the thread takes over, at its first product, what others have set by then
            torch.set_num_threads(1)

        list(pool.map(narrow, range(self._count)))
        # It is also what threads take over that are new to torch, such as those that look at pictures.
        torch.set_num_threads(everywhere)
        return pool
