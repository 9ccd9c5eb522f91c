"""A run of the write path over sources: map, chunk, write, reject, checkpoint, report."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from ..store.state import Document, State
from .checkpoints import Checkpoints, Passed
from .counts import Counts
from .intake import CHUNK_ROWS, Intake
from .items import ChunkResult
from .rejects import RejectWriter, refused
from .sources import Source
from .sources.mapping import ColumnMapping, RowMapper

__all__ = [
    "Counts",
    "IngestRun",
    "Mappings",
    "Progress",
    "Writer",
    "copy_mappings",
    "run_items",
]

_CHECKPOINT_ROWS: Final = 16_384
_CHECKPOINT_S: Final = 60.0
"""Work that may have to be done again after a cut: a flush stops all reading on the embedded engine, so it is rare."""

_MAPPING: Final = "mapping"


class Writer(Protocol):
    """What a run asks of whoever writes its items."""

    def write(self, items: Sequence[Item], confirmed: Sequence[str] | None = None) -> ChunkResult:
        """Embed, assign and store items."""
        ...

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: the source, its bytes read and in all (None if unknown), and the counts so far."""

    source: str
    bytes_read: int
    bytes_total: int | None
    counts: Counts


class IngestRun:
    """Takes sources through the writer; a run that was cut off goes on where the last checkpoint was."""

    def __init__(
        self,
        writer: Writer,
        state: State,
        taxonomy: Taxonomy,
        rejects: RejectWriter,
        *,
        space: str,
        flags: Sequence[str] = (),
        labels_are_confirmed: bool = False,
        name: str = "",
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Write with ``writer``.

        Args:
            writer: Writes the items.
            state: Holds column mappings and the checkpoint.
            taxonomy: Resolves labels.
            rejects: Takes the rows that cannot be used.
            space: Name of the space, for remembered mappings.
            flags: Column mappings such as ``title=product_name``.
            labels_are_confirmed: Whether a label of a row counts as confirmed by a person.
            name: Identity of the run: what was asked for. A run of the same name continues from its checkpoint.
            on_progress: Called after each chunk.
        """
        self.counts = Counts()
        self._writer = writer
        self._taxonomy = taxonomy
        self._rejects = rejects
        self._mappings = Mappings(state, space, flags)
        self._labels_are_confirmed = labels_are_confirmed
        self._checkpoints = Checkpoints(state, rejects, (name, space, str(labels_are_confirmed), str(sorted(flags))))
        self._on_progress = on_progress

    def run(self, open_sources: Callable[[], Iterator[Source]]) -> Counts:
        """Take every source, and return when all is durable.

        Args:
            open_sources: Opens the sources from the first one; called again where a checkpoint does not fit them.
        """
        noted = self._checkpoints.read()
        if noted is None or not self._run_all(open_sources(), noted):
            self.counts = Counts()
            self._run_all(open_sources(), None)
        self._checkpoints.clear()
        return self.counts

    def _run_all(self, sources: Iterator[Source], resume: Mapping[str, Any] | None) -> bool:
        """Run from a checkpoint or the start; False if the sources are not those of the checkpoint."""
        passed = Passed()
        for number, source in enumerate(sources):
            start = 0
            if resume is not None and number < resume["done"]:
                passed = passed.plus(source.identity)
                continue
            if resume is not None and number == resume["done"]:
                same = passed.digest == resume["passed"] and source.identity == resume["current"]
                counts = self._checkpoints.restore(resume) if same else None
                if counts is None:
                    return False
                self.counts, start = counts, int(resume["position"])
            self._run_one(source, start, passed)
            passed = passed.plus(source.identity)
        return resume is None or passed.count > resume["done"]

    def _run_one(self, source: Source, start: int, passed: Passed) -> None:
        mapper = self._mappings.mapper(source)
        intake = Intake(self._taxonomy, self._rejects, self.counts, labels_are_confirmed=self._labels_are_confirmed)
        saved_at, saved_rows = time.monotonic(), start
        for chunk in intake.chunks(source, mapper, start):
            if chunk.rows:
                result = self._writer.write(chunk.items, chunk.confirmed)
                self.counts.add(result)
                intake.refuse(chunk, result)
            if not chunk.full():  # the last one
                break
            self._on_progress(Progress(source.name, source.bytes_read, source.size, self.counts))
            if chunk.position - saved_rows >= _CHECKPOINT_ROWS or time.monotonic() - saved_at > _CHECKPOINT_S:
                self._checkpoint(source, chunk.position, passed)
                saved_at, saved_rows = time.monotonic(), chunk.position
        self._writer.flush()
        self._on_progress(Progress(source.name, source.bytes_read, source.size, self.counts))

    def _checkpoint(self, source: Source, position: int, passed: Passed) -> None:
        if not source.identity:  # a stream cannot be taken up again
            return
        self._writer.flush()
        self._checkpoints.note(source, position, passed, self.counts)


class Mappings:
    """Column mappings of the sources of one space: as typed, which is remembered, or as remembered."""

    def __init__(self, state: State, space: str, flags: Sequence[str] = ()) -> None:
        """Take ``flags`` such as ``title=product_name`` for every source."""
        self._state = state
        self._space = space
        self._flags = ColumnMapping.from_flags(flags) if flags else None

    def given(self, source: Source) -> ColumnMapping | None:
        """What was typed for a source, now or before; None where its columns say all."""
        name = f"{self._space}:{source.name}"
        if self._flags is None:
            remembered = self._state.get(_MAPPING, name)
            return ColumnMapping.from_dict(remembered.body) if remembered else None
        if source.columns is not None:
            self._flags.check(source.columns, source.name)
        self._state.put(Document(_MAPPING, name, self._flags.to_dict()))
        return self._flags

    def mapper(self, source: Source) -> RowMapper:
        """Maps the rows of a source; what was not typed is detected."""
        return RowMapper(source.kind, self.given(source), source.base)


def run_items(writer: Writer, items: Sequence[Item], rejects: RejectWriter) -> Counts:
    """Take items that come from no file, and return when all is durable; there is no checkpoint to go on from."""
    counts = Counts()
    for start in range(0, len(items), CHUNK_ROWS):
        chunk = items[start : start + CHUNK_ROWS]
        result = writer.write(chunk)
        counts.read += len(chunk)
        counts.rejected += len(result.refusals)
        counts.add(result)
        for refusal in result.refusals:
            rejects.write(refused(chunk[refusal.index], refusal.code, refusal.message))
    writer.flush()
    return counts


def copy_mappings(state: State, old: str, new: str) -> None:
    """Remember the column mappings of one space for another."""
    found = [one for one in state.every(_MAPPING) if one.name.startswith(f"{old}:")]
    state.put(*(Document(_MAPPING, new + one.name.removeprefix(old), one.body) for one in found))
