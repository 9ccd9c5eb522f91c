"""From a part to the files that a server imports, in whatever process."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ...schemas.collections import CollectionSpec
from ...store.imports import write_import_files
from ..item_rows import row_of
from ..pending import Pending
from .part_table import read_chunks
from .parts import PartFolder
from .shard import Shard

__all__ = ["ImportFile", "ImportFiles", "ImportTask", "files_of", "rows_of"]


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file for the server.

    Attributes:
        kind: ``text`` or ``image``: the space that its rows belong to.
        name: In the folder for the server.
        rows: How many it has.
    """

    kind: str
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class ImportTask:
    """A part to be written as files.

    Attributes:
        shard: Whose part it is.
        without: Places of the rows that do not count, rising.
    """

    shard: Shard
    without: tuple[int, ...] = ()

    @property
    def number(self) -> int:
        """That of the shard."""
        return self.shard.number


@dataclass(frozen=True, slots=True)
class ImportFiles:
    """What it takes to write them; see ``engines.Work``.

    Attributes:
        parts: Folder or address of the parts.
        place: Folder or address that the server reads from.
        specs: Layout of the items by the kind of their space.
        now_ms: Time that the rows bear, in milliseconds since 1970.
    """

    parts: str
    place: str
    specs: Mapping[str, CollectionSpec]
    now_ms: int

    def worker(self, _threads: int | None) -> "ImportFiles":
        """Itself: nothing has to be loaded."""
        return self

    def warm_up(self) -> None:
        """Nothing has to be loaded."""

    def do(self, task: ImportTask) -> None:
        """Write the files of a part, and note which they are.

        Raises:
            InputError: A folder cannot be read or written.
            StoreError: A row does not fit.
        """
        parts, target = PartFolder(self.parts), PartFolder(self.place)
        written: list[ImportFile] = []
        for kind, spec in self.specs.items():
            with (
                parts.open(parts.part(task.shard)) as stream,
                tempfile.TemporaryDirectory(prefix="nearclass-import-") as folder,
            ):
                pages = rows_of(read_chunks(stream), task.without, kind, self.now_ms)
                for number, (file, rows) in enumerate(write_import_files(spec, pages, Path(folder))):
                    name = f"{task.number:06}-{kind}-{number}.parquet"
                    target.take(file, name)
                    written.append(ImportFile(kind, name, rows))
        with parts.writing(_note(task.shard)) as path:
            path.write_bytes(orjson.dumps([(one.kind, one.name, one.rows) for one in written]))


def files_of(parts: PartFolder, shard: Shard) -> list[ImportFile]:
    """The files that were written of a part."""
    with parts.open(_note(shard)) as stream:
        return [ImportFile(*one) for one in orjson.loads(stream.read())]


def rows_of(
    chunks: Iterator[list[Pending]], without: Sequence[int] | NDArray[np.int64], kind: str, now_ms: int
) -> Iterator[list[dict[str, Any]]]:
    """The rows that a space stores of made items, but for some, a chunk at a time.

    Args:
        chunks: The items of a part.
        without: Places of those that are left out.
        kind: ``text`` or ``image``.
        now_ms: Time that the rows bear.
    """
    left_out, place = {int(one) for one in without}, 0
    for chunk in chunks:
        kept = [one for at, one in enumerate(chunk, place) if at not in left_out]
        place += len(chunk)
        if kind == "text":
            yield [
                {**row_of(one, one.vector, one.content_hash, now_ms), **(one.answer or {})}
                for one in kept
                if one.vector is not None
            ]
        else:
            yield [
                {**row_of(one, one.picture, one.digest, now_ms), **(one.answer or {})}
                for one in kept
                if one.picture is not None
            ]


def _note(shard: Shard) -> str:
    return f"{shard.number:06}.import.json"
