"""Events of a catalogue, as a source writes them to a stream: JSON, one event a message.

    {"event": "item.upsert", "id": "sku-1", "version": 7, "item": {"title": "Kettle, 1.7 l"}}

``version`` counts the changes of one item or class where the data comes from: of two events with one id the one with
the greater version holds, in whatever order they arrive.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import orjson

from ...schemas.collections import MAX_ID_BYTES, MAX_TEXT_BYTES
from ...schemas.records import Item
from ...store.source_versions import Stamp
from ..sources.mapping import RowMapper
from ..sources.rows import BadRow, RawRow

__all__ = ["FORMAT", "BadEventError", "Event", "EventKind", "parse"]

FORMAT: Final = 1
"""Version of the form of events; another one is refused rather than misread."""

_MAX_VERSION: Final = 2**63 - 1
_KNOWN: Final = frozenset({"format", "event", "id", "version", "item", "class"})


class EventKind(StrEnum):
    """What happened to an item or a class."""

    ITEM_UPSERT = "item.upsert"
    ITEM_DELETE = "item.delete"
    CLASS_UPSERT = "class.upsert"
    CLASS_RETIRE = "class.retire"

    @property
    def of_class(self) -> bool:
        """Whether it is about a class."""
        return self in {EventKind.CLASS_UPSERT, EventKind.CLASS_RETIRE}

    @property
    def ends(self) -> bool:
        """Whether the item or class is gone after it."""
        return self in {EventKind.ITEM_DELETE, EventKind.CLASS_RETIRE}


class BadEventError(Exception):
    """A message is no event that can be used, now or ever.

    Attributes:
        code: Stable reason in snake_case.
        message: The reason in words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, eq=False)
class Event:
    """One change of one item or class.

    Attributes:
        kind: What happened.
        id: The id of the item or class.
        version: As the source counts.
        values: The item or class as a row; empty where it is gone.
        space: Name of a space of given vectors, for items; empty for texts and pictures.
    """

    kind: EventKind
    id: str
    version: int
    values: Mapping[str, Any] = field(default_factory=dict)
    space: str = ""

    @cached_property
    def body(self) -> str:
        """The event as JSON, in one form for one content."""
        key = "class" if self.kind.of_class else "item"
        whole = {"event": self.kind.value, "id": self.id, "version": self.version}
        made = whole if self.kind.ends else {**whole, key: dict(self.values)}
        return orjson.dumps(made, option=orjson.OPT_SORT_KEYS).decode()

    @cached_property
    def stamp(self) -> Stamp:
        """How new it makes what it is about."""
        scope = "class" if self.kind.of_class else f"item:{self.space}" if self.space else "item"
        digest = hashlib.sha256(self.body.encode()).hexdigest()[:32]
        return Stamp(scope, self.id, self.version, digest, self.kind.ends)

    @property
    def target(self) -> str:
        """Key of what it is about."""
        return self.stamp.target

    @property
    def order(self) -> tuple[int, str]:
        """What is greater is newer."""
        return self.stamp.order

    @cached_property
    def item(self) -> Item:
        """The item of an upsert.

        Raises:
            BadEventError: The row cannot be one.
        """
        made = RowMapper().map(RawRow({**self.values, "id": self.id}, "event", 1, 0))
        if isinstance(made, BadRow):
            raise BadEventError(made.code, made.message)
        if made.label:  # not trusted, but not lost either
            return replace(made.item, attributes={**made.item.attributes, "label": " | ".join(made.label)})
        return made.item


def parse(body: bytes, space: str = "") -> Event:
    """The event that a message holds.

    Args:
        body: The message.
        space: Name of the space of given vectors that its items are for.

    Raises:
        BadEventError: It is none, or says nothing that can be stored.

    >>> parse(b'{"event": "item.delete", "id": "sku-1", "version": 8}').stamp.deleted
    True
    """
    if len(body) > MAX_TEXT_BYTES:
        raise BadEventError("event_too_large", f"the message takes {len(body)} bytes, {MAX_TEXT_BYTES} are allowed")
    try:
        row = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadEventError("bad_json", f"the message is no JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadEventError("not_an_object", f"the message is a {type(row).__name__}, not an object")
    event = _event(row, space)
    try:
        size = len(event.body.encode())
    except (TypeError, ValueError, RecursionError) as error:  # a lone surrogate, or nested too deeply
        raise BadEventError("bad_value", f"the event cannot be written as JSON: {error}") from None
    if size > MAX_TEXT_BYTES:
        raise BadEventError("event_too_large", f"the event takes {size} bytes, {MAX_TEXT_BYTES} are allowed")
    if event.kind is EventKind.ITEM_UPSERT:
        _ = event.item  # fails here, where it is known to be the fault of the message
    return event


def _event(row: Mapping[str, Any], space: str) -> Event:
    form = row.get("format", FORMAT)
    if form != FORMAT or isinstance(form, bool):
        raise BadEventError("unknown_format", f"the format {form!r} of events is not known, only {FORMAT}")
    if unknown := sorted(row.keys() - _KNOWN):
        raise BadEventError("unknown_field", f"an event has no field {unknown[0]!r}; there are {sorted(_KNOWN)}")
    try:
        kind = EventKind(str(row.get("event")))
    except ValueError:
        every = ", ".join(EventKind)
        raise BadEventError("unknown_event", f"{row.get('event')!r} is no event; there are {every}") from None
    return Event(kind, _id(row), _version(row), _values(row, kind), "" if kind.of_class else space)


def _id(row: Mapping[str, Any]) -> str:
    found = row.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not found.strip():
        raise BadEventError("missing_id", f"the id of the event is {found!r}, not a text")
    if (size := len(found.encode())) > MAX_ID_BYTES:
        raise BadEventError("id_too_long", f"the id takes {size} bytes in UTF-8, {MAX_ID_BYTES} are allowed")
    return found


def _version(row: Mapping[str, Any]) -> int:
    found = row.get("version")
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _MAX_VERSION:
        message = f"the version of the event is {found!r}, not a whole number from 0 to {_MAX_VERSION}"
        raise BadEventError("bad_version", message)
    return found


def _values(row: Mapping[str, Any], kind: EventKind) -> Mapping[str, Any]:
    name, other = ("class", "item") if kind.of_class else ("item", "class")
    if other in row or (kind.ends and name in row):
        raise BadEventError("unknown_field", f"an event {kind.value} has no {other if other in row else name!r}")
    if kind.ends:
        return {}
    found = row.get(name)
    if not isinstance(found, dict) or not found:
        raise BadEventError("no_content", f"an event {kind.value} has its {name} as an object, not {found!r}")
    if found.get("id", row.get("id")) != row.get("id"):
        raise BadEventError("bad_id", f"the event is of {row.get('id')!r} and its {name} of {found.get('id')!r}")
    return {key: value for key, value in found.items() if key != "id"}
