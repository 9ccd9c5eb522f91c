"""The folder that parts are in: a folder that all processes share, or an address such as ``s3://bucket/parts``."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from ...errors import InputError
from ..counts import Counts
from ..sources.address import display, file_system, is_address
from .shard import Shard

__all__ = ["LAYOUT", "Manifest", "PartFolder"]

LAYOUT: Final = 1
"""Version of the layout of parts; one of another version is made again."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a part is; there is one only where the part is whole.

    Attributes:
        number: Number of the shard.
        shard: Digest of the shard.
        recipe: Digest of how it was made.
        size: Of the part, in bytes.
        items: In it.
        rejects: Bytes of the rejected rows.
        counts: What became of the rows so far: read, rejected, duplicates, embedded.
        ready: When the process that made it was ready to begin, in seconds since 1970.
        seconds: That making it took.
        worker: Host and number of that process.
    """

    number: int
    shard: str
    recipe: str
    size: int
    items: int
    rejects: int
    counts: Counts
    ready: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    layout: int = field(default=LAYOUT)

    def to_json(self) -> bytes:
        """The manifest as a file has it."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest | None":
        """What ``to_json`` gave; None where it is something else."""
        try:
            body: dict[str, Any] = orjson.loads(data)
            return cls(**{**body, "counts": Counts(**body["counts"])})
        except (orjson.JSONDecodeError, TypeError, KeyError):
            return None


class PartFolder:
    """Files of one run. Whatever has its name is whole: it got it last."""

    def __init__(self, place: str | Path) -> None:
        """Use a folder or an address, made with the first file."""
        self.place = str(place) if is_address(str(place)) else str(Path(place).absolute())
        self._files, self._root = file_system(self.place if is_address(self.place) else Path(self.place).as_uri())
        self._local = not is_address(self.place)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Path to write a file at, which is in the folder under its name when this ends well.

        Raises:
            InputError: The folder cannot be written to.
        """
        try:
            if self._local:
                Path(self.place).mkdir(parents=True, exist_ok=True)
                path = Path(self.place) / f".{name}.{secrets.token_hex(4)}"
                try:
                    yield path
                    if path.exists():
                        path.replace(Path(self.place) / name)
                finally:
                    path.unlink(missing_ok=True)
                return
            with tempfile.TemporaryDirectory(prefix="nearclass-part-") as folder:
                path = Path(folder) / name
                yield path
                if path.exists():
                    self._files.makedirs(self._root, exist_ok=True)
                    self._files.put_file(str(path), self._path(name))  # an object is there as a whole or not at all
        except OSError as error:
            raise self._unusable(error) from error

    def take(self, file: Path, name: str) -> None:
        """Put a file of this machine into the folder.

        Raises:
            InputError: The folder cannot be written to.
        """
        with self.writing(name) as path:
            shutil.move(file, path)

    def remove(self, name: str) -> None:
        """Remove a file that is there."""
        self._files.rm_file(self._path(name))

    def open(self, name: str) -> BinaryIO:
        """A file, to be read and closed.

        Raises:
            InputError: It is not there.
        """
        try:
            stream: BinaryIO = self._files.open(self._path(name), "rb")
        except OSError as error:
            raise self._unusable(error) from error
        return stream

    def part(self, shard: Shard) -> str:
        """Name of the part of a shard."""
        return f"{_stem(shard)}.parquet"

    def rejects(self, shard: Shard) -> str:
        """Name of the file with the rejected rows of a shard."""
        return f"{_stem(shard)}.rejects.jsonl"

    def note(self, shard: Shard, manifest: Manifest) -> None:
        """Write a manifest: from now on the part is whole."""
        with self.writing(f"{_stem(shard)}.json") as path:
            path.write_bytes(manifest.to_json())

    def manifest(self, shard: Shard, recipe: str) -> Manifest | None:
        """The manifest of a shard, if its part was made in this way and is all there."""
        name = f"{_stem(shard)}.json"
        self._files.invalidate_cache()  # another process wrote it
        if not self._files.exists(self._path(name)):
            return None
        with self.open(name) as stream:
            found = Manifest.from_json(stream.read())
        same = found is not None and (found.layout, found.shard, found.recipe) == (LAYOUT, shard.digest, recipe)
        if found is None or not same or self._size(self.part(shard)) != found.size:
            return None
        return found if self._size(self.rejects(shard)) == found.rejects else None

    def forget(self, shard: Shard) -> None:
        """Remove what is there of a shard, its manifest first."""
        for name in (f"{_stem(shard)}.json", self.part(shard), self.rejects(shard)):
            if self._files.exists(self._path(name)):
                self._files.rm_file(self._path(name))

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        if self._local:
            shutil.rmtree(self.place, ignore_errors=True)
        elif self._files.exists(self._root):
            self._files.rm(self._root, recursive=True)

    def _size(self, name: str) -> int:
        """In bytes; 0 for a file that is not there."""
        path = self._path(name)
        return int(self._files.info(path)["size"]) if self._files.exists(path) else 0

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _unusable(self, error: OSError) -> InputError:
        reason = error.strerror or error
        hint = "Name a folder that every process can write to with --parts."
        return InputError(f"{display(self.place)}: cannot be used for parts: {reason}", hint=hint)


def _stem(shard: Shard) -> str:
    return f"{shard.number:06}"
