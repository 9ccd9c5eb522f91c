"""Work of many requests, done together: collected for a moment, handed to a thread, split again."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from .problems import Problem

__all__ = ["Batcher"]

_log = logging.getLogger(__name__)

_Work = TypeVar("_Work")
_Done = TypeVar("_Done")

_LINGER_S: Final = 0.015
"""Half of what a batch of ten titles takes the default encoder."""


class _End(Enum):
    """Nothing comes any more."""

    END = auto()


_END: Final = _End.END


@dataclass(frozen=True, slots=True)
class _Entry(Generic[_Work, _Done]):
    work: _Work
    size: int
    deadline: float
    future: "asyncio.Future[_Done]"


class Batcher(Generic[_Work, _Done]):
    """Collects the work of concurrent requests and does it in one thread, in the order it came, or in several.

    While every thread does a batch the next one collects, so batches grow with the load. One that is smaller than what
    other threads are doing waits a moment for more, or whoever comes first after a large batch would get a model to
    itself.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[_Work]], Sequence[_Done | Exception]],
        *,
        name: str,
        most: int,
        most_waiting: int,
        threads: int = 1,
    ) -> None:
        """Collect for ``handle``.

        Args:
            handle: Does the work of a batch; gives for each its result or its error, in the order given.
            name: Of the threads.
            most: Size of a batch, in items; a larger piece of work is a batch alone.
            most_waiting: Items that may wait.
            threads: Batches that are done at a time.
        """
        self._handle = handle
        self._most = most
        self._most_waiting = most_waiting
        self._queue: asyncio.Queue[_Entry[_Work, _Done] | _End] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self._task: asyncio.Task[None] | None = None
        self._doing: set[asyncio.Task[None]] = set()
        self._left: _Entry[_Work, _Done] | None = None
        self._at_work = 0
        self.waiting = 0
        """Items that wait."""

    def start(self) -> None:
        """Begin to take work."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Finish what has been accepted, and end the threads."""
        if self._task is not None:
            self._queue.put_nowait(_END)
            await self._task
            self._task = None
        self._threads.shutdown(wait=True)

    @property
    def full(self) -> bool:
        """Whether more work would be turned away."""
        return self.waiting >= self._most_waiting

    async def submit(self, work: _Work, size: int, timeout_s: float) -> _Done:
        """The result of some work, which counts as ``size`` items and is useless after ``timeout_s``.

        Raises:
            Problem: ``overloaded``: too much is waiting, or it waited too long; the work was not done.
        """
        if self.full:
            raise Problem("overloaded", f"{self.waiting} items are waiting already; nothing of this request was done")
        loop = asyncio.get_running_loop()
        entry: _Entry[_Work, _Done] = _Entry(work, size, time.monotonic() + timeout_s, loop.create_future())
        self.waiting += size
        self._queue.put_nowait(entry)
        return await entry.future

    async def _run(self) -> None:
        ended = False
        while not ended:
            await self._free.acquire()  # before it collects: what comes while all threads work joins the batch
            batch, ended = await self._collect()
            batch = [one for one in batch if self._in_time(one)]
            self._at_work += sum(one.size for one in batch)
            task = asyncio.create_task(self._do(batch))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)
        await asyncio.gather(*self._doing)

    async def _do(self, batch: Sequence[_Entry[_Work, _Done]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            done = await loop.run_in_executor(self._threads, self._handle, [one.work for one in batch]) if batch else []
            pairs = list(zip(batch, done, strict=True))
        except Exception as error:  # noqa: BLE001 - told to each of the requests
            pairs = [(one, error) for one in batch]
        finally:
            self._at_work -= sum(one.size for one in batch)
            self._free.release()
        for entry, result in pairs:
            _settle(entry, result)

    async def _collect(self) -> tuple[list[_Entry[_Work, _Done]], bool]:
        """What waits, up to a batch, and whether it is the last."""
        first = self._left or await self._queue.get()
        self._left = None
        if first is _END:
            return [], True
        batch, size = [first], first.size
        until = time.monotonic() + _LINGER_S
        while size < self._most:
            entry = await self._another(until if size < self._at_work else 0.0)
            if entry is None:
                break
            if entry is _END:
                return batch, True
            if size + entry.size > self._most:
                self._left = entry
                break
            batch.append(entry)
            size += entry.size
        return batch, False

    async def _another(self, until: float) -> _Entry[_Work, _Done] | _End | None:
        """What comes next, if it is here or comes before a moment."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        wait_s = until - time.monotonic()
        if wait_s <= 0:
            return None
        try:
            async with asyncio.timeout(wait_s):
                return await self._queue.get()
        except TimeoutError:
            return None

    def _in_time(self, entry: _Entry[_Work, _Done]) -> bool:
        self.waiting -= entry.size
        if entry.future.done():  # the caller has given up
            return False
        if time.monotonic() < entry.deadline:
            return True
        entry.future.set_exception(Problem("deadline", "the request waited too long; nothing of it was done"))
        return False


def _settle(entry: _Entry[_Work, _Done], result: _Done | Exception) -> None:
    if entry.future.done():
        return
    if isinstance(result, Exception):
        entry.future.set_exception(result)
    else:
        entry.future.set_result(result)
