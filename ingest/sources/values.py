"""Values of any source as the values an item may hold."""

import base64
import contextlib
import datetime as dt
import decimal
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

import orjson

from .rows import Code, RowProblemError

__all__ = [
    "MAX_ID_BYTES",
    "MAX_TEXT_BYTES",
    "attribute",
    "is_absent",
    "name_list",
    "number_or_text",
    "text",
    "truth",
    "user_id",
    "vector",
]

MAX_ID_BYTES: Final = 512
MAX_TEXT_BYTES: Final = 4 << 20
_MAX_DEPTH: Final = 64
_EXACT: Final = 2.0**53
_MAX_DIGITS: Final = 1000
_MAX_EXACT_DIGITS: Final = 15
"""Every decimal number of so many digits comes back from a 64-bit float as it was (C++ ``DBL_DIG``)."""

_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BAD_IN_ID: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def is_absent(value: Any) -> bool:
    r"""Return whether a field holds nothing.

    >>> is_absent(None), is_absent(" \t"), is_absent([]), is_absent(0)
    (True, True, True, False)
    """
    if value is None:
        return True
    if isinstance(value, (str, bytes)):
        return not value or value.isspace()
    return hasattr(value, "__len__") and getattr(value, "shape", None) != () and len(value) == 0


def user_id(value: Any) -> str:
    """Return an id as a string, without the blanks around it.

    >>> user_id(" sku-1 "), user_id(7), user_id(7.0)
    ('sku-1', '7', '7')

    Raises:
        RowProblemError: ``bad_id`` or ``id_too_long``.
    """
    value = _plain(value)
    if isinstance(value, str):
        name = value.strip()
        if bad := _BAD_IN_ID.search(name):
            raise RowProblemError(Code.BAD_ID, f"the id {name[:80]!r} contains the character U+{ord(bad[0]):04X}")
    else:
        name = _number_id(value)
    if len(name) > MAX_ID_BYTES or len(name.encode()) > MAX_ID_BYTES:
        raise RowProblemError(Code.ID_TOO_LONG, f"the id is {len(name.encode())} bytes long; at most {MAX_ID_BYTES}")
    return name


def _number_id(value: Any) -> str:
    if type(value) is int:
        if value.bit_length() > 8 * MAX_ID_BYTES:
            raise RowProblemError(Code.ID_TOO_LONG, f"the id is a number of {value.bit_length()} bits")
        return str(value)
    if type(value) is float and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    reason = f"the id is the {type(value).__name__} {str(value)[:80]}; it has to be a text or an integer"
    if type(value) is float and abs(value) >= _EXACT:
        reason = f"the id {value!r} is a float that has lost digits; write it as a text"
    raise RowProblemError(Code.BAD_ID, reason)


def text(value: Any, field: str) -> str | None:
    r"""Return a text without control characters and lone surrogates, or None where nothing is left.

    >>> text("red\x00shoe", "title"), text(42, "title"), text("\x00", "title")
    ('red shoe', '42', None)

    Raises:
        RowProblemError: ``bad_value`` or ``text_too_large``.
    """
    plain = _plain(value)
    words: str = plain if isinstance(plain, str) else _number_text(plain, field)
    if len(words) > MAX_TEXT_BYTES or (4 * len(words) > MAX_TEXT_BYTES and _size(words) > MAX_TEXT_BYTES):
        raise RowProblemError(Code.TEXT_TOO_LARGE, f"{field} is {_size(words)} bytes long; at most {MAX_TEXT_BYTES}")
    if words.isprintable():
        return words
    clean = _CONTROL.sub(" ", _repaired(words))
    return None if clean.isspace() else clean


def _number_text(value: Any, field: str) -> str:
    if type(value) is int and value.bit_length() < 8 * MAX_ID_BYTES:
        return str(value)
    if type(value) is float and math.isfinite(value):
        return str(value)
    raise RowProblemError(Code.BAD_VALUE, f"{field} is a {type(value).__name__}, not a text")


def vector(value: Any) -> tuple[float, ...]:
    """Return a vector of finite numbers; its length and norm are checked where the space is known.

    >>> vector("[0.5, 1]")
    (0.5, 1.0)

    Raises:
        RowProblemError: ``bad_vector``.
    """
    if isinstance(value, (str, bytes)):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise RowProblemError(Code.BAD_VECTOR, "vector is a text, and not a JSON list of numbers") from None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not value:
        raise RowProblemError(Code.BAD_VECTOR, f"vector is a {type(value).__name__}, not a list of numbers")
    if not set(map(type, value)) <= {float, int}:
        raise RowProblemError(Code.BAD_VECTOR, "vector holds something that is not a number")
    try:
        numbers = tuple(map(float, value))
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise RowProblemError(Code.BAD_VECTOR, "vector holds a number that is not finite")
    return numbers


def name_list(value: Any, field: str) -> tuple[str, ...]:
    """Return names from one text, a list of texts, or a JSON list of texts.

    >>> name_list('["a", "b"]', "labels"), name_list("a|b", "labels")
    (('a', 'b'), ('a|b',))

    Raises:
        RowProblemError: ``bad_value``.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(orjson.JSONDecodeError):  # a name may begin with a bracket
            value = orjson.loads(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    values = value if isinstance(value, (list, tuple)) else [value]
    whole = (int(one) if type(one) is float and one.is_integer() else one for one in values)
    names = (text(one, field) for one in whole if not is_absent(one))
    return tuple(dict.fromkeys(name.strip() for name in names if name))


def truth(value: Any) -> bool:
    """Return whether a flag is set.

    >>> truth("Yes"), truth(1), truth("0"), truth(None)
    (True, True, False, False)
    """
    return str(_plain(value)).strip().lower() in {"true", "1", "1.0", "yes"}


def attribute(value: Any, field: str, depth: int = 0) -> Any:
    """Return a value that JSON can hold: dates as ISO 8601, integers over 64 bits and bytes as text.

    >>> attribute(decimal.Decimal("19.99"), "price"), attribute(2**70, "n")
    (19.99, '1180591620717411303424')

    Raises:
        RowProblemError: ``bad_value``: not finite, nested too deeply, or of a type that JSON has nothing for.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _repaired(value)
    if kind in {int, float}:
        return _number(value, field)
    if value is None or kind is bool:
        return value
    if depth >= _MAX_DEPTH:
        raise RowProblemError(Code.BAD_VALUE, f"{field} is nested deeper than {_MAX_DEPTH} levels")
    return _compound(value, field, depth + 1)


def number_or_text(words: str) -> int | float | str:
    """Return the number that a text plainly is, as far as a computer keeps its digits, or the text.

    What people write for something else stays a text: leading zeros, a plus, exponents, commas, blanks around it.

    >>> number_or_text("12.50"), number_or_text("007"), number_or_text("4006381333931"), number_or_text("1,5")
    (12.5, '007', 4006381333931, '1,5')
    """
    if _PLAIN_NUMBER.fullmatch(words) is None:
        return words
    digits = words.replace("-", "").replace(".", "").lstrip("0")
    if len(digits) > _MAX_EXACT_DIGITS:
        return words
    return float(words) if "." in words else int(words)


def _compound(value: Any, field: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): attribute(one, field, depth) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [attribute(one, field, depth) for one in value]
    plain = value.tolist() if hasattr(value, "tolist") else _plain(value)
    if plain is value:
        raise RowProblemError(Code.BAD_VALUE, f"{field} is a {type(value).__name__}, which JSON does not have")
    return attribute(plain, field, depth)


def _number(value: float, field: str) -> float | str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RowProblemError(Code.BAD_VALUE, f"{field} holds {value}, which JSON does not have")
        return value
    if -(2**63) <= value < 2**63:
        return value
    try:
        return str(value)
    except ValueError:
        message = f"{field} is a number of {value.bit_length()} bits"
        raise RowProblemError(Code.BAD_VALUE, message) from None


def _key(key: Any) -> str:
    return _repaired(key) if isinstance(key, str) else str(key)


def _plain(value: Any) -> Any:
    """Return the str, int, float or None that stands for a value of another type, or the value itself."""
    if type(value) in {str, int, float, bool, list, dict} or value is None:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return math.nan
        whole = value.adjusted() < _MAX_DIGITS and value == value.to_integral_value()
        return int(value) if whole else float(value)
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (uuid.UUID, str)):
        return str(value)
    return value.item() if getattr(value, "shape", None) == () else value


def _repaired(value: str) -> str:
    """Join pairs of surrogates, and put U+FFFD for those that are alone."""
    if _SURROGATE.search(value) is None:
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _size(value: str) -> int:
    return len(value.encode("utf-8", "surrogatepass"))
