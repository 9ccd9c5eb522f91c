"""A run over shards: parts are made in any order by an engine, and stored here in the order of the shards."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from ...errors import InputError
from ..checkpoints import Checkpoints, Passed
from ..counts import Counts
from ..pending import ChunkResult, Pending
from ..rejects import RejectWriter, refused
from ..run import Progress
from .bulk import BulkImport
from .embedding import Recipe
from .engines import Engine
from .part_table import read_chunks
from .parts import Manifest, PartFolder
from .shard import Shard

__all__ = ["Putting", "ShardRun", "parts_in_order"]

_CHECKPOINT_ROWS: Final = 16_384
_CHECKPOINT_S: Final = 60.0
"""As in a run without shards: a flush stops all reading on the embedded engine, so it is rare."""

_COPIED_BYTES: Final = 1 << 20


class Putting(Protocol):
    """What a run asks of whoever stores its items."""

    def put(self, pending: Sequence[Pending]) -> ChunkResult:
        """Store made items."""
        ...

    def flush(self) -> None:
        """Return when everything stored so far is durable."""
        ...


class ShardRun:
    """Brings shards to the store; a run that was cut off goes on with the shards that are not done.

    Attributes:
        counts: What became of the rows so far.
        began: When the first part was begun, in seconds since 1970; infinite where none was.
    """

    def __init__(
        self,
        engine: Engine,
        recipe: Recipe,
        folder: PartFolder,
        checkpoints: Checkpoints,
        rejects: RejectWriter,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.counts = Counts()
        self.began = math.inf
        self._started = time.time()
        self._engine = engine
        self._recipe = recipe
        self._folder = folder
        self._checkpoints = checkpoints
        self._rejects = rejects
        self._on_progress = on_progress

    def run(self, shards: Sequence[Shard], writer: Putting) -> Counts:
        """Store the items of every shard, and return when all is durable."""
        passed = self._resumed(shards)
        stored: list[Shard] = []
        noted_at, rows = time.monotonic(), 0
        for shard, manifest in parts_in_order(self._engine, self._recipe, self._folder, shards[passed.count :]):
            self._store(shard, manifest, writer)
            self.progress(shard)
            stored.append(shard)
            passed, rows = passed.plus(shard.digest), rows + manifest.items
            if rows >= _CHECKPOINT_ROWS or time.monotonic() - noted_at > _CHECKPOINT_S:
                writer.flush()
                self._note(passed, stored)
                stored, noted_at, rows = [], time.monotonic(), 0
        writer.flush()
        self.finish()
        return self.counts

    def import_all(self, shards: Sequence[Shard], importing: BulkImport) -> Counts:
        """Import the items of every shard into an empty catalogue, and return when it reads them."""
        for shard, manifest in parts_in_order(self._engine, self._recipe, self._folder, shards):
            self.take(shard, manifest)
            self.counts.ok += manifest.items
            self.progress(shard)
        self.counts.duplicates += importing.run(self._engine, shards)
        self.finish()
        return self.counts

    def take(self, shard: Shard, manifest: Manifest) -> None:
        """Count what became of the rows of a shard so far, and keep those that were rejected."""
        self.counts = self.counts.plus(manifest.counts)
        if manifest.ready >= self._started:  # and not made by an earlier run
            self.began = min(self.began, manifest.ready)
        if manifest.rejects:
            with self._folder.open(self._folder.rejects(shard)) as stream:
                while data := stream.read(_COPIED_BYTES):
                    self._rejects.append(data)

    def progress(self, shard: Shard) -> None:
        """Tell where the run stands."""
        self._on_progress(Progress(shard.name, shard.size or 0, shard.size, self.counts))

    def finish(self) -> None:
        """All is durable: nothing is left to go on from."""
        self._checkpoints.clear()
        self._folder.clear()

    def _store(self, shard: Shard, manifest: Manifest, writer: Putting) -> None:
        self.take(shard, manifest)
        with self._folder.open(self._folder.part(shard)) as stream:
            for chunk in read_chunks(stream):
                result = writer.put(chunk)
                self.counts.add(result)
                for refusal in result.refusals:  # a picture that is gone since it was looked at
                    one = next(one for one in chunk if one.index == refusal.index)
                    self._rejects.write(replace(refused(one.item, refusal.code, refusal.message), source=shard.name))
                    self.counts.rejected += 1

    def _resumed(self, shards: Sequence[Shard]) -> Passed:
        """The shards that an earlier run has stored; none where these are others."""
        noted, passed = self._checkpoints.read(), Passed()
        if noted is None:
            return passed
        for shard in shards[: noted["done"]]:
            passed = passed.plus(shard.digest)
        if (passed.count, passed.digest) != (noted["done"], noted["passed"]):
            return Passed()
        counts = self._checkpoints.restore(noted)
        if counts is None:
            return Passed()
        self.counts = counts
        return passed

    def _note(self, passed: Passed, stored: Sequence[Shard]) -> None:
        self._checkpoints.note(None, 0, passed, self.counts)
        for shard in stored:
            self._folder.forget(shard)


def parts_in_order(
    engine: Engine, recipe: Recipe, folder: PartFolder, shards: Sequence[Shard]
) -> Iterator[tuple[Shard, Manifest]]:
    """Each shard with the manifest of its part, in order, as soon as it is there; those that are there are not made."""
    there = {shard.number: found for shard in shards if (found := folder.manifest(shard, recipe.digest)) is not None}
    waiting = iter(shards)
    shard = next(waiting, None)
    while shard is not None and shard.number in there:
        yield shard, there.pop(shard.number)
        shard = next(waiting, None)
    todo = [one for one in shards if shard is not None and one.number >= shard.number and one.number not in there]
    by_number = {one.number: one for one in todo}
    for number in engine.each(recipe, todo):
        made = folder.manifest(by_number[number], recipe.digest)
        if made is not None:
            there[number] = made
        while shard is not None and shard.number in there:
            yield shard, there.pop(shard.number)
            shard = next(waiting, None)
    if shard is not None:
        raise _missing(shard, folder)


def _missing(shard: Shard, folder: PartFolder) -> InputError:
    message = f"{shard.name}: its part is not in {folder.place}, although it was made"
    hint = "Every process must write to the same folder: name one that all machines share with --parts."
    return InputError(message, hint=hint)
