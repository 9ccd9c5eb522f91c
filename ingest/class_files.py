"""Opening a file of classes, in any of the forms that taxonomies are published in."""

from dataclasses import replace

from ..errors import UsageError
from ..schemas.taxonomy import Taxonomy
from .sources import RawRow, open_sources
from .taxonomy import ClassFile, parse_google, parse_shopify, read_classes, sniff_taxonomy

__all__ = ["open_classes"]

_SNIFFED_LINES = 20


def open_classes(path: str, existing: Taxonomy, *, format: str | None = None) -> ClassFile:  # noqa: A002
    """The classes of a file, and the rows of it that are none.

    Raises:
        InputError: The file cannot be read.
    """
    sources = list(open_sources([path], format=format))
    if len(sources) != 1:
        message = f"{path}: {len(sources)} files, and a taxonomy is one"
        raise UsageError(message, hint="Import one file after the other.")
    source = sources[0]
    folder = source.base or None  # standard input names pictures as a person does
    if source.format != "text":
        return replace(read_classes(source.rows(), existing), folder=folder)
    rows = list(source.rows())
    lines = [str(row.values.get("text", "")) if isinstance(row, RawRow) else "" for row in rows]
    kind = sniff_taxonomy(lines[:_SNIFFED_LINES])
    parse = parse_shopify if kind == "shopify" else parse_google
    return read_classes(parse(lines, source.name), existing)
