"""Kafka: a consumer group, each partition read by one worker; what is done is committed as offsets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from ....errors import BrokerError
from ..link import Message, Take
from .common import bare, check_reading, quiet, whole

__all__ = ["KafkaLink", "Offsets"]

_POLL_MS: Final = 900_000
"""How long a worker may wait for the store before its partitions go to others."""


class Offsets:
    """Which offset of each partition may be committed: the first one that is not done.

    Messages are done in any order, because some are tried again later, but a commit stands for all before it.
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, set[int]] = {}
        self._next: dict[Hashable, int] = {}

    def taken(self, partition: Hashable, offset: int) -> None:
        """Note that a message was delivered."""
        self._open.setdefault(partition, set()).add(offset)
        self._next[partition] = max(self._next.get(partition, 0), offset + 1)

    def done(self, partition: Hashable, offset: int) -> None:
        """Note that a message is done; one that was not taken is passed over."""
        self._open.get(partition, set()).discard(offset)

    def committable(self) -> dict[Any, int]:
        """For each partition the offset to go on from.

        >>> offsets = Offsets()
        >>> for number in (5, 6, 7): offsets.taken("a", number)
        >>> offsets.done("a", 7); offsets.done("a", 5)
        >>> offsets.committable()
        {'a': 6}
        """
        return {one: min(open_, default=self._next[one]) for one, open_ in self._open.items()}

    def forget(self, partitions: Sequence[Hashable]) -> None:
        """Note that partitions are another worker's now."""
        for partition in partitions:
            self._open.pop(partition, None)
            self._next.pop(partition, None)


class KafkaLink:
    """One topic of Kafka, read by a consumer group."""

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        group: str,
        consumer: str,
        batch: int,
        reclaim_s: float,
        others: Sequence[str] = (),  # noqa: ARG002 - made by the first message, where the brokers allow it
    ) -> None:
        """Read the topic ``stream``; it is not connected yet.

        Args:
            url: Such as ``kafka://one:9092,two:9092``.
            stream: Name of the topic.
            group: Name of the consumer group.
            consumer: Name of this worker, as the brokers show it.
            batch: Messages that are read at a time.
            reclaim_s: A worker that is not heard for so long loses its partitions.
            others: Topics that are written to.
        """
        self._topic, self._group, self._batch, self._reclaim_s = stream, group, batch, reclaim_s
        self._broker = KafkaBroker(
            urlsplit(url).netloc.split(","),
            apply_types=False,
            logger=quiet(),
            graceful_timeout=5.0,
            client_id=consumer,
            acks="all",
            enable_idempotence=True,
        )
        self._offsets = Offsets()
        self._take: Take | None = None
        self._subscriber: Any = None

    async def start(self, take: Take) -> None:
        """Join the group, and read from what it has committed, or from the beginning."""
        self._take = take
        async with _translated():
            self._subscriber = self._broker.subscriber(
                self._topic,
                batch=True,
                group_id=self._group,
                auto_offset_reset="earliest",
                max_records=self._batch,
                max_poll_interval_ms=_POLL_MS,
                session_timeout_ms=int(self._reclaim_s * 1000),
                ack_policy=AckPolicy.MANUAL,
                parser=bare,
                decoder=whole,
            )
            self._subscriber(self._read)
            async with asyncio.timeout(60):
                await self._broker.start()

    async def publish(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Write messages to a topic; every replica in step has them when this returns."""
        async with _translated():
            for start in range(0, len(bodies), self._batch):
                page = bodies[start : start + self._batch]
                await asyncio.gather(*(self._broker.publish(body, stream) for body in page))

    async def give_up(self, stream: str, letters: Sequence[tuple[Message, bytes]]) -> None:
        """Write letters, then commit: whoever ends in between writes them again."""
        await self.publish(stream, [letter for _, letter in letters])
        await self.ack([message for message, _ in letters])

    async def ack(self, messages: Sequence[Message]) -> None:
        """Commit how far every partition is done; one that is another worker's now is read again there."""
        for message in messages:
            self._offsets.done(*message.handle)
        assigned = self._subscriber.consumer.assignment()
        committable = self._offsets.committable()
        self._offsets.forget([one for one in committable if one not in assigned])
        offsets = {one: offset for one, offset in committable.items() if one in assigned}
        async with _translated():
            with contextlib.suppress(CommitFailedError, IllegalStateError):
                await self._subscriber.consumer.commit(offsets)

    async def keep(self, messages: Sequence[Message]) -> None:  # noqa: ARG002
        """The client tells the brokers by itself."""
        check_reading(self._subscriber, self._topic)

    async def stop(self) -> None:
        """Leave the group."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(10):
                await self._broker.stop()

    async def _read(self, raw: Sequence[Any]) -> None:
        messages = []
        for record in raw:
            partition = TopicPartition(record.topic, record.partition)
            self._offsets.taken(partition, record.offset)
            name = f"{record.partition}:{record.offset}"
            messages.append(Message(record.value or b"", name, (partition, record.offset)))
        if self._take is not None:
            await self._take(messages)


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(f"Kafka: {str(error) or type(error).__name__}") from error
