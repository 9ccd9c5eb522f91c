"""The fields of a class row, read from whatever cells hold them."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Final

from ..schemas.records import ClassState
from ..schemas.specs import TEXT_FIELDS
from .sources.rows import RawRow

__all__ = ["Draft", "RefusedError", "fold", "read_columns", "read_draft", "read_rest"]

_SINGLE: Final = ("id", "name", "path", "parent", "parent_id", "description", "assignable", "label", "vector")
_COLUMNS: Final = frozenset({*TEXT_FIELDS, *_SINGLE})
_YES_NO: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_STATES: Final = {state.value: state for state in ClassState}


@dataclass(eq=False)
class RefusedError(Exception):
    """Why a row is no class: a code for programs, a message for people."""

    code: str
    message: str


@dataclass(slots=True)
class Draft:
    """A row whose fields are read and whose place is open; the path is empty where only a parent is given."""

    row: RawRow
    id: str | None
    name: str
    parent: str | None
    path: tuple[str, ...]
    rest: dict[str, Any] = field(default_factory=dict)


def fold(name: str) -> str:
    """A name as paths compare it: in small letters, with single spaces."""
    return " ".join(name.split()).casefold()


def read_draft(row: RawRow, fields: Mapping[str, Any]) -> Draft:
    """Where a class stands, from its known fields.

    Raises:
        RefusedError: It has no name, or its path does not end in it.
    """
    path = _path(fields.get("path"))
    parent = _text("parent", fields.get("parent_id", fields.get("parent")))
    name = _text("name", fields.get("name")) or (path[-1] if path else None)
    if name is None:
        raise RefusedError(code="missing_name", message="the row has neither a name nor a path")
    if parent is None and path and fold(path[-1]) != fold(name):
        ends = f"the path ends in {path[-1]!r} and the name is {name!r}"
        raise RefusedError(code="bad_path", message=f"{ends}; a path ends in the class itself")
    where = path or ((name,) if parent is None else ())
    return Draft(row, _text("id", fields.get("id")), name, parent, where)


def read_rest(fields: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of a class but where it stands, by the names of ``ClassSpec``.

    Raises:
        RefusedError: A field is not what it must be.
    """
    texts = {column: _texts(column, fields.get(column)) for column in TEXT_FIELDS}
    texts["descriptions"] = (*_sentence(fields.get("description")), *texts["descriptions"])
    return texts | {
        "vector": _vector(fields.get("vector")),
        "assignable": _boolean(fields.get("assignable", fields.get("label"))),
        "state": fields.get("state", ClassState.ACTIVE),
        "attributes": attributes,
    }


def read_columns(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Known fields by their name, and everything else; what is empty is in neither."""
    fields: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    for column, value in values.items():
        if _is_empty(value):
            continue
        known = re.sub(r"[\s-]+", "_", str(column).strip().casefold())
        if known == "attributes" and isinstance(parsed := _parsed(value, dict), dict):
            whole |= {str(key): _plain(inner) for key, inner in parsed.items()}
        elif known == "state" and str(value).strip().casefold() in _STATES:
            fields[known] = _STATES[str(value).strip().casefold()]
        elif known in _COLUMNS and known not in fields:
            fields[known] = value
        else:
            attributes[str(column)] = _plain(value)
    return fields, attributes | whole


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, Sequence | Mapping) and not value)


def _plain(value: object) -> object:
    """The value as JSON can hold it; Parquet has dates, decimals and bytes too."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def _parsed(value: object, kind: type[list[Any]] | type[dict[str, Any]] = list) -> object:
    """A list or an object that a cell of text holds as JSON; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parsed if isinstance(parsed, kind) else value
    return value


def _text(column: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RefusedError(code=f"bad_{column}", message=f"{column} is {_short(value)}, and not a text")
    return str(value).strip()


def _short(value: object) -> str:
    return repr(value)[:80]


def _sentence(value: object) -> tuple[str, ...]:
    value = _parsed(value)
    return _texts("description", value if isinstance(value, list | tuple) or value is None else [value])


def _texts(column: str, value: object) -> tuple[str, ...]:
    value = _parsed(value)
    if isinstance(value, str):
        value = [part.strip() for part in value.split("|")]
    if value is None:
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(
        entry if isinstance(entry, str) else _text(column, entry) or "" for entry in listed if not _is_empty(entry)
    )


def _path(value: object) -> tuple[str, ...]:
    value = _parsed(value)
    if value is None:
        return ()
    listed = value.split(">") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or any(_is_empty(name) for name in listed):
        raise RefusedError(code="bad_path", message=f"path is {_short(value)}, and not a list of names or 'A > B > C'")
    return tuple(_text("path", name) or "" for name in listed)


def _boolean(value: object) -> bool | None:
    if value is None:
        return None
    found = _YES_NO.get(str(_text("label", int(value) if isinstance(value, bool) else value)).casefold())
    if found is None:
        allowed = f"assignable (or label) is one of {', '.join(_YES_NO)}"
        raise RefusedError(
            code="bad_label", message=f"{_short(value)} does not say whether items may be assigned; {allowed}"
        )
    return found


def _vector(value: object) -> tuple[float, ...] | None:
    value = _parsed(value)
    if _is_empty(value):
        return None
    listed = value.split("|") if isinstance(value, str) else value
    try:
        vector = tuple(float(number) for number in listed) if isinstance(listed, Iterable) else ()
    except (TypeError, ValueError, OverflowError):
        vector = ()
    if not any(vector) or not all(math.isfinite(number) for number in vector):
        raise RefusedError(
            code="bad_vector",
            message=f"vector is {_short(value)}, and not finite numbers that are not all zero",
        )
    return vector
