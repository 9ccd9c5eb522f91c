"""Opening a file of classes, in any of the forms that taxonomies are published in."""

from collections.abc import Iterator
from dataclasses import replace

from ..errors import UsageError
from ..schemas.taxonomy import Taxonomy
from .class_mapping import open_mapping
from .published import parse_google, parse_shopify, sniff_taxonomy
from .sources import BadRow, RawRow, open_sources
from .taxonomy import ClassFile, read_classes
from .versions import Version, read_version

__all__ = ["open_classes", "open_version"]

_SNIFFED_LINES = 20


def open_classes(path: str, existing: Taxonomy, *, format: str | None = None) -> ClassFile:  # noqa: A002
    """The classes of a file, and the rows of it that are none.

    Raises:
        InputError: The file cannot be read.
    """
    rows, folder = _opened(path, format)
    return replace(read_classes(rows, existing), folder=folder)


def open_version(
    path: str,
    existing: Taxonomy,
    *,
    mapping: str | None = None,
    retire_missing: bool = False,
    format: str | None = None,  # noqa: A002 - the word of the option
) -> Version:
    """A new version of the classes that are there: a file of them, and one that says where old classes lead.

    Raises:
        InputError: A file cannot be read.
    """
    rows, folder = _opened(path, format)
    leads = [] if mapping is None else open_mapping(mapping)
    found = read_version(rows, existing, leads, retire_missing=retire_missing)
    return replace(found, file=replace(found.file, folder=folder))


def _opened(path: str, format: str | None) -> tuple[Iterator[RawRow | BadRow], str | None]:  # noqa: A002
    """The rows of a file of classes, and the folder it is in; standard input names pictures as a person does."""
    sources = list(open_sources([path], format=format))
    if len(sources) != 1:
        message = f"{path}: {len(sources)} files, and a taxonomy is one"
        raise UsageError(message, hint="Import one file after the other.")
    source = sources[0]
    if source.format != "text":
        return source.rows(), source.base or None
    lines = [str(row.values.get("text", "")) if isinstance(row, RawRow) else "" for row in source.rows()]
    parse = parse_shopify if sniff_taxonomy(lines[:_SNIFFED_LINES]) == "shopify" else parse_google
    return parse(lines, source.name), None
