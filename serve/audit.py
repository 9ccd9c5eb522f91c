"""Who did what through the service: one line of the log and one document for every write."""

import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from ..store.state import Document, State

__all__ = ["Audit", "plain", "where"]

_log = logging.getLogger("nearclass.audit")
_KIND: Final = "audit"
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MOST_CHARS: Final = 200


def plain(text: object) -> str:
    r"""A text for one line of a log: without control characters and changes of direction, and not too long.

    >>> plain("a\r\nfake line")
    'a  fake line'
    """
    return _CONTROLS.sub(" ", str(text))[:_MOST_CHARS]


def where(error: BaseException) -> str:
    """Where an error was raised, without its message, which may hold the texts of items."""
    return "".join(traceback.format_tb(error.__traceback__))


class Audit:
    """Keeps what was done; may be used from several threads."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def note(self, action: str, *, by: str, request_id: str = "", **facts: Any) -> None:
        """Keep that somebody did something; durable when it returns.

        Args:
            action: Such as ``items.confirm``.
            by: Name and id of the key, or of whoever was let in without one.
            request_id: Of the request.
            **facts: Ids and counts; no texts of items.
        """
        at = self._clock()
        body = {"at": at, "action": action, "by": by, "request_id": request_id, **facts}
        self._state.put(Document(_KIND, f"{at:017.6f}-{secrets.token_hex(4)}", body))
        line = {name: plain(value) if isinstance(value, str) else value for name, value in body.items()}
        _log.info("%s", orjson.dumps(line, default=plain).decode())

    def latest(self, limit: int, *, before: str | None = None) -> list[tuple[str, Mapping[str, Any]]]:
        """The latest entries with their names, newest first; ``before`` is a name to go on from."""
        every = [one for one in self._state.every(_KIND) if before is None or one.name < before]
        return [(one.name, one.body) for one in reversed(every[-limit:] if limit else [])]
