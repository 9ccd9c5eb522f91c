"""Blocking work off the event loop, in a bounded number of threads behind a bounded queue."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from .problems import Problem

__all__ = ["Pool"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_WAITING_PER_THREAD: Final = 8


class Pool:
    """Threads for calls that block."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="service")
        self._most = threads * (1 + _WAITING_PER_THREAD)
        self.taken = 0
        """Calls that run or wait."""

    async def run(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of a call that blocks.

        A call that has begun goes on when whoever waits gives up; until it ends it counts as taken.

        Raises:
            Problem: ``overloaded``: too many calls wait already.
        """
        if self.taken >= self._most:
            raise Problem("overloaded", f"{self.taken} calls are in progress already; nothing of this one was done")
        loop = asyncio.get_running_loop()
        self.taken += 1
        future = self._threads.submit(functools.partial(call, *args, **kwargs))
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(future)

    def submit(self, call: Callable[[], _R]) -> "Future[_R]":
        """Start a call that nobody waits for here."""
        return self._threads.submit(call)

    def stop(self) -> None:
        """Wait for what has begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _ended(self) -> None:
        self.taken -= 1
