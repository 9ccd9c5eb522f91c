"""Messages that were delivered and are not done: those that wait, those that are tried again, those at work."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from .limits import Limits
from .link import Message
from .status import Status

__all__ = ["Inbox"]

_LINGER_S: Final = 0.02
"""How long a batch that is not full waits for more, once; less than it takes to embed ten titles."""


class Inbox:
    """Takes messages from a link while there is room, and gives them out in batches."""

    def __init__(self, status: Status, limits: Limits, stop: asyncio.Event, *, batch_bytes: int) -> None:
        """Take up to two batches ahead, until ``stop`` is set.

        Args:
            status: Where it is noted what was received.
            limits: How many messages are a batch.
            stop: Nothing is taken any more once it is set.
            batch_bytes: Messages of so many bytes are a batch too.
        """
        self._status = status
        self._limits = limits
        self._stop = stop
        self._batch_bytes = batch_bytes
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._retrying: list[tuple[float, Message]] = []
        self._in_hand: set[Message] = set()
        self._changed = asyncio.Condition()

    @property
    def in_hand(self) -> list[Message]:
        """Everything delivered that is not done."""
        return list(self._in_hand)

    async def take(self, messages: Sequence[Message]) -> None:
        """Receive messages; returns when there was room for them."""
        # From now on, or the broker would give those that wait for room to another worker as well.
        self._hold(messages)
        taken = False
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._has_room() or self._stop.is_set())
                taken = not self._stop.is_set()
                if taken:
                    self._queue.extend(messages)
                    self._queued_bytes += sum(len(message.body) for message in messages)
                    self._status.received += len(messages)
                    self._changed.notify_all()
        finally:
            if not taken:  # not acknowledged, so they are delivered again
                self.done(messages)

    async def batch(self, wait_s: float) -> list[Message]:
        """What there is, up to the message that makes a batch full; waits for the first until something is due.

        Args:
            wait_s: How long at most.
        """
        now = time.monotonic()
        async with self._changed:
            try:
                async with asyncio.timeout(min([wait_s, *(max(0.0, due - now) for due, _ in self._retrying)])):
                    await self._changed.wait_for(lambda: self._queue or self._stop.is_set())
            except TimeoutError:
                pass
        if 0 < len(self._queue) < self._limits.batch and self._queued_bytes < self._batch_bytes:
            await asyncio.sleep(_LINGER_S)
        now = time.monotonic()
        found = [message for due, message in self._retrying if due <= now]
        self._retrying = [(due, message) for due, message in self._retrying if due > now]
        async with self._changed:
            size = 0
            while self._queue and len(found) < self._limits.batch and size < self._batch_bytes:
                found.append(self._queue.popleft())
                size += len(found[-1].body)
            self._queued_bytes -= size
            self._changed.notify_all()
        return found

    def coming(self) -> list[Message]:
        """The messages of the next batch that are here already."""
        return list(islice(self._queue, self._limits.batch))

    def again(self, message: Message, wait_s: float) -> None:
        """Give a message out once more, after some time."""
        self._retrying.append((time.monotonic() + wait_s, message))

    def done(self, messages: Sequence[Message]) -> None:
        """Forget messages."""
        self._in_hand.difference_update(messages)
        self._status.in_hand = len(self._in_hand)

    async def wake(self) -> None:
        """Let whoever waits see that it is time to stop."""
        async with self._changed:
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._queue) < 2 * self._limits.batch and self._queued_bytes < 2 * self._batch_bytes

    def _hold(self, messages: Sequence[Message]) -> None:
        self._in_hand.update(messages)
        self._status.in_hand = len(self._in_hand)
