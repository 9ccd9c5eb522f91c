"""What the links have in common: messages as the broker's own client gives them, unread."""

import logging
from typing import Any

from faststream.message import StreamMessage

__all__ = ["bare", "quiet", "whole"]


async def bare(raw: Any) -> StreamMessage[Any]:
    """A message whose content nobody has looked at, so that no content can keep it from being handed over."""
    return StreamMessage(raw_message=raw, body=b"")


async def whole(message: StreamMessage[Any]) -> Any:
    """The broker's own message, in place of a decoded body."""
    return message.raw_message


def quiet() -> logging.Logger:
    """Where the broker's client says what it does: errors only."""
    logger = logging.getLogger("nearclass.ingest.worker.brokers")
    logger.setLevel(logging.ERROR)
    return logger
