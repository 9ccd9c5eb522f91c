"""From a reference in a row to the bytes of a file, and to no file outside the folders that are allowed."""

import errno
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import PictureError
from ..schemas.pictures import PictureCode

__all__ = ["is_url", "read_file"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Of two letters at least: a letter and a colon begin a path on Windows."""

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe waits for its writer
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_CHUNK: Final = 1 << 20
_DESCRIPTORS: Final = Path("/proc/self/fd")


def is_url(reference: str) -> bool:
    """Whether the reference is an address to fetch, and not a path.

    >>> is_url("https://example.org/a.jpg"), is_url("photos/a.jpg")
    (True, False)

    Raises:
        PictureError: ``bad_reference``: neither an address of http or https nor a path.
    """
    if not reference.strip() or "\0" in reference:
        raise _bad(reference, "is empty" if not reference.strip() else "has a NUL character in it")
    scheme = _SCHEME.match(reference)
    if scheme is None or scheme[1].lower() in {"http", "https"}:
        return scheme is not None
    if reference[scheme.end() :].startswith("//") or scheme[1].lower() in {"file", "data"}:
        raise _bad(reference, f"begins with {scheme[1]!r}; give a path, or an address of http or https")
    return False


def read_file(
    reference: str, folder: Path, *, allowed: Sequence[Path] = (), anywhere: bool = False, max_bytes: int
) -> bytes:
    """All bytes of the file that ``reference`` names.

    The file is opened first and then looked at, so that nothing can be put in its place in between. Opening never
    waits: pipes and devices are recognised and refused.

    Args:
        reference: A path, relative to ``folder`` or absolute.
        folder: The folder of the file that named it.
        allowed: Further folders that files may be in; symbolic links are followed and must end in one of them all.
        anywhere: Whether an absolute path may name any file.
        max_bytes: Larger files are refused.

    Raises:
        PictureError: ``bad_reference``, ``picture_outside``, ``missing_picture``, ``not_a_file``,
            ``unreadable_picture`` or ``picture_too_large``.
    """
    if is_url(reference):
        raise _bad(reference, "is an address, and not a path")
    free = anywhere and os.path.isabs(reference)  # noqa: PTH117
    roots = [os.path.realpath(one) for one in (folder, *allowed)]
    path = os.path.normpath(os.path.join(os.path.abspath(folder), reference))  # noqa: PTH100, PTH118
    lexical = [*roots, *(os.path.abspath(one) for one in (folder, *allowed))]  # noqa: PTH100
    if not free and not _inside(path, lexical):
        raise _outside(reference)
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise _not_opened(reference, error) from None
    try:
        if not free and not _inside(_real_path(descriptor, path), roots):
            raise _outside(reference)
        return _read(descriptor, reference, max_bytes)
    except OSError as error:
        raise _unreadable(reference, error) from None
    finally:
        os.close(descriptor)


def _inside(path: str, roots: Sequence[str]) -> bool:
    return os.path.isabs(path) and any(  # noqa: PTH117 - the kernel's answer need not be a path
        os.path.commonpath([root, path]) == root for root in roots if _same_drive(root, path)
    )


def _same_drive(one: str, other: str) -> bool:
    return os.path.splitdrive(one)[0] == os.path.splitdrive(other)[0]


def _real_path(descriptor: int, path: str) -> str:
    """Where the opened file really is: as the kernel says, or else a path that leads to this very file, or nothing."""
    if _DESCRIPTORS.is_dir():
        return os.readlink(_DESCRIPTORS / str(descriptor))  # noqa: PTH115 - pathlib would resolve a second time
    real = os.path.realpath(path)
    if not os.path.samestat(os.stat(real), os.fstat(descriptor)):  # noqa: PTH116
        return ""
    return real


def _read(descriptor: int, reference: str, max_bytes: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file(reference)
    if status.st_size > max_bytes:
        raise _too_large(reference, status.st_size, max_bytes)
    parts: list[bytes] = []
    size = 0
    while part := os.read(descriptor, _CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:  # it grew, or its file system does not know sizes
            raise _too_large(reference, size, max_bytes)
    return b"".join(parts)


def _not_opened(reference: str, error: OSError | ValueError) -> PictureError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f"the picture {reference!r} does not exist"
        hint = "Paths are relative to the folder of the file that names them."
        return PictureError(message, code=PictureCode.MISSING_PICTURE, hint=hint)
    if isinstance(error, ValueError):
        return _bad(reference, "cannot be a path")
    if isinstance(error, IsADirectoryError) or error.errno in {errno.ENXIO, errno.ENODEV}:  # sockets, dead devices
        return _not_a_file(reference)
    return _unreadable(reference, error)


def _bad(reference: str, why: str) -> PictureError:
    return PictureError(f"the reference {reference[:200]!r} {why}", code=PictureCode.BAD_REFERENCE)


def _not_a_file(reference: str) -> PictureError:
    message = f"the picture {reference!r} is no file, but a folder, a pipe, a socket or a device"
    return PictureError(message, code=PictureCode.NOT_A_FILE)


def _outside(reference: str) -> PictureError:
    message = f"the picture {reference!r} is outside the folder of the file that names it"
    hint = "Put the pictures beside that file, or below it."
    return PictureError(message, code=PictureCode.PICTURE_OUTSIDE, hint=hint)


def _unreadable(reference: str, error: OSError) -> PictureError:
    message = f"the picture {reference[:200]!r} cannot be read: {error.strerror or error}"
    return PictureError(message, code=PictureCode.UNREADABLE_PICTURE)


def _too_large(reference: str, size: int, max_bytes: int) -> PictureError:
    message = f"the picture {reference!r} has {size} bytes; at most {max_bytes}"
    hint = "Make it smaller, or raise NEARCLASS_PICTURE_MAX_MB."
    return PictureError(message, code=PictureCode.PICTURE_TOO_LARGE, hint=hint)
