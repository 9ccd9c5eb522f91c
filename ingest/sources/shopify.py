"""Shopify product exports: one product over several rows, descriptions in HTML."""

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from .columns import normalise
from .rows import BadRow, DamagedStreamError, RawRow

__all__ = ["html_text", "join_variants"]

_HTML_COLUMNS: Final = frozenset({"body_html", "description"})
_SKIPPED: Final = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
_BLOCK: Final = re.compile(r"<(?:br|/?p|/?div|/?li|/?ul|/?ol|/?tr|/?h[1-6])\b[^<>]*+>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[a-zA-Z!?][^<>]*+>")


def join_variants(rows: Iterator[RawRow | BadRow], columns: list[str], start: int = 0) -> Iterator[RawRow | BadRow]:
    """Yield one row for each run of rows with the same handle: the first, filled up from the others."""
    names = {normalise(column): column for column in columns}
    handle = names.get("handle") or names.get("url_handle") or ""
    bodies = [names[name] for name in sorted(_HTML_COLUMNS) if name in names]
    position = 0
    try:
        for row in _products(rows, handle):
            if position >= start:
                yield _placed(row, position, bodies)
            position += 1
    except DamagedStreamError as error:
        error.position = position
        raise


def _products(rows: Iterator[RawRow | BadRow], handle: str) -> Iterator[RawRow | BadRow]:
    product: RawRow | None = None
    try:
        for row in rows:
            if isinstance(row, BadRow):
                yield row
            elif product is not None and _continues(product, row, handle):
                _fill(product.values, row.values)
            else:
                if product is not None:
                    yield product
                product = row
    except DamagedStreamError:
        if product is not None:
            yield product
        raise
    if product is not None:
        yield product


def html_text(markup: str) -> str:
    r"""Return the text of a piece of HTML, in time linear in its length.

    >>> html_text("<p>Red &amp; <b>blue</b></p><script>x()</script><p>Size&nbsp;9</p>")
    'Red & blue\nSize 9'
    """
    for opening, closing in _SKIPPED:
        markup = _without(markup, opening, closing)
    text = html.unescape(_TAG.sub("", _BLOCK.sub("\n", markup))).replace("\xa0", " ")
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _continues(product: RawRow, row: RawRow, handle: str) -> bool:
    name = row.values.get(handle)
    return bool(name) and name == product.values.get(handle)


def _fill(product: dict[str, Any], variant: dict[str, Any]) -> None:
    for column, value in variant.items():
        if value and not product[column]:
            product[column] = value


def _placed(row: RawRow | BadRow, position: int, bodies: list[str]) -> RawRow | BadRow:
    if isinstance(row, BadRow):
        return BadRow(row.raw, row.source, row.line, position, row.code, row.message)
    values = {column: html_text(value) if column in bodies else value for column, value in row.values.items()}
    return RawRow(values, row.source, row.line, position, row.only_texts)


def _without(markup: str, opening: str, closing: str) -> str:
    lower = markup.lower()
    if len(lower) != len(markup):  # a few letters are longer in lower case
        lower = markup
    kept = []
    pos = 0
    while (begin := lower.find(opening, pos)) >= 0:
        end = lower.find(closing, begin)
        kept.append(markup[pos:begin])
        if end < 0:
            return "".join(kept)
        pos = end + len(closing)
    return "".join(kept) + markup[pos:]
