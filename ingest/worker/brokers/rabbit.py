"""RabbitMQ: a durable queue; what a worker holds when its connection ends goes back to the queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from aiormq.exceptions import ChannelInvalidStateError
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from ....errors import BrokerError
from ..link import Message, Take
from .common import bare, check_reading, quiet, whole

__all__ = ["RabbitLink"]

_BATCHES: Final = 16
"""Batches that the server hands over unacknowledged; with fewer a worker would wait between flushes."""


class RabbitLink:
    """One queue of RabbitMQ."""

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        group: str,  # noqa: ARG002 - the queue is the group
        consumer: str,  # noqa: ARG002 - the server names connections by address
        batch: int,
        reclaim_s: float,  # noqa: ARG002 - the end of the connection says it
        others: Sequence[str] = (),
    ) -> None:
        """Read the queue ``stream``; it is not connected yet.

        Args:
            url: Such as ``amqp://guest:guest@localhost:5672/``.
            stream: Name of the queue.
            group: Whoever reads the queue shares it.
            consumer: Name of this worker.
            batch: Messages of a batch.
            reclaim_s: Not needed: what a worker holds goes back when its connection ends.
            others: Queues that are written to.
        """
        self._queue, self._queues, self._batch = stream, [stream, *others], batch
        channel = Channel(prefetch_count=min(_BATCHES * batch, 65_535))
        self._broker = RabbitBroker(
            url,
            apply_types=False,
            logger=quiet(),
            graceful_timeout=5.0,
            default_channel=channel,
        )
        self._take: Take | None = None
        self._subscriber: Any = None

    async def start(self, take: Take) -> None:
        """Make the queues that are not there, durable ones, and read."""
        self._take = take
        async with _translated():
            async with asyncio.timeout(15):
                connection = await self._broker.connect()
            for name in self._queues:
                await _ensure(connection, name)
            queue = RabbitQueue(self._queue, durable=True, declare=False)
            self._subscriber = self._broker.subscriber(queue, ack_policy=AckPolicy.MANUAL, parser=bare, decoder=whole)
            self._subscriber(self._read)
            await self._broker.start()

    async def publish(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Write persistent messages to a queue; the server has confirmed them when this returns."""
        async with _translated():
            for start in range(0, len(bodies), self._batch):
                page = bodies[start : start + self._batch]
                await asyncio.gather(*(self._broker.publish(body, stream, persist=True, timeout=15) for body in page))

    async def give_up(self, stream: str, letters: Sequence[tuple[Message, bytes]]) -> None:
        """Write letters, then acknowledge: whoever ends in between writes them again."""
        await self.publish(stream, [letter for _, letter in letters])
        await self.ack([message for message, _ in letters])

    async def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge; a message whose connection has ended since is delivered again, and is known then."""
        async with _translated():
            for message in messages:
                with contextlib.suppress(ChannelInvalidStateError):
                    await message.handle.ack()

    async def keep(self, messages: Sequence[Message]) -> None:  # noqa: ARG002
        """The connection says it."""
        check_reading(self._subscriber, self._queue)

    async def stop(self) -> None:
        """Disconnect."""
        with contextlib.suppress(AMQPError, OSError, TimeoutError):
            async with asyncio.timeout(5):
                await self._broker.stop()

    async def _read(self, raw: Any) -> None:
        if self._take is not None:
            # Quorum queues count how often a message came back; classic ones do not.
            deliveries = 1 + int(raw.headers.get("x-delivery-count", 0))
            await self._take([Message(raw.body, f"{self._queue}:{raw.delivery_tag}", raw, deliveries)])


async def _ensure(connection: Any, name: str) -> None:
    """Make a durable queue unless there is one of the name, whatever its kind."""
    async with connection.channel() as channel:
        with contextlib.suppress(ChannelNotFoundEntity):
            await channel.declare_queue(name, passive=True)
            return
    async with connection.channel() as channel:
        await channel.declare_queue(name, durable=True)


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (AMQPError, OSError, TimeoutError) as error:
        raise BrokerError(f"RabbitMQ: {str(error) or type(error).__name__}") from error
