"""From bytes to UTF-8 lines: unpacked, transcoded and split, in bounded memory."""

import codecs
import difflib
import zlib
from collections.abc import Iterator
from typing import Final

from ...errors import InputError
from .origin import Origin, read_some
from .rows import MAX_RAW_BYTES, MAX_ROW_BYTES, Code, DamagedStreamError

__all__ = ["UNDECODABLE", "Content", "CutLine", "check_encoding", "split_lines"]

UNDECODABLE: Final = "\ufdd0"
"""Stands for bytes that do not decode, where the text cannot be split before; never a character."""

_CHUNK: Final = 256 << 10
_PACKED_CHUNK: Final = 64 << 10
_GZIP: Final = b"\x1f\x8b"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SURROGATE: Final = "\udcff"  # UTF-8 does not allow it, so a line that holds one is rejected like any bad line
_COMMON: Final = (
    "utf-8",
    "latin-1",
    "cp1252",
    "utf-16",
    "iso-8859-15",
    "cp1251",
    "shift_jis",
    "gb18030",
    "big5",
)


class CutLine(bytes):
    """The beginning of a line that is too long to be held."""

    __slots__ = ()


class Content:
    """The text of an origin, as UTF-8 without a byte order mark.

    Attributes:
        origin: Where the bytes come from.
        packed: Whether they are gzip.
        codec: The encoding of the text.
        certain: Whether a byte order mark or the caller said so.
        bytes_read: How many bytes of the origin were read.
    """

    def __init__(self, origin: Origin, encoding: str | None = None) -> None:
        """Look at the first bytes of an origin."""
        self.origin = origin
        self.bytes_read = 0
        self.packed = origin.peek_line()[:2] == _GZIP
        self._bom, self.codec = _codec(self._unpacked_head(0), encoding)
        self.certain = bool(self._bom) or encoding is not None

    def raw_head(self) -> bytes:
        """Return the first line or more, unpacked but in the encoding of the origin."""
        return self._unpacked_head(0)

    def head(self, size: int = 0) -> bytes:
        """Return the first bytes of the text, at least one line, or up to ``size`` where it is given."""
        data = self._unpacked_head(size)[len(self._bom) :]
        return (
            data if self.codec == "utf-8" else b"".join(_transcode(iter([data]), self.codec, _SURROGATE, final=False))
        )

    def _unpacked_head(self, size: int) -> bytes:
        if not self.packed:
            return self.origin.peek(size) if size else self.origin.peek_line()
        size = size or _PACKED_CHUNK
        head = bytearray()
        try:
            for data in _unpack(iter([self.origin.peek(size)])):
                head += data
                if len(head) >= size:
                    break
        except DamagedStreamError:  # cut short by looking at the beginning only; reading finds real damage
            pass
        return bytes(head[:size])

    def raw_chunks(self) -> Iterator[bytes]:
        """Yield the bytes, unpacked but in the encoding of the origin.

        Raises:
            DamagedStreamError: The rest cannot be read.
        """
        chunks = self._stored_chunks()
        return _unpack(chunks) if self.packed else chunks

    def chunks(self) -> Iterator[bytes]:
        """Yield the text in pieces; what does not decode is not UTF-8 here either.

        Raises:
            DamagedStreamError: The rest cannot be read.
        """
        chunks = _without(self._bom, self.raw_chunks())
        return chunks if self.codec == "utf-8" else _transcode(chunks, self.codec, _SURROGATE)

    def replaced_chunks(self, codec: str, raw: Iterator[bytes]) -> Iterator[bytes]:
        """Yield raw pieces as valid UTF-8, with ``UNDECODABLE`` for what does not decode.

        Raises:
            DamagedStreamError: The rest cannot be read.
        """
        return _transcode(_without(self._bom, raw), codec, UNDECODABLE)

    def lines(self) -> Iterator[list[bytes]]:
        """Yield the lines of the text in batches, each line with its end.

        Raises:
            DamagedStreamError: The rest cannot be read.
        """
        return split_lines(self.chunks())

    def _stored_chunks(self) -> Iterator[bytes]:
        size = _PACKED_CHUNK if self.packed else _CHUNK
        self.bytes_read = 0
        with self.origin.open() as stream:
            while True:
                try:
                    data = read_some(stream, size)
                except Exception as error:  # every driver raises errors of its own
                    raise DamagedStreamError(Code.DAMAGED_FILE, f"reading stopped: {error}") from error
                if not data:
                    return
                self.bytes_read += len(data)
                yield data


def split_lines(chunks: Iterator[bytes], limit: int = MAX_ROW_BYTES) -> Iterator[list[bytes]]:
    r"""Yield lines in batches, each with its end: ``\n``, ``\r\n`` or ``\r``; a longer one is a ``CutLine``.

    >>> list(split_lines(iter([b"a\r", b"\nb\rc"])))
    [[b'a\r\n', b'b\r'], [b'c']]
    """
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            if b"\n" not in chunk and b"\r" not in chunk and not (parts and parts[-1].endswith(b"\r")):
                size += len(chunk)
                if size <= limit:
                    parts.append(chunk)
                else:
                    parts = [b"".join(parts)[:MAX_RAW_BYTES]]
                continue
            lines = b"".join([*parts, chunk]).splitlines(keepends=True)
            if size > limit or len(lines[0]) > limit:
                lines[0] = CutLine(lines[0][:MAX_RAW_BYTES])
            if len(chunk) > limit:  # else only the first can be too long
                lines = [CutLine(line[:MAX_RAW_BYTES]) if len(line) > limit else line for line in lines]
            parts = [] if lines[-1].endswith(b"\n") else [lines.pop()]
            size = sum(map(len, parts))
            if lines:
                yield lines
    except DamagedStreamError as error:
        error.raw = b"".join(parts)[:MAX_RAW_BYTES]
        raise
    if parts:
        yield [CutLine(b"".join(parts)[:MAX_RAW_BYTES]) if size > limit else b"".join(parts)]


def check_encoding(name: str) -> str:
    """Return the canonical name of an encoding of text.

    Raises:
        InputError: There is none of this name.
    """
    try:
        info = codecs.lookup(name)
        codecs.getincrementaldecoder(name)("strict").decode(b"a", final=False)
        usable = bool(getattr(info, "_is_text_encoding", True))
    except (LookupError, ValueError, TypeError):
        usable = False
    if not usable:
        near = difflib.get_close_matches(name.lower(), _COMMON, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"Well-known ones: {', '.join(_COMMON)}."
        message = f"unknown encoding {name!r}"
        raise InputError(message, hint=hint)
    return info.name


def _codec(head: bytes, encoding: str | None) -> tuple[bytes, str]:
    for bom, name in _BOMS:
        if head.startswith(bom):
            return bom, name
    if encoding is not None:
        return b"", check_encoding(encoding)
    start = head[:16]
    if len(start) == 16 and not any(start[1::2]) and all(start[::2]):
        return b"", "utf-16-le"
    if len(start) == 16 and not any(start[::2]) and all(start[1::2]):
        return b"", "utf-16-be"
    return b"", "utf-8"


def _without(bom: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    left = len(bom)
    for chunk in chunks:
        if left:
            rest = chunk[left:]
            left -= len(chunk) - len(rest)
            if rest:
                yield rest
        else:
            yield chunk


def _unpack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(31)
    fresh = True
    for chunk in chunks:
        data, full = chunk, False
        while data or full:
            if fresh and not data.startswith(_GZIP[: len(data)]):
                raise DamagedStreamError(Code.DAMAGED_FILE, "there are bytes after the end of the gzip data")
            try:
                out = member.decompress(data, _CHUNK)
            except zlib.error as error:
                raise DamagedStreamError(Code.DAMAGED_FILE, f"the gzip data is damaged: {error}") from error
            fresh, full, data = False, len(out) == _CHUNK, member.unconsumed_tail
            if out:
                yield out
            if member.eof:
                data, full = member.unused_data.lstrip(b"\0"), False
                member, fresh = zlib.decompressobj(31), True
    if not fresh:
        raise DamagedStreamError(Code.TRUNCATED_FILE, "the gzip data ends too early")


def _transcode(chunks: Iterator[bytes], codec: str, mark: str, *, final: bool = True) -> Iterator[bytes]:
    """Yield the text as UTF-8, with a mark for what does not decode."""
    name = f"nearclass.mark-{ord(mark):x}"
    codecs.register_error(name, lambda error: _marked(error, mark))
    decoder = codecs.getincrementaldecoder(codec)(name)
    first = True
    for chunk in chunks:
        text = decoder.decode(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text.encode("utf-8", "surrogatepass")
    if final and (text := decoder.decode(b"", final=True)):
        yield text.encode("utf-8", "surrogatepass")


def _marked(error: UnicodeError, mark: str) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return mark, error.end
