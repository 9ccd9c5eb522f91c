"""Many pictures at a time: read and hashed, then decoded, in threads that run ahead of whoever takes the results."""

import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from PIL import Image

from ..errors import PictureError
from .decode import examine, pixels
from .digest import digest
from .fetch import Fetcher
from .limits import PictureLimits
from .reference import is_url, read_file

__all__ = ["PictureBytes", "PictureLoader", "PictureSource"]

_AHEAD: Final = 64
"""Pictures that are worked on ahead of the one that is taken; two batches of an encoder on a CPU."""

_AHEAD_READING: Final = 4
"""Files that each worker holds ahead; they may have ``max_bytes`` each."""

_HELD: Final = 32_000_000
"""Bytes of files that wait to be decoded, above which no further one is begun; the same again of files just read."""

_BLOCK: Final = 64 << 20
"""Bytes that Pillow allocates at a time for large pictures. The C library gives blocks above 32 MiB back to the system
when they are freed, and keeps Pillow's usual ones of 16 MiB: with those each thread held on to its largest picture."""

_LARGE: Final = 8_000_000
"""Memory of a picture from which on the C library is asked to give back what its decoder left behind: the library keeps
blocks of up to 32 MiB for each thread, which came to a hundred megabytes with pictures made to be hostile."""

_HUGE: Final = 64_000_000
"""Memory of a picture that what other threads left behind is given back for beforehand."""

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Where a picture is said to be.

    Attributes:
        reference: A path or an address, as the row has it.
        folder: The folder of the file that the row stands in.
    """

    reference: str
    folder: Path


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture that was read, and not decoded.

    Attributes:
        source: Where it came from.
        digest: SHA-256 of the bytes, 64 hexadecimal digits.
        data: The bytes of the file.
    """

    source: PictureSource
    digest: str
    data: bytes


class PictureLoader:
    """Reads and decodes pictures; may be used from several threads; close it, or use ``with``.

    Memory is bounded whatever the number of workers: all pictures that are being decoded at one time take at most
    what the limits allow for one.
    """

    def __init__(
        self,
        limits: PictureLimits | None = None,
        *,
        roots: Sequence[Path] = (),
        anywhere: bool = False,
        fetcher: Fetcher | None = None,
        workers: int | None = None,
        ahead: int = _AHEAD,
    ) -> None:
        """Start nothing yet; the threads begin with the first picture.

        Args:
            limits: Bounds of every picture.
            roots: Folders that pictures may be in besides the folder of the file that names them.
            anywhere: Whether absolute paths may name any file.
            fetcher: Fetches addresses; without one they are refused.
            workers: Threads; by default as many as there are cores.
            ahead: How many pictures are decoded ahead of the one that is taken.
        """
        self.limits = limits or PictureLimits()
        self._roots = tuple(roots)
        self._anywhere = anywhere
        self._fetcher = fetcher
        self._workers = workers or max(2, os.cpu_count() or 1)
        self._ahead = max(1, ahead)
        self._memory = _Memory(self.limits.max_memory)
        Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined]
        self._pools = tuple(
            ThreadPoolExecutor(self._workers, thread_name_prefix=f"pictures-{name}") for name in ("read", "decode")
        )

    def __enter__(self) -> Self:
        """Return the loader."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the threads once they are done with what they have begun."""
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def read(self, source: PictureSource) -> PictureBytes:
        """The bytes of one picture and their digest; nothing is decoded.

        Raises:
            PictureError: It cannot be found, may not be read, or is too large.
        """
        if is_url(source.reference):
            fetcher = self._fetcher or _off(self.limits)
            data = fetcher.fetch(source.reference)
        else:
            data = read_file(
                source.reference,
                source.folder,
                allowed=self._roots,
                anywhere=self._anywhere,
                max_bytes=self.limits.max_bytes,
            )
        return PictureBytes(source, digest(data), data)

    def decode(self, picture: PictureBytes) -> Image.Image:
        """The picture as upright RGB.

        Raises:
            PictureError: It is damaged, too large, or of another format.
        """
        return self._prepared(picture, lambda image: image)

    def read_all(self, sources: Iterable[PictureSource]) -> Iterator[PictureBytes | PictureError]:
        """Each picture's bytes and digest, or why there are none, in the order of the sources.

        Whoever knows some digests already leaves those pictures out before ``prepare_all``.
        """
        return _mapped(self._pools[0], _caught(self.read), sources, _AHEAD_READING * self._workers)

    def prepare_all(
        self, pictures: Iterable[PictureBytes | PictureError], prepare: Callable[[Image.Image], _B]
    ) -> Iterator[_B | PictureError]:
        """What ``prepare`` makes of each decoded picture, or why there is none, in their order.

        ``prepare`` runs in the threads and should give something small, such as the tensor a model reads: up to
        ``ahead`` results wait for whoever takes them. Errors among ``pictures`` come out in their places.
        """

        def step(picture: PictureBytes | PictureError) -> _B:
            if isinstance(picture, PictureError):
                raise picture
            return self._prepared(picture, prepare)

        return _mapped(self._pools[1], _caught(step), pictures, self._ahead)

    def _prepared(self, picture: PictureBytes, prepare: Callable[[Image.Image], _B]) -> _B:
        try:
            examined = examine(picture.data, self.limits)
            with self._memory.held(examined.memory):
                if examined.memory > _HUGE:
                    _give_back()
                try:
                    return prepare(pixels(examined))
                finally:
                    if examined.memory > _LARGE:
                        _give_back()
        except PictureError as error:
            raise PictureError(
                f"the picture {picture.source.reference[:200]!r}: {error.message}", code=error.code, hint=error.hint
            ) from error


class _Memory:
    """Bytes that may be in use at one time; who wants more waits, in no order."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._changed = threading.Condition()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Within it, ``size`` bytes count as taken; ``size`` is at most the whole."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


def _give_back() -> None:
    """Give memory that nothing uses back to the system, where the C library can: GNU's, by malloc_trim(3)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _caught(step: Callable[[_A], _B]) -> Callable[[_A], _B | PictureError]:
    def caught(one: _A) -> _B | PictureError:
        try:
            return step(one)
        except PictureError as error:
            return error

    return caught


def _mapped(pool: ThreadPoolExecutor, step: Callable[[_A], _B], items: Iterable[_A], ahead: int) -> Iterator[_B]:
    """Results of the step in the order of the items.

    At most ``ahead`` items are taken before their results are asked for, and none while files of more than ``_HELD``
    bytes wait for the step or come from it.
    """
    waiting: deque[Future[_B]] = deque()
    held = _Held()
    rest = iter(items)

    def counted(one: _A) -> _B:
        result = step(one)
        held.change(_bytes_of(result) - _bytes_of(one))
        return result

    def take() -> None:
        while len(waiting) < ahead and held.size < _HELD:
            one = next(rest, _END)
            if isinstance(one, _End):
                return
            held.change(_bytes_of(one))
            waiting.append(pool.submit(counted, one))

    try:
        take()
        while waiting:
            result = waiting.popleft().result()
            held.change(-_bytes_of(result))
            take()
            yield result
    finally:
        for future in waiting:
            future.cancel()


class _Held:
    """Bytes of files that wait for a step, or for whoever takes its results."""

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()

    def change(self, by: int) -> None:
        if by:
            with self._lock:
                self.size += by


class _End:
    """What stands behind the last item."""


_END: Final = _End()


def _bytes_of(one: object) -> int:
    return len(one.data) if isinstance(one, PictureBytes) else 0


def _off(limits: PictureLimits) -> Fetcher:
    from .urls import UrlPolicy  # noqa: PLC0415 - of no other use here

    return Fetcher(UrlPolicy(), max_bytes=limits.max_bytes)
