"""Picture files as a source of items: each file is one, named by its path."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Final

from ...errors import InputError
from .rows import BadRow, RawRow
from .source import Source

__all__ = ["PICTURE_EXTENSIONS", "PictureFiles", "is_picture"]

PICTURE_EXTENSIONS: Final = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Of the formats that are decoded; see ``pictures.limits.FORMATS``."""


def is_picture(path: str) -> bool:
    """Whether a file has the name of a picture.

    >>> is_picture("shoes/Red One.JPG"), is_picture("items.csv")
    (True, False)
    """
    return PurePath(path).suffix.lower() in PICTURE_EXTENSIONS


class PictureFiles(Source):
    """Pictures of one folder as rows of id, image and label.

    The id is the path within the folder, with slashes; the label is the name of the folder that the file is in, if that
    is one inside.
    """

    def __init__(self, folder: str, names: Sequence[str]) -> None:
        """Name the files.

        Args:
            folder: The folder.
            names: Paths of the files within it, in the order of the rows.

        Raises:
            InputError: A file is gone.
        """
        self._names = list(names)
        self._passed = 0
        root = Path(folder)
        digest = hashlib.sha256(str(root.absolute()).encode("utf-8", "surrogateescape"))
        self._sizes = []
        for name in self._names:
            try:
                status = (root / name).stat()
            except OSError as error:
                raise InputError(f"{root / name}: cannot be opened: {error.strerror or error}") from error
            self._sizes.append(status.st_size)
            digest.update(f"\x1f{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
        self.name = folder.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.size = sum(self._sizes)
        self.identity = digest.hexdigest()
        self.format = "pictures"
        self.kind = "table"
        self.columns = ["id", "image", "label"]
        self.base = str(root.absolute())

    @property
    def bytes_read(self) -> int:
        """Size of the pictures whose rows were given."""
        return self._passed

    def rows(self, start: int = 0) -> Iterator[RawRow | BadRow]:
        """Yield a row for each file from this position on; the files themselves are read later."""
        self._passed = sum(self._sizes[:start])
        for position in range(start, len(self._names)):
            path = PurePath(self._names[position])
            self._passed += self._sizes[position]
            values = {"id": path.as_posix(), "image": path.as_posix()}
            if len(path.parts) > 1:
                values["label"] = path.parts[-2]
            yield RawRow(values, self.name, position + 1, position)
