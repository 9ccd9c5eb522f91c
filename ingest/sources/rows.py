"""What a source yields: rows as they were read, and rows that could not be read."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

__all__ = [
    "MAX_RAW_BYTES",
    "MAX_ROW_BYTES",
    "BadRow",
    "Code",
    "DamagedStreamError",
    "RawRow",
    "RowProblemError",
    "clip",
]

MAX_ROW_BYTES: Final = 16 << 20
"""A longer line, cell or element is rejected without being held in memory."""

MAX_RAW_BYTES: Final = 10_000
"""How much of a bad row is kept for whoever repairs it."""


class Code(StrEnum):
    """Why a row is bad: first what stops a reader, then what keeps a row from being an item."""

    BAD_JSON = "bad_json"
    NOT_AN_OBJECT = "not_an_object"
    RAGGED_ROW = "ragged_row"
    BAD_QUOTING = "bad_quoting"
    BAD_ENCODING = "bad_encoding"
    ROW_TOO_LARGE = "row_too_large"
    TRUNCATED_FILE = "truncated_file"
    DAMAGED_FILE = "damaged_file"

    MISSING_ID = "missing_id"
    BAD_ID = "bad_id"
    ID_TOO_LONG = "id_too_long"
    NO_CONTENT = "no_content"
    BAD_VALUE = "bad_value"
    TEXT_TOO_LARGE = "text_too_large"
    BAD_VECTOR = "bad_vector"


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as the source had it.

    Attributes:
        values: Column to value, as read.
        source: File name, address or ``<stdin>``.
        line: Line of the file that the row begins on, from 1; in Parquet the number of the row.
        position: Ordinal of the row within its source, good or bad, from 0.
        only_texts: Whether the source has no types, as CSV, so that a number is known by how it is written.
    """

    values: dict[str, Any]
    source: str
    line: int
    position: int
    only_texts: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read.

    Attributes:
        raw: The original row, at most 10 kB of it.
        source: File name, address or ``<stdin>``.
        line: Line of the file that the row begins on, from 1; in Parquet the number of the row.
        position: Ordinal of the row within its source, good or bad, from 0.
        code: Stable reason in snake_case, one of ``Code``.
        message: The reason in words.
    """

    raw: str | dict[str, Any]
    source: str
    line: int
    position: int
    code: str
    message: str


class RowProblemError(Exception):
    """One row cannot be used; the reader goes on with the next."""

    def __init__(self, code: Code, message: str) -> None:
        """Say why."""
        super().__init__(message)
        self.code = code.value
        self.message = message


class DamagedStreamError(Exception):
    """Nothing more can be read from a source; what came before stands.

    Attributes:
        code: Why.
        message: Why, in words.
        raw: What was being read.
        line: Where that begins.
        position: Ordinal of the row that was being read.
    """

    def __init__(self, code: Code, message: str) -> None:
        """Say why; whoever knows where says it later."""
        super().__init__(message)
        self.code = code.value
        self.message = message
        self.raw = b""
        self.line = 1
        self.position = 0


def clip(raw: bytes | str | dict[str, Any]) -> str | dict[str, Any]:
    r"""Return a row short enough to be kept: as it is, or the first 10 kB of its text.

    >>> clip(b"caf\xe9")
    'caf\\xe9'
    >>> len(clip("x" * 20_000))
    10000
    """
    if isinstance(raw, dict):
        text = _dump(raw)
        return clip(_outline(raw)) if text is None else raw if len(text) <= MAX_RAW_BYTES else clip(text)
    if isinstance(raw, str):
        raw = raw[:MAX_RAW_BYTES].encode("utf-8", "surrogatepass")
    return raw[:MAX_RAW_BYTES].decode("utf-8", "backslashreplace")


def _dump(values: dict[str, Any]) -> bytes | None:
    try:
        return orjson.dumps(values, default=repr, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, RecursionError):  # lone surrogates, integers over 64 bits, deep nesting
        pass
    try:
        return json.dumps(values, default=repr).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def _outline(values: dict[str, Any]) -> str:
    """Return what can be said of a row that JSON cannot hold."""
    try:
        return repr(values)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of more digits than Python prints
        return ", ".join(map(repr, values))
