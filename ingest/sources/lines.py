"""Plain text: one text a line."""

from collections.abc import Iterator

from .jsonl import undecodable
from .rows import BadRow, Code, DamagedStreamError, RawRow, clip
from .text import Content, CutLine

__all__ = ["read_lines"]


def read_lines(content: Content, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield ``{"text": line}`` for each line that is not blank."""
    source = content.origin.name
    position = -1
    number = 0
    try:
        for lines in content.lines():
            for line in lines:
                number += 1
                if line.isspace():
                    continue
                position += 1
                if position >= start:
                    yield _row(line, source, number, position)
    except DamagedStreamError as error:
        error.line = number + 1
        error.position = position + 1
        raise


def _row(line: bytes, source: str, number: int, position: int) -> RawRow | BadRow:
    raw = line.rstrip(b"\r\n")
    if type(line) is CutLine:
        return BadRow(clip(raw), source, number, position, Code.ROW_TOO_LARGE, "the line is over 16 MiB")
    try:
        return RawRow({"text": raw.decode()}, source, number, position)
    except UnicodeDecodeError as error:
        problem = undecodable(error)
        return BadRow(clip(raw), source, number, position, problem.code, problem.message)
