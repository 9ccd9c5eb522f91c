"""Google Merchant feeds in RSS or Atom, an item at a time."""

import html.entities
import re
from collections.abc import Iterator
from typing import Final

from ...errors import InputError
from .merchant_item import ItemBuilder
from .rows import MAX_RAW_BYTES, MAX_ROW_BYTES, BadRow, Code, DamagedStreamError, RawRow, clip
from .text import Content, check_encoding

__all__ = ["check_feed", "read_feed"]

_ROOTS: Final = frozenset({"rss", "feed", "rdf", "channel"})
_ITEMS: Final = frozenset({"item", "entry"})
_PIECE: Final = 64 << 10
_MAX_TAG: Final = 4 << 20  # the parser begins a tag or a comment anew with every piece of it
_CONTROL: Final = bytes(32 if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))


def check_feed(content: Content) -> None:
    """Refuse XML that is something else than a feed.

    Raises:
        InputError: The outermost element is none of a feed, or its encoding is not known.
    """
    name = content.origin.name
    head = b"".join(content.replaced_chunks(_encoding(content), iter([content.raw_head()])))
    feed = _Feed()
    try:
        feed.parse(head)
    except DamagedStreamError as error:
        if feed.root is None:
            message = f"{name}: cannot be read as a product feed: {error}"
            raise InputError(message) from error
    if feed.root is not None and feed.root not in _ROOTS:
        message = f"{name}: is not a product feed: its outermost element is <{feed.root}>"
        raise InputError(message, hint="Feeds in RSS and Atom can be read; write anything else as CSV or JSONL.")


def read_feed(content: Content, start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each item or entry; names come without ``g:``, repeated ones as a list."""
    source = content.origin.name
    feed = _Feed()
    position = 0
    damage = None
    pieces = _pieces(content)
    while damage is None:
        try:
            piece = next(pieces, None)
            if piece is None:
                return
            feed.parse(piece, final=not piece)
        except DamagedStreamError as error:  # the items before it were read all the same
            damage = error
        for item in feed.take():
            if position >= start:
                yield _row(item, source, position)
            position += 1
    damage.line, damage.raw, damage.position = feed.line, feed.pending, position
    raise damage


def _row(item: ItemBuilder, source: str, position: int) -> RawRow | BadRow:
    if item.size > MAX_ROW_BYTES:
        code, message = Code.ROW_TOO_LARGE, "the item is over 16 MiB"
    elif item.undecodable:
        code, message = (
            Code.BAD_ENCODING,
            "a text is not valid in the encoding of the feed; try --encoding latin-1",
        )
    else:
        return RawRow(item.values, source, item.line, position)
    return BadRow(clip(item.values), source, item.line, position, code, message)


def _pieces(content: Content) -> Iterator[bytes]:
    """Yield the feed in small pieces, none of them empty but the last."""
    empty = True
    for chunk in content.replaced_chunks(_encoding(content), content.raw_chunks()):
        empty = empty and not chunk.strip()
        for begin in range(0, len(chunk), _PIECE):
            yield chunk[begin : begin + _PIECE]
    if not empty:
        yield b""


def _encoding(content: Content) -> str:
    """Return the encoding: by the byte order mark or the option, else as the first line declares."""
    if content.certain:
        return content.codec
    found = re.match(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", content.head()[:1024])
    declared = found[1].decode("ascii", "replace") if found else content.codec
    return content.codec if declared.lower().startswith("utf") else check_encoding(declared)


class _Feed:
    """Takes UTF-8 XML in pieces and collects the items that have ended."""

    def __init__(self) -> None:
        from xml.parsers import expat  # noqa: PLC0415  only where it is needed

        self.root: str | None = None
        self._error = expat.ExpatError
        self._parser = parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.UseForeignDTD(True)  # noqa: FBT003  unknown entities are told and no error
        parser.ExternalEntityRefHandler = lambda *_: 1
        parser.EntityDeclHandler = self._refuse
        parser.SkippedEntityHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._done: list[ItemBuilder] = []
        self._item: ItemBuilder | None = None
        self._fed = 0

    def parse(self, piece: bytes, *, final: bool = False) -> None:
        """Take another piece.

        Raises:
            DamagedStreamError: It is not well-formed, or declares entities.
        """
        try:
            self._parser.Parse(piece.translate(_CONTROL), final)
        except self._error as error:
            code = Code.TRUNCATED_FILE if final else Code.DAMAGED_FILE
            raise DamagedStreamError(code, f"the XML is not well-formed: {error}") from error
        self._fed += len(piece)
        if self._fed - self._parser.CurrentByteIndex > _MAX_TAG:
            raise DamagedStreamError(Code.DAMAGED_FILE, "one tag or comment is over 4 MiB")

    def take(self) -> list[ItemBuilder]:
        """Return the items that have ended since the last time."""
        done, self._done = self._done, []
        return done

    @property
    def line(self) -> int:
        """The line that the item in hand begins on, or that the feed has got to."""
        return self._item.line if self._item else self._parser.CurrentLineNumber

    @property
    def pending(self) -> bytes:
        """The beginning of the item in hand."""
        return repr(self._item.values).encode("utf-8", "replace")[:MAX_RAW_BYTES] if self._item else b""

    def _refuse(self, *_: object) -> None:
        raise DamagedStreamError(Code.DAMAGED_FILE, "the XML declares entities, which are not expanded for safety")

    def _entity(self, name: str, _parameter: bool) -> None:  # noqa: FBT001  the parser calls it
        self._text(html.entities.html5.get(f"{name};", f"&{name};"))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        self.root = self.root or name.lower()
        if self._item is not None:
            self._item.start(name, attributes)
        elif name in _ITEMS:
            self._item = ItemBuilder(self._parser.CurrentLineNumber)

    def _end(self, tag: str) -> None:
        if self._item is None:
            return
        space, _, name = tag.rpartition("}")
        if self._item.end(space, name):
            self._done.append(self._item)
            self._item = None

    def _text(self, text: str) -> None:
        if self._item is not None:
            self._item.text(text)
