"""Figures that take a while: made once, kept, and made anew behind the scenes when they are old."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .audit import where

__all__ = ["Kept"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    value: T
    key: Hashable
    at: float


class Kept(Generic[T]):
    """One value that depends on a key, such as the revision of the taxonomy; may be used from several threads.

    Attributes:
        failed: Whether the latest attempt failed; the log says why.
    """

    def __init__(
        self,
        make: Callable[[], T],
        behind: Callable[[Callable[[], None]], Any],
        *,
        fresh_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the value with ``make``; ``behind`` runs a call in another thread; after ``fresh_s`` it is old."""
        self._make = make
        self._behind = behind
        self._fresh_s = fresh_s
        self._clock = clock
        self._making = threading.Lock()
        self._asked = threading.Lock()
        self._made: _Made[T] | None = None
        self.failed = False

    def get(self, key: Hashable = None) -> T:
        """The value; the caller waits where there is none for this key, and gets an old one rather than wait."""
        made = self._made
        if made is not None and made.key == key:
            if self._is_old(made):
                self._start(key)
            return made.value
        with self._making:
            made = self._made
            return made.value if made is not None and made.key == key else self._remade(key)

    def peek(self, key: Hashable = None) -> T | None:
        """The value, or None while it is made behind the scenes."""
        made = self._made
        if made is None or made.key != key or self._is_old(made):
            self._start(key)
        return made.value if made is not None and made.key == key else None

    def known(self, key: Hashable = None) -> T | None:
        """The value if there is one, however old; nothing is started."""
        made = self._made
        return made.value if made is not None and made.key == key else None

    def forget(self) -> None:
        """Make it anew when it is next asked for."""
        self._made = None

    def _is_old(self, made: _Made[T]) -> bool:
        return self._clock() - made.at > self._fresh_s

    def _start(self, key: Hashable) -> None:
        if not self._asked.acquire(blocking=False):
            return

        def work() -> None:
            try:
                with self._making:
                    self._remade(key)
                self.failed = False
            except Exception as error:  # noqa: BLE001 - nobody waits for it; the page says that it failed
                self.failed = True
                _log.warning("%s failed: %s\n%s", self._make.__qualname__, type(error).__name__, where(error))
            finally:
                self._asked.release()

        try:
            self._behind(work)
        except BaseException:
            self._asked.release()
            raise

    def _remade(self, key: Hashable) -> T:
        at = self._clock()
        value = self._make()
        self._made = _Made(value, key, at)
        return value
