"""Where bytes come from: a local file, an address, or a stream that can be read once."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, Self

from ...errors import InputError
from .address import display, file_system

__all__ = ["HEAD_BYTES", "FileOrigin", "Origin", "RemoteOrigin", "StreamOrigin", "local_origin"]

HEAD_BYTES: Final = 64 << 10
_CHUNK: Final = 1 << 16


class Origin(Protocol):
    """Something bytes can be read from.

    Attributes:
        name: What messages call it.
        size: In bytes, as stored; None when it is not known.
        identity: Digest of the place, the size, the time of change and the first 64 KiB; empty for a stream.
        seekable: Whether ``open`` may be called again and its result can seek.
    """

    name: str
    size: int | None
    identity: str
    seekable: bool

    def open(self) -> BinaryIO:
        """Return a stream at the first byte; the caller closes it."""
        ...

    def peek(self, size: int) -> bytes:
        """Return this many of the first bytes, or all there are, without using them up."""
        ...

    def peek_line(self) -> bytes:
        """Return the first bytes, at least one whole line where 64 KiB hold one."""
        ...


class FileOrigin:
    """A regular file of this machine."""

    seekable = True

    def __init__(self, path: str) -> None:
        """Look the file up."""
        self.path = path
        self.name = os.fsencode(path).decode("utf-8", "replace")
        try:
            status = Path(path).stat()
            head = self.peek(HEAD_BYTES)
        except (OSError, ValueError) as error:
            raise unreadable(self.name, error) from error
        self.size: int | None = status.st_size
        self.identity = _digest(str(Path(path).absolute()), status.st_size, status.st_mtime_ns, head)

    def open(self) -> BinaryIO:
        """Return the opened file, without a buffer of its own."""
        try:
            return Path(self.path).open("rb", buffering=0)
        except OSError as error:
            raise unreadable(self.name, error) from error

    def peek(self, size: int) -> bytes:
        """Return up to this many of the first bytes."""
        with Path(self.path).open("rb") as stream:
            return stream.read(size)

    def peek_line(self) -> bytes:
        """Return the first 64 KiB."""
        return self.peek(HEAD_BYTES)


class RemoteOrigin:
    """A file behind an address that fsspec understands."""

    seekable = True

    def __init__(self, url: str) -> None:
        """Look the file up."""
        self.url = url
        self.name = display(url)
        self._files, self._path = file_system(url)
        try:
            facts: dict[str, Any] = self._files.info(self._path)
            head = self.peek(HEAD_BYTES)
        except Exception as error:  # every driver raises errors of its own
            raise unreadable(self.name, error) from error
        self.size: int | None = facts.get("size")
        stamp = next((facts[key] for key in ("mtime", "LastModified", "ETag", "updated") if facts.get(key)), "")
        self.identity = _digest(self.name, self.size or 0, stamp, head)

    def open(self) -> BinaryIO:
        """Return the opened file."""
        try:
            stream: BinaryIO = self._files.open(self._path, "rb")
        except Exception as error:  # every driver raises errors of its own
            raise unreadable(self.name, error) from error
        return stream

    def peek(self, size: int) -> bytes:
        """Return up to this many of the first bytes."""
        with self.open() as stream:
            return stream.read(size)

    def peek_line(self) -> bytes:
        """Return the first 64 KiB."""
        return self.peek(HEAD_BYTES)


class StreamOrigin:
    """Standard input, a pipe or a device: what was read is gone, except what was only looked at."""

    seekable = False
    size: int | None = None
    identity = ""

    def __init__(self, name: str, stream: BinaryIO, *, owned: bool = False) -> None:
        """Take a stream, and close it after reading if it is owned."""
        self.name = name
        self._stream = stream
        self._head = b""
        self._opened = False
        self._owned = owned

    def open(self) -> BinaryIO:
        """Return what the stream has, once."""
        if self._opened:
            message = f"{self.name} was read already, and can be read only once"
            raise InputError(message, hint="Save it to a file first.")
        self._opened = True
        return _Rest(self._head, self._stream, owned=self._owned)  # type: ignore[return-value]

    def peek(self, size: int) -> bytes:
        """Wait for up to this many of the first bytes."""
        while len(self._head) < size and self._more():
            pass
        return self._head[:size]

    def peek_line(self) -> bytes:
        """Wait for the first line, and not for more."""
        while len(self._head) < HEAD_BYTES and b"\n" not in self._head and self._more():
            pass
        return self._head[:HEAD_BYTES]

    def _more(self) -> bool:
        data = read_some(self._stream, _CHUNK)
        self._head += data
        return bool(data)


class _Rest:
    """The bytes that were looked at, and then the stream; has just what a reader calls."""

    def __init__(self, head: bytes, stream: BinaryIO, *, owned: bool) -> None:
        self._head = head
        self._stream = stream
        self._owned = owned

    def read1(self, size: int) -> bytes:
        if not self._head:
            return read_some(self._stream, size)
        data, self._head = self._head[:size], self._head[size:]
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self._stream.close()


def read_some(stream: BinaryIO, size: int) -> bytes:
    """Return what is there, at least one byte unless the stream has ended, without waiting to fill up."""
    read1 = getattr(stream, "read1", None)
    data: bytes | None = stream.read(size) if read1 is None else read1(size)
    return data or b""


def local_origin(path: str) -> Origin:
    """Return the origin for a path that exists and is no folder."""
    try:
        if stat.S_ISREG(Path(path).stat().st_mode):
            return FileOrigin(path)
        return StreamOrigin(path, Path(path).open("rb"), owned=True)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(name: str, error: Exception) -> InputError:
    """Return the error for a file that cannot be opened at all."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"{name}: cannot be opened: {reason}")


def _digest(place: str, size: int, stamp: object, head: bytes) -> str:
    digest = hashlib.sha256()
    for part in (place.encode("utf-8", "surrogateescape"), str(size).encode(), str(stamp).encode(), head):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
