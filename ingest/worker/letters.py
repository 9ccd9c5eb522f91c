"""Dead letters: messages that cannot be stored, with why, and the way back."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from .link import Message
from .outcomes import Failure

__all__ = ["dead_letter", "original"]


def dead_letter(message: Message, failure: Failure, *, stream: str, worker: str, at_ms: int) -> bytes:
    """A message that is given up, with what is wrong with it, as JSON.

    Args:
        message: The message.
        failure: Why it cannot be stored.
        stream: Where it came from.
        worker: Who gave it up.
        at_ms: When, in milliseconds since 1970.
    """
    return orjson.dumps(
        {
            "code": failure.code,
            "message": failure.message,
            "tries": max(1, message.tries),
            "stream": stream,
            "name": message.name,
            "worker": worker,
            "at_ms": at_ms,
            **_kept(message.body),
        }
    )


def original(letter: bytes) -> bytes | None:
    """The message that a dead letter holds, or None where it is no dead letter."""
    try:
        row = orjson.loads(letter)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict):
        return None
    if isinstance(row.get("body"), str):
        return str(row["body"]).encode()
    if isinstance(row.get("body_base64"), str):
        return base64.b64decode(row["body_base64"])
    return None


def _kept(body: bytes) -> Mapping[str, Any]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
