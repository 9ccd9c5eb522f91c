"""Files that say which new classes the old ones of a taxonomy lead to.

Rows with ``old`` and ``new``, or what Shopify publishes with its taxonomy, as JSON and as text
(``dist/en/integrations`` of github.com/Shopify/product-taxonomy).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InputError, UsageError
from .published import SHOPIFY_GID
from .sources import BadRow, RawRow, open_sources
from .sources.rows import clip

__all__ = ["Lead", "open_mapping"]

Names = tuple[str, ...]
"""Ways in which a file names one class, the surest first: an id, a path."""

_OLD: Final = "→"
_NEW: Final = "⇒"
_GOOGLE_LINE: Final = re.compile(r"(\d+) - .+")


@dataclass(frozen=True, slots=True)
class Lead:
    """That an old class leads to new ones.

    Attributes:
        old: How the file names the old class.
        new: The same of each new class; none where the file says that there is none.
        row: The row, for whoever repairs it.
    """

    old: Names
    new: tuple[Names, ...]
    row: RawRow


def open_mapping(path: str) -> list[Lead | BadRow]:
    """The rows of a mapping file.

    Raises:
        InputError: The file cannot be read, or maps several taxonomies.
        UsageError: It is more than one file.
    """
    sources = list(open_sources([path]))
    if len(sources) != 1:
        message = f"{path}: {len(sources)} files, and a mapping is one"
        raise UsageError(message, hint="Name the file.")
    source = sources[0]
    if source.format == "text":
        return list(_published_text(source.rows()))
    return [lead for row in source.rows() for lead in _leads(row)]


def _leads(row: RawRow | BadRow) -> Iterator[Lead | BadRow]:
    if isinstance(row, RawRow) and "mappings" in row.values:
        yield from _published_json(row)
    elif isinstance(row, RawRow):
        yield _simple(row)
    else:
        yield row


def _simple(row: RawRow) -> Lead | BadRow:
    values = {str(key).strip().casefold(): value for key, value in row.values.items()}
    old = _cells(values.get("old"))
    if len(old) != 1:
        return _bad(row, "missing_id", "the row names no old class, in a column `old`")
    return Lead(_names(old[0]), tuple(_names(one) for one in _cells(values.get("new"))), row)


def _cells(value: Any) -> list[str]:
    """What a cell names: an id or a path, several between bars or as a list, or nothing."""
    listed = value if isinstance(value, list | tuple) else str("" if value is None else value).split("|")
    texts = (str(int(one)) if isinstance(one, float) and one.is_integer() else str(one).strip() for one in listed)
    return [text for text in texts if text]


def _names(text: str) -> Names:
    """The ways that a text may name a class: Shopify's long form of an id, Google's id before a path, or itself."""
    google = _GOOGLE_LINE.fullmatch(text)
    return (text.removeprefix(SHOPIFY_GID), *([google[1]] if google else []))


def _published_json(row: RawRow) -> Iterator[Lead | BadRow]:
    """The rules of a mapping as Shopify publishes it."""
    mappings = row.values["mappings"]
    if not isinstance(mappings, list) or len(mappings) != 1 or not isinstance(mappings[0], Mapping):
        count = len(mappings) if isinstance(mappings, list) else "no list of"
        message = f"{row.source}: {count} mappings, and one is needed"
        raise InputError(message, hint="Give the file from the one version to the other, such as ..._to_....json.")
    rules = mappings[0].get("rules")
    for position, rule in enumerate(rules if isinstance(rules, list) else []):
        values = rule if isinstance(rule, dict) else {"rule": rule}
        place = RawRow(values, row.source, row.line, position)
        old = _category(_inside(values.get("input")))
        outputs = _inside(values.get("output"))
        listed = outputs if isinstance(outputs, list) else [outputs]
        if old:
            yield Lead(old, tuple(filter(None, map(_category, listed))), place)
        else:
            yield _bad(place, "missing_id", "the rule names no old class")


def _inside(side: Any) -> Any:
    return side.get("category") if isinstance(side, Mapping) else None


def _category(value: Any) -> Names:
    if not isinstance(value, Mapping):
        return ()
    return tuple(name for one in (value.get("id"), value.get("full_name")) if one for name in _names(str(one)))


def _published_text(rows: Iterable[RawRow | BadRow]) -> Iterator[Lead | BadRow]:
    """Lines in pairs, ``→ old path`` and ``⇒ new path``; further lines of new paths belong to the same old one."""
    old: RawRow | None = None
    new: list[Names] = []
    for row in rows:
        text = str(row.values.get("text", "")).lstrip("\ufeff").strip() if isinstance(row, RawRow) else ""
        if isinstance(row, RawRow) and text.startswith(_OLD):
            yield from _pair(old, new)
            old, new = row, []
        elif old is not None and text.startswith(_NEW):
            new.append(_names(text.removeprefix(_NEW).strip()))
        elif isinstance(row, BadRow):
            yield row
        elif text and not text.startswith("#"):
            yield _bad(
                row, "bad_line", f"the line is not of the form '{_OLD} A > B' or, after such a line, '{_NEW} C > D'"
            )
    yield from _pair(old, new)


def _pair(old: RawRow | None, new: list[Names]) -> Iterator[Lead]:
    if old is not None:
        yield Lead(_names(str(old.values["text"]).lstrip("\ufeff").strip().removeprefix(_OLD).strip()), tuple(new), old)


def _bad(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(clip(row.values), row.source, row.line, row.position, code, message)
