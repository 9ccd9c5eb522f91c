"""Calls to a store and a broker that may be away: made again and again, until they are back or the worker is to end."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from ...errors import NearclassError, StoreWriteError
from .status import Status

__all__ = ["Patience"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

LONGEST_WAIT_S: Final = 15.0
_WRITE_TRIES: Final = 5


class Patience:
    """Waits for the store and the broker, and says so in a status."""

    def __init__(self, status: Status, stop: asyncio.Event) -> None:
        """Wait until ``stop`` is set."""
        self._status = status
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, "nearclass-worker")

    def close(self) -> None:
        """Make no more calls."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def store(self, what: str, call: Callable[[], _T]) -> _T:
        """Make a call in the worker's thread, again and again while the store is away."""
        tries = 0
        while True:
            since = time.monotonic()
            try:
                result = await asyncio.get_running_loop().run_in_executor(self._thread, call)
            except NearclassError as error:
                tries += 1
                # A store that was written to and failed has been opened again by now; one that is full stays full.
                again = error.retryable or (isinstance(error, StoreWriteError) and tries < _WRITE_TRIES)
                if not again or self._stop.is_set():
                    raise
                await self._wait("store", error.message, tries)
            else:
                self._status.spent(what, since)
                self.ready()
                return result

    async def broker(self, call: Callable[[], Any]) -> None:
        """Ask the broker for something, again and again while it is away."""
        tries = 0
        while True:
            try:
                await call()
            except NearclassError as error:
                tries += 1
                if not error.retryable or self._stop.is_set():
                    raise
                await self._wait("broker", error.message, tries)
            else:
                self.ready()
                return

    async def _wait(self, whom: str, why: str, tries: int) -> None:
        if not self._status.trouble:
            _log.warning("waiting for the %s: %s", whom, why)
        self._status.doing, self._status.trouble = "waiting", why
        self._status.waits[whom] += 1
        try:
            async with asyncio.timeout(min(LONGEST_WAIT_S, 0.25 * 2 ** min(tries, 10))):
                await self._stop.wait()
        except TimeoutError:
            pass

    def ready(self) -> None:
        """Note that nothing is in the way."""
        if self._status.trouble:
            _log.warning("going on after: %s", self._status.trouble)
        self._status.trouble = ""
        if not self._stop.is_set():
            self._status.doing = "ready"
