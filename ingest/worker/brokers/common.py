"""What the links have in common: messages as the broker's own client gives them, unread."""

import logging
from typing import Any

from faststream.message import StreamMessage

from ....errors import NearclassError

__all__ = ["bare", "check_reading", "quiet", "whole"]


async def bare(raw: Any) -> StreamMessage[Any]:
    """A message whose content nobody has looked at, so that no content can keep it from being handed over."""
    return StreamMessage(raw_message=raw, body=b"")


async def whole(message: StreamMessage[Any]) -> Any:
    """The broker's own message, in place of a decoded body."""
    return message.raw_message


def check_reading(subscriber: Any, stream: str) -> None:
    """See that a subscriber has not given up, as it does where its group was deleted.

    Raises:
        NearclassError: It has.
    """
    if not subscriber.running:
        message = f"{stream} is not read any more: it or its group of workers was deleted at the broker"
        raise NearclassError(message, hint="Start the worker again: it makes them anew, and reads from the beginning.")


def quiet() -> logging.Logger:
    """Where the broker's client says what it does: errors only."""
    logger = logging.getLogger("nearclass.ingest.worker.brokers")
    logger.setLevel(logging.ERROR)
    return logger
