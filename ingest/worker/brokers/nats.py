"""NATS JetStream: a durable consumer that workers pull from; what is not acknowledged in time is delivered again."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, TypeVar

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from ....errors import BrokerError
from ..link import Message, Take
from .common import bare, check_reading, quiet, whole

__all__ = ["NatsLink"]

_T = TypeVar("_T")

_PENDING: Final = 65_536
"""Messages that all workers of a group may have unacknowledged; 1,000, the default, would stop them between flushes."""

_FILL_S: Final = 0.25
"""How long a pull waits for a full batch."""

_MESSAGE_ID: Final = "Nats-Msg-Id"
"""By this header a stream knows what it was sent already, within its window of duplicates, 2 minutes by default."""

_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]")


class NatsLink:
    """One subject of JetStream, read through a durable consumer."""

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        group: str,
        consumer: str,
        batch: int,
        reclaim_s: float,
        others: Sequence[str] = (),
    ) -> None:
        """Read the subject ``stream``; it is not connected yet.

        Args:
            url: Such as ``nats://localhost:4222``.
            stream: The subject.
            group: Name of the durable consumer.
            consumer: Name of this worker, as the server shows it.
            batch: Messages that are pulled at a time.
            reclaim_s: A message of which nothing is heard for so long is delivered again.
            others: Subjects that are written to.
        """
        self._subject, self._group = stream, _PLAIN.sub("_", group)
        self._batch, self._reclaim_s = batch, reclaim_s
        self._subjects = [stream, *others]
        self._broker = NatsBroker(
            url,
            apply_types=False,
            logger=quiet(),
            graceful_timeout=5.0,
            name=consumer,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            allow_reconnect=True,
        )
        self._take: Take | None = None
        self._subscriber: Any = None

    @property
    def _stream(self) -> Any:
        return self._broker.config.connection_state.stream

    async def start(self, take: Take) -> None:
        """Make the streams that no other covers, and pull."""
        self._take = take
        async with _translated():
            async with asyncio.timeout(10):
                await self._broker.connect()
            for subject in self._subjects:
                await self._ensure(subject)
            name = await self._stream.find_stream_name_by_subject(self._subject)
            self._subscriber = self._broker.subscriber(
                self._subject,
                stream=JStream(name, declare=False),
                durable=self._group,
                pull_sub=PullSub(self._batch, timeout=_FILL_S, batch=True),
                config=ConsumerConfig(ack_wait=self._reclaim_s, max_ack_pending=_PENDING),
                ack_policy=AckPolicy.MANUAL,
                parser=bare,
                decoder=whole,
            )
            self._subscriber(self._read)
            await self._broker.start()

    async def publish(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Write messages to a subject; the server has stored them when this returns."""
        async with _translated():
            for page in self._paged(bodies):
                await asyncio.gather(*(self._stream.publish(stream, body) for body in page))

    async def give_up(self, stream: str, letters: Sequence[tuple[Message, bytes]]) -> None:
        """Write letters, each once: the server drops one that it has had from the same message within two minutes."""
        async with _translated():
            for page in self._paged(letters):
                await asyncio.gather(
                    *(
                        self._stream.publish(stream, letter, headers={_MESSAGE_ID: _letter_id(message)})
                        for message, letter in page
                    )
                )
        await self.ack([message for message, _ in letters])

    async def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge, and wait until the server has heard."""
        async with _translated():
            for message in messages:
                if not message.handle.is_acked:
                    await message.handle.ack()
            await self._flush()

    async def keep(self, messages: Sequence[Message]) -> None:
        """Begin the time of messages anew."""
        check_reading(self._subscriber, self._subject)
        async with _translated():
            for message in messages:
                if not message.handle.is_acked:
                    await message.handle.in_progress()

    async def stop(self) -> None:
        """Disconnect."""
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(5):
                await self._broker.stop()

    async def _read(self, raw: Sequence[Any]) -> None:
        if self._take is not None:
            known = [(message, message.metadata) for message in raw]
            await self._take(
                [
                    Message(one.data, f"{meta.stream}:{meta.sequence.stream}", one, meta.num_delivered)
                    for one, meta in known
                ]
            )

    def _paged(self, whole: Sequence[_T]) -> Iterator[Sequence[_T]]:
        return (whole[start : start + self._batch] for start in range(0, len(whole), self._batch))

    async def _ensure(self, subject: str) -> None:
        try:
            await self._stream.find_stream_name_by_subject(subject)
        except NotFoundError:
            await self._stream.add_stream(name=_PLAIN.sub("_", subject), subjects=[subject])

    async def _flush(self) -> None:
        await self._broker.config.connection_state.connection.flush(timeout=10)


def _letter_id(message: Message) -> str:
    """The same for each delivery of a message; also of its content, for a stream that is made anew counts from 1."""
    return hashlib.sha256(message.name.encode() + b"\0" + message.body).hexdigest()


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerError(f"NATS: {str(error) or type(error).__name__}") from error
