"""Where the elements of a large JSON text begin and end, without parsing or holding it."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .rows import MAX_RAW_BYTES, MAX_ROW_BYTES

__all__ = ["Element", "ElementSplitter"]

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING_REST: Final = re.compile(_STRING[1:], re.DOTALL)
_NESTED: Final = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+", re.DOTALL)
_IN_LIST: Final = re.compile(rb'(?:[^"{}\[\],]++|' + _STRING + rb")*+", re.DOTALL)
_OUTSIDE: Final = re.compile(rb'(?:[^"{}\[\]\n]++|' + _STRING + rb")*+", re.DOTALL)
_BLANK: Final = b" \t\r\n"
_QUOTE, _COMMA, _NEWLINE, _OPEN_OBJECT, _OPEN_LIST, _CLOSE_LIST = b'",\n{[]'
_OPENING: Final = b"[{"


class Element(NamedTuple):
    """One element as text.

    Attributes:
        text: Its bytes, or the beginning of them.
        line: The line that it begins on, from 1.
        cut: Whether it was too long to be held.
    """

    text: bytes
    line: int
    cut: bool


class ElementSplitter:
    """Takes a JSON text in pieces; gives the elements of its list, or the values that follow one another.

    >>> splitter = ElementSplitter()
    >>> [element.text for piece in (b'[{"a":', b' "]"}, 2', b']') for element in splitter.feed(piece)]
    [b'{"a": "]"}', b'2']
    """

    def __init__(self, limit: int = MAX_ROW_BYTES) -> None:
        """Start before the text."""
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._newlines = 0
        self._line = 1
        self._depth = 0
        self._in_list = False
        self._in_string = False
        self._escaped = False

    @property
    def line(self) -> int:
        """The line that the element in hand begins on, or that the text has got to."""
        return self._line

    @property
    def open(self) -> bool:
        """Whether a list or a value has begun and not ended."""
        return self._in_list or bool(self._parts)

    @property
    def pending(self) -> bytes:
        """The beginning of the element in hand."""
        return b"".join(self._parts)[:MAX_RAW_BYTES]

    def feed(self, chunk: bytes) -> Iterator[Element]:
        """Yield the elements that end in this piece."""
        begin = pos = 0
        if self._in_string and (pos := self._end_string(chunk)) < 0:
            self._keep(chunk)
            return
        while (pos := self._skip(chunk, pos)) < len(chunk):
            char = chunk[pos]
            pos += 1
            if char == _QUOTE:
                self._begin_string(chunk, pos)
                break
            boundary = self._boundary(char)
            if boundary is not None:
                self._keep(chunk[begin : pos + boundary[0]])
                begin = pos + boundary[1]
                yield from self._take(even_empty=char == _COMMA)
        self._keep(chunk[begin:])

    def finish(self) -> Iterator[Element]:
        """Yield what only the end of the text ends: a number or a word outside of any list or object."""
        if not (self._in_list or self._depth or self._in_string):
            yield from self._take(even_empty=False)

    def _skip(self, chunk: bytes, pos: int) -> int:
        skip = _NESTED if self._depth else _IN_LIST if self._in_list else _OUTSIDE
        match = skip.match(chunk, pos)
        return match.end() if match else pos

    def _boundary(self, char: int) -> tuple[int, int] | None:
        """Return where an element ends and where the next begins, counted from after this character."""
        if self._depth:
            self._depth += 1 if char in _OPENING else -1
            return None if self._depth or self._in_list else (0, 0)
        if self._in_list:
            self._depth = int(char in _OPENING)
            self._in_list = char != _CLOSE_LIST
            return (-1, 0) if char in (_COMMA, _CLOSE_LIST) else None
        self._in_list = char == _OPEN_LIST
        self._depth = int(char == _OPEN_OBJECT)
        if char in _OPENING:
            return (-1, -self._depth)
        return (0, 0) if char == _NEWLINE else None

    def _begin_string(self, chunk: bytes, pos: int) -> None:
        self._in_string = True
        self._escaped = _ends_in_escape(chunk[pos:])

    def _end_string(self, chunk: bytes) -> int:
        match = _STRING_REST.match(chunk, int(self._escaped))
        if match is None:
            self._escaped = _ends_in_escape(chunk[int(self._escaped) :])
            return -1
        self._in_string = False
        return match.end()

    def _keep(self, data: bytes) -> None:
        if not self._parts:
            stripped = data.lstrip(_BLANK)
            self._line += data.count(b"\n", 0, len(data) - len(stripped))
            data = stripped
        if not data:
            return
        self._newlines += data.count(b"\n")
        if self._size <= self._limit:
            self._parts.append(data)
            self._size += len(data)
            if self._size > self._limit:
                self._parts = [self.pending]

    def _take(self, *, even_empty: bool) -> Iterator[Element]:
        text = b"".join(self._parts).rstrip(_BLANK)
        if even_empty or text not in {b"", b","}:
            yield Element(text, self._line, self._size > self._limit)
        self._line += self._newlines
        self._parts, self._size, self._newlines = [], 0, 0


def _ends_in_escape(text: bytes) -> bool:
    return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1
