"""Which format a source has: by option, by name, or by its first bytes."""

import difflib
import posixpath
import re
from typing import Final

from ...errors import InputError
from .columns import looks_like_header
from .text import Content

__all__ = ["FORMATS", "KNOWN_EXTENSIONS", "check_format", "choose_format", "has_known_extension"]

KNOWN_EXTENSIONS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
}

FORMATS: Final = ("csv", "tsv", "jsonl", "json", "parquet", "text", "xml", "google", "shopify")
_ALIASES: Final = {
    "ndjson": "jsonl",
    "txt": "text",
    "lines": "text",
    "merchant": "google",
    "rss": "xml",
    "pq": "parquet",
}
_FOREIGN: Final = {
    ".xlsx": "Save the sheet as CSV.",
    ".xls": "Save the sheet as CSV.",
    ".ods": "Save the sheet as CSV.",
    ".zip": "Unpack it first.",
    ".7z": "Unpack it first.",
    ".tar": "Unpack it first.",
    ".tgz": "Unpack it first.",
    ".bz2": "Unpack it first, or pack it with gzip.",
    ".xz": "Unpack it first, or pack it with gzip.",
    ".zst": "Unpack it first, or pack it with gzip.",
    ".arrow": "Write it as Parquet.",
    ".feather": "Write it as Parquet.",
    ".pkl": "Write it as Parquet or JSONL.",
}


def check_format(name: str) -> str:
    """Return the canonical name of a format.

    >>> check_format("NDJSON")
    'jsonl'

    Raises:
        InputError: There is none of this name.
    """
    key = name.strip().lower().lstrip(".")
    key = _ALIASES.get(key, key)
    if key not in FORMATS:
        near = difflib.get_close_matches(key, (*FORMATS, *_ALIASES), 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        message = f"unknown format {name!r}"
        raise InputError(message, hint=f"{hint}There are {', '.join(FORMATS)}.")
    return key


def has_known_extension(name: str) -> bool:
    """Return whether a file of this name is read when its folder is.

    >>> has_known_extension("a/items.jsonl.gz"), has_known_extension("a/items.py")
    (True, False)
    """
    return _extension(name) in KNOWN_EXTENSIONS


def choose_format(content: Content, given: str | None) -> str:
    """Return the format: the given one, else by the extension, else by the first bytes.

    Raises:
        InputError: None fits.
    """
    found = given or KNOWN_EXTENSIONS.get(_extension(content.origin.name), "") or _sniffed(content)
    if found == "google":
        found = "xml" if content.head().lstrip().startswith(b"<") else "tsv"
    if found == "json":
        return _json_format(content.head())
    if found == "jsonl" and content.head().lstrip()[:1] == b"[":
        return "json"
    return "csv" if found == "shopify" else found


def _extension(name: str) -> str:
    return posixpath.splitext(name.lower().removesuffix(".gz"))[1]


def _json_format(head: bytes) -> str:
    """Return jsonl where the first line is a whole object, for lines are the safer way to split."""
    first, end, _ = head.lstrip().partition(b"\n")
    first = first.strip()
    return "jsonl" if end and first[:1] == b"{" and first[-1:] == b"}" else "json"


def _sniffed(content: Content) -> str:
    raw = content.raw_head()
    head = content.head().lstrip()
    if raw.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"{", b"[")):
        return "json"
    if re.match(rb"<(\?xml|!--|!DOCTYPE|rss|feed|rdf:RDF|channel)\b", head, re.IGNORECASE):
        return "xml"
    first = head.splitlines()[0].decode("utf-8", "replace") if head else ""
    for delimiter, name in (("\t", "tsv"), (",", "csv"), (";", "csv")):
        if looks_like_header(first.split(delimiter)):
            return name
    if head and (content.origin.seekable or b"\0" in head[:1024]):
        raise _unknown(content.origin.name)
    return "text"


def _unknown(name: str) -> InputError:
    extension = _extension(name)
    hint = _FOREIGN.get(extension, f"Name it, as in --format text; there are {', '.join(FORMATS)}.")
    return InputError(f"{name}: neither the name nor the first bytes say which format this is", hint=hint)
