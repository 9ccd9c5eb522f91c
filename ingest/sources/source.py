"""One file or stream, as rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from .columns import Kind, kind_of
from .delimited import Layout, find_layout, merchant_layout, read_delimited
from .formats import choose_format
from .jsonl import read_json, read_jsonl
from .lines import read_lines
from .merchant_xml import check_feed, read_feed
from .origin import FileOrigin, Origin, RemoteOrigin
from .parquet import parquet_columns, read_parquet
from .rows import BadRow, DamagedStreamError, RawRow, clip
from .shopify import join_variants
from .text import Content

__all__ = ["Source"]


_Reader = Callable[[Content, int], Iterator[RawRow | BadRow]]
_READERS: Final[dict[str, _Reader]] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "parquet": read_parquet,
    "text": read_lines,
    "xml": read_feed,
}


class Source:
    """One file or stream, as rows.

    Attributes:
        name: File name, address without secrets, or ``<stdin>``.
        size: In bytes, as stored; None for a stream.
        identity: Digest of absolute name, size, time of change and first 64 KiB; empty for a stream.
        format: csv, tsv, jsonl, json, parquet, text or xml.
        kind: Whether it is a plain table, a Google Merchant feed or a Shopify product export.
        columns: Their names in csv, tsv and parquet, which say so before the first row.
        base: Full path or address of the folder that the file is in; empty for a stream.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        format: str | None = None,  # noqa: A002  the name of the option
        encoding: str | None = None,
    ) -> None:
        """Look at the beginning of an origin.

        Raises:
            InputError: It is not what it claims to be.
        """
        self._content = Content(origin, encoding)
        self._layout: Layout | None = None
        self.name = origin.name
        self.size: int | None = origin.size
        self.identity = origin.identity
        self.base = _base(origin)
        self.format: str = choose_format(self._content, format)
        self.kind: Kind = "table"
        self.columns: list[str] | None = None
        if self.format in {"csv", "tsv"}:
            self._layout = find_layout(self._content, "\t" if self.format == "tsv" else ",")
            self.columns = self._layout.columns
        elif self.format == "parquet":
            self.columns = parquet_columns(self._content)
        elif self.format == "xml":
            check_feed(self._content)
        self.kind = _kind(self.format, format, self.columns)
        if self._layout is not None and self.kind == "google_merchant":
            self._layout = merchant_layout(self._layout)
            self.columns = self._layout.columns

    @property
    def bytes_read(self) -> int:
        """How many bytes of the origin were read; compare with ``size``."""
        return self._content.bytes_read

    def rows(self, start: int = 0) -> Iterator[RawRow | BadRow]:
        """Yield the rows from this position on, good and bad, in the order of the source.

        Whatever is wrong with a row, or with the rest of the file, comes as a bad row.

        Raises:
            InputError: A stream is read a second time, or the file is gone.
        """
        try:
            yield from self._read(start)
        except DamagedStreamError as error:
            if error.position >= start:
                raw = clip(error.raw)
                yield BadRow(raw, self.name, error.line, error.position, error.code, error.message)

    def _read(self, start: int) -> Iterator[RawRow | BadRow]:
        if self._layout is None:
            return _READERS[self.format](self._content, start)
        if self.kind == "shopify_products":
            return join_variants(read_delimited(self._content, self._layout), self._layout.columns, start)
        return read_delimited(self._content, self._layout, start)


def _base(origin: Origin) -> str:
    if isinstance(origin, FileOrigin):
        return str(Path(origin.path).absolute().parent)
    return origin.name.rpartition("/")[0] if isinstance(origin, RemoteOrigin) else ""


def _kind(name: str, given: str | None, columns: list[str] | None) -> Kind:
    if given == "shopify":
        return "shopify_products"
    if given == "google" or name == "xml":
        return "google_merchant"
    return kind_of(columns or ()) if name in {"csv", "tsv"} else "table"
