"""JSON: one object a line, or a list of objects, or objects one after the other."""

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson

from .rows import BadRow, Code, DamagedStreamError, RawRow, RowProblemError, clip
from .splitter import Element, ElementSplitter
from .text import Content, CutLine

__all__ = ["parse_object", "read_json", "read_jsonl"]

_SMALLEST: Final = -(2.0**63)
_LARGEST: Final = 2.0**63
_TOO_LARGE: Final = "the row is over 16 MiB"


def read_jsonl(content: Content, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each line that is not blank."""
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
                if position < start:
                    continue
                try:
                    if type(line) is CutLine:
                        raise RowProblemError(Code.ROW_TOO_LARGE, _TOO_LARGE)  # noqa: TRY301  made bad below
                    yield RawRow(parse_object(line), source, number, position)
                except RowProblemError as problem:
                    yield BadRow(clip(line.rstrip()), source, number, position, problem.code, problem.message)
    except DamagedStreamError as error:
        error.line = number + 1
        error.position = position + 1
        raise


def read_json(content: Content, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each element of a list, or for each of the values that follow one another."""
    splitter = ElementSplitter()
    position = -1
    try:
        for element in _elements(content, splitter):
            position += 1
            if position >= start:
                yield _row(element, content.origin.name, position)
    except DamagedStreamError as error:
        error.raw = error.raw or splitter.pending
        error.line = splitter.line
        error.position = position + 1
        raise


def parse_object(text: bytes) -> dict[str, Any]:
    r"""Return a JSON object; NaN, lone surrogates, control characters and large integers are kept.

    >>> parse_object(b'{"id": 12345678901234567890123}')
    {'id': 12345678901234567890123}

    Raises:
        RowProblemError: It is not an object, not JSON, or not UTF-8.
    """
    try:
        value = orjson.loads(text)
        if type(value) is dict and any(map(_is_rounded, value.values())):
            value = _parse_slowly(text)
    except orjson.JSONDecodeError:
        value = _parse_slowly(text)
    except RecursionError:
        raise RowProblemError(Code.BAD_JSON, "the values are nested too deeply") from None
    if type(value) is not dict:
        kind = "null" if value is None else type(value).__name__
        raise RowProblemError(Code.NOT_AN_OBJECT, f'the row is a {kind}, not an object such as {{"id": ...}}')
    return value


def _is_rounded(value: Any) -> bool:
    """Return whether an integer of more than 64 bits may have become a float in here."""
    kind = type(value)
    if kind is float:
        return not _SMALLEST < value < _LARGEST
    if kind is list:
        return any(map(_is_rounded, value))
    return kind is dict and any(map(_is_rounded, value.values()))


def _parse_slowly(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8").removeprefix("\ufeff"), strict=False)
    except UnicodeDecodeError as error:
        raise undecodable(error) from None
    except RecursionError:
        raise RowProblemError(Code.BAD_JSON, "the values are nested too deeply") from None
    except ValueError as error:
        raise RowProblemError(Code.BAD_JSON, f"not JSON: {error}") from None


def undecodable(error: UnicodeDecodeError) -> RowProblemError:
    """Return the problem of a row that is not text in the encoding of its file."""
    byte = error.object[error.start]
    message = f"not valid UTF-8: byte 0x{byte:02x} at {error.start}; try --encoding latin-1"
    return RowProblemError(Code.BAD_ENCODING, message)


def _elements(content: Content, splitter: ElementSplitter) -> Iterator[Element]:
    for chunk in content.chunks():
        yield from splitter.feed(chunk)
    yield from splitter.finish()
    if splitter.open:
        raise DamagedStreamError(Code.TRUNCATED_FILE, "the file ends within a JSON value")


def _row(element: Element, source: str, position: int) -> RawRow | BadRow:
    try:
        if element.cut:
            raise RowProblemError(Code.ROW_TOO_LARGE, _TOO_LARGE)  # noqa: TRY301  made bad below
        return RawRow(parse_object(element.text), source, element.line, position)
    except RowProblemError as problem:
        return BadRow(clip(element.text), source, element.line, position, problem.code, problem.message)
