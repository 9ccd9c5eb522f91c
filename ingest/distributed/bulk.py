"""The way of tens of millions: parts become files that the server imports by itself, into collections made for it.

Everything is checked there before an alias leads to it: that all rows came, and of some of them every field and that
they are found. Until then nobody sees anything of it, and after a cut it starts with new collections: an import that
was under way goes into one that is thrown away.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...errors import StoreError, UsageError
from ...schemas.filters import In
from ...store import Store
from ...store.imports import Imports
from ...store.names import next_version
from ...store.spaces import SpaceCollections
from ..sources.address import is_address
from .duplicates import Keys
from .engines import Engine
from .import_files import ImportFile, ImportFiles, ImportTask, files_of, rows_of
from .part_table import read_chunks, read_keys
from .parts import PartFolder
from .shard import Shard

__all__ = ["BulkImport", "BulkPlace"]

_JOBS_AT_ONCE: Final = 64
"""Jobs that are under way; a server queues 1,024 (``dataCoord.import.maxImportJobNum``)."""

_POLL_S: Final = 1.0
_SEEN_S: Final = 600.0
"""Patience until imported rows are counted: 2.3.5 took 15 s, during which it builds the index."""

_SAMPLED_PARTS: Final = 16
_SAMPLED_ROWS: Final = 64

_log = logging.getLogger("nearclass.ingest")


@dataclass(frozen=True, slots=True)
class BulkPlace:
    """Where files are put for the server.

    Attributes:
        place: A folder that the server reads, under the same path; or an address in its own bucket.
    """

    place: str

    def path(self, name: str) -> str:
        """What the server is told of a file: the key in its bucket, or the full path.

        >>> BulkPlace("s3://milvus-bucket/imports/shop").path("000001.parquet")
        'imports/shop/000001.parquet'
        """
        if not is_address(self.place):
            return f"{PartFolder(self.place).place}/{name}"
        _, _, rest = self.place.partition("://")
        _, _, prefix = rest.rstrip("/").partition("/")
        return f"{prefix}/{name}" if prefix else name


class BulkImport:
    """Imports parts into the empty collections of items of a catalogue."""

    def __init__(
        self,
        store: Store,
        places: Mapping[str, SpaceCollections],
        parts: PartFolder,
        target: BulkPlace,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Import to the collections of ``places``, by the kind of their space: ``text``, ``image``."""
        self._store = store
        self._places = places
        self._parts = parts
        self._target = target
        self._now_ms = now_ms

    def check(self) -> None:
        """Refuse where there are items already: an import would not see which of them it doubles.

        Raises:
            UsageError: There are.
        """
        for place in self._places.values():
            count = self._store.count(place.items) if self._store.resolve(place.items) else 0
            if count:
                message = f"a bulk import fills an empty catalogue, and this one has {count} items"
                raise UsageError(message, hint="Leave --bulk off, or name another --catalog.")

    def run(self, engine: Engine, shards: Sequence[Shard]) -> int:
        """Import the parts of shards, check what came, and let the catalogue read it; how many rows did not count.

        Args:
            engine: Writes the files.
            shards: The shards, in order; each part is there.

        Raises:
            UsageError: Items were stored meanwhile.
            StoreError: A job failed, or what came is not what was sent; the catalogue is as it was.
        """
        self.check()
        tasks = self._tasks(shards)
        now = self._now_ms()
        specs = {kind: place.specs[place.items] for kind, place in self._places.items()}
        place = PartFolder(self._target.place).place
        work = ImportFiles(self._parts.place, place, specs, now)
        for _ in engine.each(work, tasks):
            pass
        files = [file for shard in shards for file in files_of(self._parts, shard)]
        fresh = {kind: self._fresh(place) for kind, place in self._places.items()}
        self._import(files, fresh)
        for kind, name in fresh.items():
            self._verify(kind, name, sum(file.rows for file in files if file.kind == kind), tasks)
        self.check()  # once more, now that it has taken its time
        for kind, name in fresh.items():
            self._swap(self._places[kind].items, name)
        for file in files:
            with suppress(OSError):
                PartFolder(self._target.place).remove(file.name)
        return sum(len(task.without) for task in tasks)

    def _tasks(self, shards: Sequence[Shard]) -> list[ImportTask]:
        """Each shard, without the rows whose id comes again later."""
        keys, ends = Keys(), []
        total = 0
        for shard in shards:
            with self._parts.open(self._parts.part(shard)) as stream:
                for page in read_keys(stream):
                    keys.add(page)
                    total += len(page)
            ends.append(total)
        without = keys.superseded()
        starts = [0, *ends[:-1]]
        return [
            ImportTask(shard, tuple((without[(without >= start) & (without < end)] - start).tolist()))
            for shard, start, end in zip(shards, starts, ends, strict=True)
        ]

    def _fresh(self, place: SpaceCollections) -> str:
        """A new collection beside the one that is read; what an earlier attempt left in it is gone."""
        place.ensure(self._store)
        name = next_version(self._store.resolve(place.items) or place.items)
        self._store.drop(name)
        self._store.create(name, place.specs[place.items])
        return name

    def _import(self, files: Sequence[ImportFile], fresh: Mapping[str, str]) -> None:
        """One job for each file, some at a time."""
        imports, waiting = self._store.imports, list(reversed(files))
        running: dict[int, ImportFile] = {}
        while waiting or running:
            while waiting and len(running) < _JOBS_AT_ONCE:
                file = waiting.pop()
                running[imports.submit(fresh[file.kind], self._target.path(file.name))] = file
            for number in _finished(imports, running):
                del running[number]
                _log.info("imported; %d jobs are left", len(waiting) + len(running))
            if running:
                time.sleep(_POLL_S)

    def _verify(self, kind: str, name: str, wanted: int, tasks: Sequence[ImportTask]) -> None:
        """Compare the number of rows, and some of them field by field.

        Raises:
            StoreError: They differ.
        """
        deadline = time.monotonic() + _SEEN_S
        while (found := self._store.count(name)) != wanted and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if found != wanted:
            message = f"{name}: {wanted} rows were imported, and {found} are there"
            raise StoreError(message, hint="Run it again; what is embedded is kept.")
        spec = self._places[kind].specs[self._places[kind].items]
        fields = ("vector", *(field for field in spec.field_names if field != "updated_at"))
        for rows in self._sample(kind, tasks):
            there = {
                row["key"]: row
                for row in self._store.query(name, where=In("key", [row["key"] for row in rows]), fields=fields)
            }
            for row in rows:
                _compare(name, row, there.get(row["key"]), fields)
            best = self._store.search(name, np.stack([row["vector"] for row in rows]), 1)
            if any(not hits or hits[0].score < 0.99 for hits in best):  # itself, or one that is as near
                message = f"{name}: an imported row is not found by its own vector"
                raise StoreError(message, hint="`nearclass doctor` looks at the engine.")

    def _sample(self, kind: str, tasks: Sequence[ImportTask]) -> Iterator[list[dict[str, Any]]]:
        """Some rows of parts that are spread over all."""
        for at in np.unique(np.linspace(0, len(tasks) - 1, _SAMPLED_PARTS).astype(int)).tolist():
            task = tasks[at]
            with self._parts.open(self._parts.part(task.shard)) as stream:
                page = next((one for one in rows_of(read_chunks(stream), task.without, kind, 0) if one), [])
            if page:
                yield page[:: max(1, len(page) // _SAMPLED_ROWS)][:_SAMPLED_ROWS]

    def _swap(self, alias: str, name: str) -> None:
        before = self._store.resolve(alias)
        self._store.point(alias, name)
        if before is not None and before != name:
            self._store.drop(before)


def _finished(imports: Imports, running: Mapping[int, ImportFile]) -> list[int]:
    """Jobs that are done.

    Raises:
        StoreError: One failed.
    """
    done = []
    for number, file in running.items():
        job = imports.job(number)
        if job.failed:
            message = f"the server did not import {file.name}: {job.failed}"
            hint = "--bulk names the folder or the bucket that the server itself reads; run it again once it does."
            raise StoreError(message, hint=hint)
        if job.done:
            done.append(number)
    return done


def _compare(name: str, row: Mapping[str, Any], there: Mapping[str, Any] | None, fields: Sequence[str]) -> None:
    if there is None:
        message = f"{name}: the item {row['item_id']!r} was imported and is not there"
        raise StoreError(message, hint="Run it again; what is embedded is kept.")
    for field in fields:
        same = np.array_equal(row[field], there[field]) if field == "vector" else row[field] == there[field]
        if not same:
            message = f"{name}: {field} of the item {row['item_id']!r} is another one than was imported"
            raise StoreError(message, hint="Report it with the version of the server; nothing reads this collection.")
