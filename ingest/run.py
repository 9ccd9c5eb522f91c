"""A run of the write path over sources: map, chunk, write, reject, checkpoint, report."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Protocol

from ..errors import InputError, NearclassError
from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from ..store.state import Document, State
from .items import ChunkResult
from .rejects import RejectWriter, refused
from .sources import BadRow, RawRow, Source
from .sources.mapping import ColumnMapping, RowMapper

__all__ = ["CHUNK_ROWS", "Counts", "IngestRun", "Progress", "Writer", "copy_mappings", "run_items"]

CHUNK_ROWS: Final = 1024
"""Rows that are embedded, searched and written at a time."""

_CHUNK_CHARS: Final = 8_000_000
"""A chunk ends early at this many characters, so that long texts do not add up in memory."""

_CHECKPOINT_ROWS: Final = 16_384
_CHECKPOINT_S: Final = 60.0
"""Work that may have to be done again after a cut: a flush stops all reading on the embedded engine, so it is rare."""

_CHECKPOINT: Final = "checkpoint"
_MAPPING: Final = "mapping"


class Writer(Protocol):
    """What a run asks of whoever writes its items."""

    def write(self, items: Sequence[Item], confirmed: Sequence[str] | None = None) -> ChunkResult:
        """Embed, assign and store items."""
        ...

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        ...


@dataclass(slots=True)
class Counts:
    """What became of the rows: ok + unchanged + rejected == read.

    Attributes:
        read: Rows of the sources, good and bad.
        ok: Stored, or replaced by a later row of the same id.
        unchanged: Stored before with the same content.
        rejected: Written to the rejects file with a reason.
        duplicates: Those of ``ok`` that a later row of the same chunk replaced.
        embedded: Texts that went through the encoder.
        pictures: Pictures that did.
        truncated: Texts that were longer than the encoder reads.
        reassigned: Those of ``unchanged`` that were answered anew, because the taxonomy has changed.
    """

    read: int = 0
    ok: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    embedded: int = 0
    truncated: int = 0
    reassigned: int = 0
    pictures: int = 0

    def add(self, result: ChunkResult) -> None:
        """Add what became of one chunk; its rows count as read already."""
        self.ok += result.ok
        self.unchanged += result.unchanged
        self.duplicates += result.duplicates
        self.embedded += result.embedded
        self.pictures += result.pictures
        self.truncated += result.truncated
        self.reassigned += result.reassigned


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: the source, its bytes read and in all (None if unknown), and the counts so far."""

    source: str
    bytes_read: int
    bytes_total: int | None
    counts: Counts


@dataclass(slots=True)
class _Chunk:
    """Good rows on their way to the writer, in the order of the source."""

    rows: list[RawRow] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    chars: int = 0

    def full(self) -> bool:
        return len(self.rows) >= CHUNK_ROWS or self.chars >= _CHUNK_CHARS


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
        self._state = state
        self._taxonomy = taxonomy
        self._rejects = rejects
        self._space = space
        self._flags = ColumnMapping.from_flags(flags) if flags else None
        self._labels_are_confirmed = labels_are_confirmed
        how = f"{name}\x1f{space}\x1f{rejects.path}\x1f{labels_are_confirmed}\x1f{sorted(flags)}"
        self._name = hashlib.sha256(how.encode("utf-8", "replace")).hexdigest()
        self._on_progress = on_progress

    def run(self, open_sources: Callable[[], Iterator[Source]]) -> Counts:
        """Take every source, and return when all is durable.

        Args:
            open_sources: Opens the sources from the first one; called again where a checkpoint does not fit them.
        """
        document = self._state.get(_CHECKPOINT, self._name)
        if document is None or not self._run_all(open_sources(), document.body):
            self.counts = Counts()
            self._run_all(open_sources(), None)
        self._rejects.flush()
        self._state.delete(_CHECKPOINT, [self._name])
        return self.counts

    def _run_all(self, sources: Iterator[Source], resume: Mapping[str, Any] | None) -> bool:
        """Run from a checkpoint or the start; False if the sources are not those of the checkpoint."""
        passed = _Passed()
        for number, source in enumerate(sources):
            start = 0
            if resume is not None and number < resume["done"]:
                passed = passed.plus(source)
                continue
            if resume is not None and number == resume["done"]:
                same = passed.digest == resume["passed"] and source.identity == resume["current"]
                if not same or not self._restore(resume):
                    return False
                start = int(resume["position"])
            self._run_one(source, start, passed)
            passed = passed.plus(source)
        return resume is None or passed.count > resume["done"]

    def _restore(self, resume: Mapping[str, Any]) -> bool:
        """Take up the counts and the rejects file of an earlier run; False where that file is gone."""
        try:
            self._rejects.resume(int(resume["rejects_offset"]))
        except InputError:
            return False
        self.counts = Counts(**resume["counts"])
        return True

    def _run_one(self, source: Source, start: int, passed: "_Passed") -> None:
        mapper = self._mapper(source)
        chunk, position = _Chunk(), start
        saved_at, saved_rows = time.monotonic(), start
        for row in source.rows(start):
            self._take(row, mapper, chunk)
            position = row.position + 1
            if not chunk.full():
                continue
            self._write(chunk)
            chunk = _Chunk()
            self._on_progress(Progress(source.name, source.bytes_read, source.size, self.counts))
            if position - saved_rows >= _CHECKPOINT_ROWS or time.monotonic() - saved_at > _CHECKPOINT_S:
                self._checkpoint(source, position, passed)
                saved_at, saved_rows = time.monotonic(), position
        self._write(chunk)
        self._writer.flush()
        self._on_progress(Progress(source.name, source.bytes_read, source.size, self.counts))

    def _take(self, row: RawRow | BadRow, mapper: RowMapper, chunk: _Chunk) -> None:
        self.counts.read += 1
        if isinstance(row, BadRow):
            self._reject(row)
            return
        mapped = mapper.map(row)
        if isinstance(mapped, BadRow):
            self._reject(mapped)
            return
        confirmed = ""
        item = mapped.item
        if mapped.label and self._labels_are_confirmed:
            try:
                confirmed = self._taxonomy.find(mapped.label[0]).id
            except NearclassError as error:
                self._reject(_bad(row, "unknown_label", error.message))
                return
        elif mapped.label:
            # Not trusted, but not lost either.
            item = replace(item, attributes={**item.attributes, "label": " | ".join(mapped.label)})
        chunk.rows.append(row)
        chunk.items.append(item)
        chunk.confirmed.append(confirmed)
        chunk.chars += _chars(item)

    def _write(self, chunk: _Chunk) -> None:
        if not chunk.rows:
            return
        result = self._writer.write(chunk.items, chunk.confirmed)
        self.counts.add(result)
        for refusal in result.refusals:
            self._reject(_bad(chunk.rows[refusal.index], refusal.code, refusal.message))

    def _reject(self, row: BadRow) -> None:
        self.counts.rejected += 1
        self._rejects.write(row)

    def _mapper(self, source: Source) -> RowMapper:
        """Column mapping from flags, else as remembered for this source; what they leave open is detected."""
        name = f"{self._space}:{source.name}"
        given = self._flags
        if given is not None:
            if source.columns is not None:
                given.check(source.columns, source.name)
            self._state.put(Document(_MAPPING, name, given.to_dict()))
        else:
            remembered = self._state.get(_MAPPING, name)
            given = ColumnMapping.from_dict(remembered.body) if remembered else None
        return RowMapper(source.kind, given, source.base)

    def _checkpoint(self, source: Source, position: int, passed: "_Passed") -> None:
        if not source.identity:  # a stream cannot be taken up again
            return
        self._writer.flush()
        self._rejects.flush()
        body = {
            "done": passed.count,
            "passed": passed.digest,
            "current": source.identity,
            "source": source.name,
            "position": position,
            "counts": asdict(self.counts),
            "rejects_offset": self._rejects.offset,
        }
        self._state.put(Document(_CHECKPOINT, self._name, body))


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


@dataclass(frozen=True, slots=True)
class _Passed:
    """The sources that are done, as their number and a digest of what they were."""

    count: int = 0
    digest: str = ""

    def plus(self, source: Source) -> "_Passed":
        framed = f"{self.digest}\x1f{source.identity}"
        return _Passed(self.count + 1, hashlib.sha256(framed.encode()).hexdigest())


def _bad(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(row.values, row.source, row.line, row.position, code, message)


def _chars(item: Item) -> int:
    return sum(len(part) for part in (item.title, item.description, item.text) if part)
