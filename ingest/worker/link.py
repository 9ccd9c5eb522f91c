"""What the worker asks of a broker, whichever it is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .events import BadEventError, Event

__all__ = ["Link", "Message", "Take"]


@dataclass(slots=True, eq=False)
class Message:
    """One message of a stream, from when it was delivered until it is acknowledged.

    Attributes:
        body: What the sender wrote.
        name: The broker's own name for it, for people.
        handle: What the broker needs to have it acknowledged.
        deliveries: How often the broker has delivered it, this time included, where it counts.
        tries: How often it could not be stored.
        event: The event in it, or why there is none, once it has been read.
    """

    body: bytes
    name: str
    handle: Any = None
    deliveries: int = 1
    tries: int = 0
    event: Event | BadEventError | None = None


Take = Callable[[Sequence[Message]], Awaitable[None]]
"""Receives messages; returns only when there is room for more, so that reading stops where work is slow."""


class Link(Protocol):
    """A stream of a broker, read by a group of workers, each message by one of them at a time.

    What is not acknowledged is delivered again: after a while to another worker, and to this one when it comes back.
    Every method raises ``BrokerError`` where the broker does not do its part.
    """

    async def start(self, take: Take) -> None:
        """Connect, make what is missing at the broker, and hand over messages from now on."""
        ...

    async def publish(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Write messages to a stream, and return when the broker has them."""
        ...

    async def give_up(self, stream: str, letters: Sequence[tuple[Message, bytes]]) -> None:
        """Write the letter of each message to a stream, and note that the message is done.

        A letter may be written twice if the worker ends in between, or two workers had the message, unless the broker
        can tell; it is never left out.
        """
        ...

    async def ack(self, messages: Sequence[Message]) -> None:
        """Note that messages are done."""
        ...

    async def keep(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are still being worked on, and are for nobody else; asked for now and then.

        Raises:
            NearclassError: Nothing is read any more, and only a new start helps.
        """
        ...

    async def stop(self) -> None:
        """Take no more messages, and disconnect."""
        ...
