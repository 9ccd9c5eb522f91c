"""Comma- and tab-separated tables."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from ...errors import InputError
from .columns import MERCHANT_COLUMNS, normalise
from .jsonl import undecodable
from .rows import MAX_ROW_BYTES, BadRow, Code, DamagedStreamError, RawRow, RowProblemError, clip
from .text import Content, CutLine, split_lines

__all__ = ["Layout", "find_layout", "merchant_layout", "read_delimited"]

_MAX_RETRIED: Final = 64 << 20
"""How many bytes are parsed again in search of the row after a broken one, before that is given up."""

_DELIMITERS: Final = ",\t;|"
_Record = tuple[int, list[str], RowProblemError | None]


class Layout(NamedTuple):
    """How a table is laid out.

    Attributes:
        columns: Their names; none for an empty file.
        delimiter: Between the fields.
        skipped: Lines before the header.
    """

    columns: list[str]
    delimiter: str
    skipped: int


def find_layout(content: Content, delimiter: str) -> Layout:
    """Return the columns and the delimiter, found where the header does not have the usual one.

    Raises:
        InputError: The header cannot be read, or names a column twice.
    """
    head = content.head()
    for size in (1 << 20, 2 * MAX_ROW_BYTES, 0):
        chosen, skipped = _delimiter(head, delimiter)
        table = _Table(iter(split_lines(iter([head]))), chosen, skipped)
        _, cells, problem = next(table.records(), (0, [], None))
        if problem is None and (head.endswith((b"\n", b"\r")) or table.has_more()):
            break
        longer = content.head(size)
        if len(longer) <= len(head):
            break
        head = longer
    if problem is not None:
        message = f"{content.origin.name}: the header cannot be read: {problem}"
        raise InputError(message, hint="The first line has to name the columns.")
    return Layout(_names(cells, content.origin.name), chosen, skipped)


def merchant_layout(layout: Layout) -> Layout:
    """Return the layout with the columns of Google Merchant named as they are in the specification.

    >>> merchant_layout(Layout(["id", "image link", "My Column"], ",", 0)).columns
    ['id', 'image_link', 'My Column']
    """
    renamed = [normalise(name) if normalise(name) in MERCHANT_COLUMNS else name for name in layout.columns]
    return layout._replace(columns=renamed) if len(set(renamed)) == len(renamed) else layout


def read_delimited(content: Content, layout: Layout, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each record after the header; it is bad if it has more or fewer fields."""
    source, columns, width = content.origin.name, layout.columns, len(layout.columns)
    table = _Table(content.lines(), layout.delimiter, layout.skipped)
    position = -1
    try:
        records = table.records()
        next(records, None)
        table.width = width
        for line, cells, problem in records:
            position += 1
            if position < start:
                continue
            if problem is None and len(cells) == width:
                yield RawRow(dict(zip(columns, cells, strict=True)), source, line, position, only_texts=True)
            else:
                code, message = (Code.RAGGED_ROW.value, f"{len(cells)} fields where the header has {width}")
                if problem is not None:
                    code, message = problem.code, problem.message
                yield BadRow(clip(table.raw().rstrip()), source, line, position, code, message)
    except DamagedStreamError as error:
        error.line = table.line
        error.position = position + 1
        error.raw = table.raw() + error.raw
        raise


class _Table:
    """Lines to records; as an iterator it feeds the csv module, and remembers the lines of a record."""

    def __init__(self, batches: Iterator[list[bytes]], delimiter: str, skipped: int) -> None:
        self.width = -1
        self.line = 1 + skipped
        self._lines = chain.from_iterable(batches)
        for _ in range(skipped):
            next(self._lines, None)
        self._delimiter = delimiter
        self._again: deque[bytes] = deque()
        self._taken: list[bytes] = []
        self._size = 0
        self._retried = 0
        self._problem: RowProblemError | None = None

    def __iter__(self) -> "_Table":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._size += len(line)
        if self._size > MAX_ROW_BYTES or type(line) is CutLine:
            raise RowProblemError(Code.ROW_TOO_LARGE, "the row is over 16 MiB")
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self._problem = undecodable(error)
            return line.decode("utf-8", "replace")

    def records(self) -> Iterator[_Record]:
        """Yield the line, the fields and the problem of each record that is not blank."""
        if csv.field_size_limit() < MAX_ROW_BYTES:
            csv.field_size_limit(MAX_ROW_BYTES)
        reader = csv.reader(self, delimiter=self._delimiter, strict=True)
        while True:
            try:
                cells = next(reader)
                problem = self._problem
            except StopIteration:
                return
            except (csv.Error, RowProblemError) as error:
                cells, problem = self._recover(error)
            if problem is not None or len(cells) > 1 or (cells and (self.width == 1 or cells[0].strip())):
                yield self.line, cells, problem
            self.line += len(self._taken)
            self._taken.clear()
            self._size = 0
            self._problem = None

    def raw(self) -> bytes:
        """Return the lines of the record in hand."""
        return b"".join(self._taken)

    def has_more(self) -> bool:
        """Return whether there is another line."""
        return bool(self._again) or next(self._lines, None) is not None

    def _recover(self, error: Exception) -> tuple[list[str], RowProblemError | None]:
        """Give up the first line of a broken record only: the rows after a stray quote are not to be lost."""
        first, rest = self._taken[0], self._taken[1:]
        many = bool(rest) and self._retried + self._size <= _MAX_RETRIED
        if many:
            self._retried += self._size
            self._again.extendleft(reversed(rest))
            self._taken = [first]
        if isinstance(error, csv.Error) and self._delimiter == "\t" and len(self._taken) == 1:
            cells = first.decode("utf-8", "replace").rstrip("\r\n").split("\t")
            if len(cells) == self.width and self._problem is None:
                return cells, None
        if isinstance(error, RowProblemError) and not rest:
            return [], error
        reason = "a quote that opens on this line is not closed" if rest else str(error)
        return [], RowProblemError(Code.BAD_QUOTING, reason)


def _delimiter(head: bytes, usual: str) -> tuple[str, int]:
    lines = head.lstrip(b"\r\n").splitlines()
    first = lines[0].decode("utf-8", "replace") if lines else ""
    if match := re.fullmatch(r'"?sep=(.)"?', first.strip("\r\n"), re.IGNORECASE):
        return match[1], len(head) - len(head.lstrip(b"\r\n")) + 1
    if usual in first:
        return usual, 0
    best = max(_DELIMITERS, key=first.count)
    return (best if first.count(best) else usual), 0


def _names(cells: list[str], source: str) -> list[str]:
    names = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, start=1)]
    for name in names:
        if names.count(name) > 1:
            message = f"{source}: the header names the column {name!r} more than once"
            raise InputError(message, hint="Rename one of the two in the first line of the file.")
    return names
