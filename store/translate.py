"""The one place where an engine's errors become ours.

``MilvusException`` and ``grpc.RpcError`` share no base class and no set of codes: a deadline arrives as the
one or the other depending on which layer noticed. Texts are matched only where an engine gives no code.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..errors import (
    CollectionMissingError,
    NearclassError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)

__all__ = ["NotLoadedError", "TooLargeError", "translate", "translated"]

_CONNECT_FAILED: Final = 2
"""``Status.CONNECT_FAILED`` of pymilvus 3.0.2."""
_RATE_LIMIT: Final = 8
_DENIED: Final = frozenset({9})
"""``ErrorCode.FORCE_DENY``: the server refuses writes until memory or disk is free again."""
_MISSING: Final = frozenset({4, 100})
"""``CollectionNotExists`` of the older and ``COLLECTION_NOT_FOUND`` of the newer numbering."""
_NOT_LOADED: Final = frozenset({101})
_AUTHENTICATION: Final = frozenset({1400, 1401, 1800})

_UNAVAILABLE_TEXT: Final = re.compile(
    r"fail connecting to server|retry (timeout|run out)|deadline.?exceeded|unavailable|connection refused"
    r"|wait for (loading|flush)[^,]* timeout|closed channel",
    re.IGNORECASE,
)
_MISSING_TEXT: Final = re.compile(
    r"can't find collection|collection not (found|exist)|collection '[^']*' does not exist", re.IGNORECASE
)
_NOT_LOADED_TEXT: Final = re.compile(r"collection[^,]*not (been )?(fully )?loaded|in state 'released'", re.IGNORECASE)
_TOO_LARGE_TEXT: Final = re.compile(r"message larger than max|trying to send message larger", re.IGNORECASE)
_FULL_TEXT: Final = re.compile(
    r"errno 28|no space left|errno 122|disk quota|quota exceeded|memory limit exceeded|force deny",
    re.IGNORECASE,
)
_AUTHENTICATION_TEXT: Final = re.compile(
    r"auth check failure|unauthenticated|permission.?den|privilege|api key is", re.IGNORECASE
)
_DAMAGED_TEXT: Final = re.compile(
    r"parquet (magic|input|file size)|manifest\.json|not a parquet file|corrupt|Expecting value",
    re.IGNORECASE,
)


class NotLoadedError(StoreError):
    """A collection is on disk and not in memory; the caller loads it and asks again."""


class TooLargeError(StoreError):
    """A request or an answer is longer than a message may be; the caller asks for less at a time."""


@contextmanager
def translated(action: str, target: str) -> Iterator[None]:
    """Raise our errors for everything that an engine raises inside.

    Args:
        action: What was tried, as a verb phrase: ``"search items"``.
        target: Which engine, without credentials.

    Raises:
        StoreError: Or one of its subclasses, see ``translate``.
    """
    try:
        yield
    except NearclassError:
        raise
    except Exception as error:  # whatever it is: engines let through what their libraries raise
        raise translate(error, action, target) from error


def translate(error: Exception, action: str, target: str) -> StoreError:  # noqa: PLR0911  # A table, in order.
    """Our error for an engine's error; one that nobody foresaw becomes a plain ``StoreError``."""
    code, text = _code(error), _text(error)
    where = f"cannot {action} at {target}"
    if _is_too_large(code, text):
        return TooLargeError(f"{where}: {text}", hint="send or ask for less at a time")
    if _is_authentication(code, text):
        return StoreError(f"{where}: access refused: {text}", hint="check the token: 'user:password' or an API key")
    if code in _MISSING or _MISSING_TEXT.search(text):
        return CollectionMissingError(f"{where}: {text}")
    if code in _NOT_LOADED or _NOT_LOADED_TEXT.search(text):
        return NotLoadedError(f"{where}: {text}")
    if code in _DENIED or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or _FULL_TEXT.search(text):
        return StoreWriteError(f"{where}: no space left: {text}", hint="free disk space or raise the quota, then retry")
    if _is_unavailable(code, text):
        return StoreUnavailableError(f"{where}: no answer: {text}", hint="check that Milvus runs and is reachable")
    if code == "UNIMPLEMENTED":
        return StoreError(f"{where}: {text}", hint="this needs Milvus 2.3.5 or newer, at its gRPC port")
    if isinstance(error, PermissionError):
        return StoreError(f"{where}: {text}", hint="give this user read and write access")
    if _is_damage(error, text):
        return StoreDamagedError(f"{where}: {text}", hint="restore the database from a copy, or load the data again")
    return StoreError(f"{where}: {text}")


def _code(error: Exception) -> int | str:
    """Number that Milvus gave, or name of a gRPC status."""
    code = _told(getattr(error, "code", None))
    name = getattr(code, "name", None)
    if isinstance(code, int):
        return int(code)
    return name if isinstance(name, str) else -1


def _text(error: Exception) -> str:
    message = _told(getattr(error, "message", None) or getattr(error, "details", None))
    text = str(message or error) or type(error).__name__
    return " ".join(text.split())[:500]


def _told(value: Any) -> Any:
    """The value, or what it gives when called: gRPC has methods where pymilvus has attributes."""
    if not callable(value):
        return value
    try:
        return value()
    except Exception:  # noqa: BLE001 - a call that never left has none, and telling of an error must not raise another
        return None


def _is_too_large(code: int | str, text: str) -> bool:
    return code == "RESOURCE_EXHAUSTED" or bool(_TOO_LARGE_TEXT.search(text))


def _is_authentication(code: int | str, text: str) -> bool:
    if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"} or code in _AUTHENTICATION:
        return True
    return "Errno" not in text and bool(_AUTHENTICATION_TEXT.search(text))


def _is_unavailable(code: int | str, text: str) -> bool:
    if code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", _CONNECT_FAILED, _RATE_LIMIT}:
        return True
    return bool(_UNAVAILABLE_TEXT.search(text))


def _is_damage(error: Exception, text: str) -> bool:
    return type(error).__module__.startswith("pyarrow") or bool(_DAMAGED_TEXT.search(text))
