"""Pictures that come with requests: in a folder of this process while they are looked at, or kept for stored items."""

import base64
import binascii
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .problems import Problem

__all__ = ["Upload", "Uploads"]

_DATA: Final = re.compile(r"data:(?P<type>[a-z]+/[a-z0-9.+-]+)?;base64,(?P<data>.*)", re.IGNORECASE | re.DOTALL)
_BEGINNINGS: Final = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
}
_FOLDER_MODE: Final = 0o700


class Upload:
    """Pictures of one request: files that are gone when it ends, but for those that are kept."""

    def __init__(self, folder: Path | None, *, keep: bool, max_bytes: int) -> None:
        self._folder = folder
        self._keep = keep
        self._max_bytes = max_bytes
        self._made: list[Path] = []

    def place(self, image: str | None) -> tuple[str | None, str | None]:
        """Image and folder of an item, from what a caller gave: a data URI, an address, or nothing.

        Raises:
            Problem: It is none of these; no path of this machine is ever read for a caller.
        """
        if not image:
            return None, None
        if image[:8].lower().startswith(("http://", "https://")):
            return image, None
        match = _DATA.fullmatch(image)
        if match is None:
            message = "a picture is a data URI (data:image/jpeg;base64,...) or an address of http or https"
            raise Problem("validation", message, hint="Paths of the server's files are not read.")
        try:
            data = base64.b64decode(match["data"], validate=True)
        except (binascii.Error, ValueError):
            raise Problem("validation", "the picture is not valid base64") from None
        return self.put(data)

    def put(self, data: bytes) -> tuple[str, str]:
        """Image and folder of an item with this picture.

        Raises:
            Problem: It is too large, or there is no folder to keep it in.
        """
        if self._folder is None:
            message = "uploaded pictures cannot be kept here: the service has no folder for them"
            raise Problem("validation", message, hint="Start it with --picture-folder DIR, or send an address.")
        if len(data) > self._max_bytes:
            raise Problem("too-large", f"the picture has {len(data)} bytes; at most {self._max_bytes}")
        name = hashlib.sha256(data).hexdigest() + _suffix(data)
        path = self._folder / name
        if not (self._keep and path.exists()):
            part = self._folder / f".{name}.{os.getpid()}.{id(self)}"
            part.write_bytes(data)
            part.replace(path)
        if not self._keep:
            self._made.append(path)
        return (str(path) if self._keep else name), str(self._folder)

    def close(self) -> None:
        """Remove what is not kept."""
        for path in self._made:
            path.unlink(missing_ok=True)
        if self._folder is not None and not self._keep:
            shutil.rmtree(self._folder, ignore_errors=True)


class Uploads:
    """Where uploaded pictures go."""

    def __init__(self, kept: Path | None, *, max_bytes: int) -> None:
        """Keep those of stored items in ``kept``, or refuse them without it."""
        self._kept = kept
        self._max_bytes = max_bytes
        self._folder = Path(tempfile.mkdtemp(prefix="nearclass-uploads-"))

    @contextmanager
    def asking(self) -> Iterator[Upload]:
        """Pictures that are looked at and forgotten."""
        upload = Upload(Path(tempfile.mkdtemp(dir=self._folder)), keep=False, max_bytes=self._max_bytes)
        try:
            yield upload
        finally:
            upload.close()

    def storing(self) -> Upload:
        """Pictures of items that are stored."""
        if self._kept is not None:
            self._kept.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return Upload(self._kept, keep=True, max_bytes=self._max_bytes)

    def close(self) -> None:
        """Remove the folder of this process."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _suffix(data: bytes) -> str:
    return next((suffix for beginning, suffix in _BEGINNINGS.items() if data.startswith(beginning)), ".bin")
