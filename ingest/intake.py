"""Rows of a source as chunks of items; what cannot be used goes to the rejects."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from ..errors import NearclassError
from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from .counts import Counts
from .pending import ChunkResult
from .rejects import RejectWriter
from .sources import BadRow, RawRow, Source
from .sources.mapping import RowMapper

__all__ = ["CHUNK_ROWS", "Chunk", "Intake"]

CHUNK_ROWS: Final = 1024
"""Rows that are embedded, searched and written at a time."""

_CHUNK_CHARS: Final = 8_000_000
"""A chunk ends early at this many characters, so that long texts do not add up in memory."""


@dataclass(slots=True)
class Chunk:
    """Good rows on their way to the writer, in the order of the source.

    Attributes:
        rows: The rows as read.
        items: What they were mapped to.
        confirmed: For each the id of the class that a person confirmed, or an empty text.
        position: Of the first row of the source that is behind them.
        chars: Of all texts together.
    """

    rows: list[RawRow] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    position: int = 0
    chars: int = 0

    def full(self) -> bool:
        """Whether no row more belongs in it."""
        return len(self.rows) >= CHUNK_ROWS or self.chars >= _CHUNK_CHARS


class Intake:
    """Takes in the rows of sources; ``counts`` has those that were read and rejected."""

    def __init__(
        self, taxonomy: Taxonomy, rejects: RejectWriter, counts: Counts, *, labels_are_confirmed: bool = False
    ) -> None:
        """Resolve labels by ``taxonomy``, and count in ``counts``."""
        self._taxonomy = taxonomy
        self._rejects = rejects
        self._counts = counts
        self._labels_are_confirmed = labels_are_confirmed

    def chunks(self, source: Source, mapper: RowMapper, start: int = 0) -> Iterator[Chunk]:
        """Every good row from this position on, in full chunks and a last one that may be empty."""
        chunk = Chunk(position=start)
        for row in source.rows(start):
            self._take(row, mapper, chunk)
            chunk.position = row.position + 1
            if chunk.full():
                yield chunk
                chunk = Chunk(position=chunk.position)
        yield chunk

    def refuse(self, chunk: Chunk, result: ChunkResult) -> None:
        """Reject the rows of a chunk whose items could not be stored."""
        for refusal in result.refusals:
            self._reject(_bad(chunk.rows[refusal.index], refusal.code, refusal.message))

    def _take(self, row: RawRow | BadRow, mapper: RowMapper, chunk: Chunk) -> None:
        self._counts.read += 1
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

    def _reject(self, row: BadRow) -> None:
        self._counts.rejected += 1
        self._rejects.write(row)


def _bad(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(row.values, row.source, row.line, row.position, code, message)


def _chars(item: Item) -> int:
    return sum(len(part) for part in (item.title, item.description, item.text) if part)
