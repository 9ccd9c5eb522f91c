"""Which column is which field of an item, and rows made into items by it."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import UsageError
from ...schemas.columns import OURS
from ...schemas.records import Item
from .address import is_address
from .columns import SYNONYMS, Kind, normalise
from .rows import BadRow, Code, RawRow, RowProblemError, clip
from .values import attribute, is_absent, name_list, number_or_text, text, truth, user_id, vector

__all__ = ["FIELDS", "ColumnMapping", "MappedRow", "RowMapper", "detect", "map_row"]

FIELDS: Final = ("id", "title", "description", "text", "image", "label", "labels", "oos", "vector")
_CONTENT: Final = ("title", "description", "text", "image")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column of a source is which field of an item.

    Attributes:
        fields: Field to column.
    """

    fields: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_flags(cls, flags: Iterable[str]) -> "ColumnMapping":
        """Return the mapping that was typed.

        >>> ColumnMapping.from_flags(["title=product_name"]).fields
        {'title': 'product_name'}

        Raises:
            UsageError: A flag is not ``field=column``, names an unknown field, or a field twice.
        """
        fields: dict[str, str] = {}
        for flag in flags:
            name, equals, column = flag.partition("=")
            name = name.strip().lower()
            if not equals or not column.strip():
                message = f"{flag!r} is not field=column"
                raise UsageError(message, hint="Write for example title=product_name.")
            _check_field(name)
            if name in fields:
                message = f"the field {name} is given two columns: {fields[name]!r} and {column!r}"
                raise UsageError(message)
            fields[name] = column
        return cls(fields)

    def to_dict(self) -> dict[str, str]:
        """Return the mapping as plain data."""
        return dict(self.fields)

    @classmethod
    def from_dict(cls, data: Mapping[str, str]) -> "ColumnMapping":
        """Return the mapping that ``to_dict`` gave.

        Raises:
            UsageError: A field is not known.
        """
        for name in data:
            _check_field(name)
        return cls(dict(data))

    def over(self, detected: "ColumnMapping") -> "ColumnMapping":
        """Return this mapping, and for what it leaves open the detected one; a column serves one field.

        >>> typed, found = ColumnMapping({"text": "name"}), ColumnMapping({"id": "id", "title": "name"})
        >>> typed.over(found).fields
        {'id': 'id', 'text': 'name'}
        """
        taken = set(self.fields.values())
        kept = {name: column for name, column in detected.fields.items() if column not in taken}
        return ColumnMapping({**kept, **self.fields})

    def check(self, columns: Iterable[str], source: str) -> None:
        """Refuse a column that the source does not have.

        Raises:
            UsageError: There is one.
        """
        known = list(columns)
        for name, column in self.fields.items():
            if column not in known:
                near = difflib.get_close_matches(column, known, 1)
                hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(map(repr, known[:20]))}."
                message = f"{source}: there is no column {column!r} for the field {name}"
                raise UsageError(message, hint=hint)


@dataclass(frozen=True, slots=True)
class MappedRow:
    """A row as an item.

    Attributes:
        item: The item.
        label: Classes that the source says it belongs to, any of which is right.
        oos: Whether the source says that it belongs to none.
    """

    item: Item
    label: tuple[str, ...] = ()
    oos: bool = False


def detect(columns: Iterable[str], kind: Kind = "table") -> ColumnMapping:
    """Return which columns are fields, by their names without case, blanks and punctuation.

    >>> detect(["Item ID", "Product Name", "colour"]).fields
    {'id': 'Item ID', 'title': 'Product Name'}
    """
    names: dict[str, str] = {}
    for column in columns:
        key = normalise(column)
        if key not in names or column == key:
            names[key] = column
    fields: dict[str, str] = {}
    for name, synonyms in SYNONYMS.items():
        wanted = ("handle", "url_handle", *synonyms) if name == "id" and kind == "shopify_products" else synonyms
        found = next((names.pop(synonym) for synonym in wanted if synonym in names), None)
        if found is not None:
            fields[name] = found
    return ColumnMapping(fields)


def map_row(
    row: RawRow, mapping: ColumnMapping, *, default_id: str | None = None, base: str = ""
) -> MappedRow | BadRow:
    """Return a row as an item; columns that are no field become attributes, empty ones and our own are left out.

    Attributes of a source that has only texts are numbers where they are plainly written as such.

    Args:
        row: The row as read.
        mapping: Which column is which field.
        default_id: The id of a row that has none; without it such a row is bad.
        base: Full path or address of the folder that the source is in, for its pictures; empty for a stream.
    """
    try:
        return _mapped(row, mapping.fields, default_id, base)
    except RowProblemError as problem:
        raw = clip(row.values)
        return BadRow(raw, row.source, row.line, row.position, problem.code, problem.message)


class RowMapper:
    """Maps rows that do not all have the same columns: each by the columns it has."""

    def __init__(self, kind: Kind = "table", given: ColumnMapping | None = None, base: str = "") -> None:
        """Start with what was typed, if anything was; ``base`` is where the source is, see ``map_row``."""
        self._kind = kind
        self._base = base
        self._given = given or ColumnMapping()
        self._known: dict[tuple[str, ...], ColumnMapping] = {}

    def mapping(self, columns: tuple[str, ...]) -> ColumnMapping:
        """Return the mapping for rows of these columns."""
        found = self._known.get(columns)
        if found is None:
            if len(self._known) >= 1024:
                self._known.clear()
            found = self._known[columns] = self._given.over(detect(columns, self._kind))
        return found

    def map(self, row: RawRow, *, default_id: str | None = None) -> MappedRow | BadRow:
        """Return a row as an item, or as bad; see ``map_row``."""
        return map_row(row, self.mapping(tuple(row.values)), default_id=default_id, base=self._base)


def _mapped(row: RawRow, fields: Mapping[str, str], default_id: str | None, base: str) -> MappedRow:
    values = row.values
    found = {name: values[column] for name, column in fields.items() if not is_absent(values.get(column))}
    name = user_id(found["id"]) if "id" in found else default_id
    if not name:
        raise RowProblemError(Code.MISSING_ID, f"there is no id{_where(fields, 'id')}")
    texts = {key: text(found[key], key) for key in _CONTENT if key in found}
    numbers = vector(found["vector"]) if "vector" in found else None
    if numbers is None and not any(texts.values()):
        raise RowProblemError(Code.NO_CONTENT, "none of title, description, text, image and vector holds anything")
    labels = [one for key in ("label", "labels") if key in found for one in name_list(found[key], key)]
    used = set(fields.values())
    known = number_or_text if row.only_texts else _as_it_is
    extra = {
        column if column.isascii() else attribute(column, "a column name"): attribute(known(value), column)
        for column, value in values.items()
        if column not in used and not column.startswith(OURS) and not is_absent(value)
    }
    folder = None
    if base and texts.get("image"):
        folder = None if is_address(base) else base
        texts["image"] = _beside(texts["image"], base) if is_address(base) else texts["image"]
    item = Item(id=name, vector=numbers, attributes=extra, folder=folder, **texts)
    return MappedRow(item, tuple(dict.fromkeys(labels)), "oos" in found and truth(found["oos"]))


def _beside(reference: str | None, base: str) -> str | None:
    """A reference of a file behind an address: what is no address itself is beside that file."""
    return reference if reference is None or is_address(reference) else f"{base}/{reference}"


def _as_it_is(value: Any) -> Any:
    return value


def _where(fields: Mapping[str, str], name: str) -> str:
    if name in fields:
        return f" in the column {fields[name]!r}"
    return f"; if a column has it under another name, type {name}=<column>"


def _check_field(name: str) -> None:
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        message = f"unknown field {name!r}"
        raise UsageError(message, hint=f"{hint}There are {', '.join(FIELDS)}.")
