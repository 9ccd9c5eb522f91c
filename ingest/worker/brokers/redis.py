"""Redis Streams: a consumer group, whose entries are claimed from workers that are gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import orjson
from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.parser import BinaryMessageFormatV1
from redis.exceptions import RedisError, ResponseError

from ....errors import BrokerError
from ..link import Message, Take
from .common import bare, check_reading, quiet, whole

__all__ = ["RedisLink"]

_FIELD: Final = "data"
_GIVE_UP: Final = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 1 then
    redis.call('XADD', KEYS[2], '*', ARGV[3], ARGV[4])
end
"""
"""Redis runs a script as one step, also in its log: of two workers that have an entry, one writes its letter."""

_FASTSTREAM: Final = b"__data__"


class RedisLink:
    """One stream of Redis, read by a consumer group."""

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        group: str,
        consumer: str,
        batch: int,
        reclaim_s: float,
        others: Sequence[str] = (),  # noqa: ARG002 - made by the first entry
    ) -> None:
        """Read ``stream``; it is not connected yet.

        Args:
            url: Such as ``redis://localhost:6379``.
            stream: Name of the stream.
            group: Name of the group; each entry goes to one of its consumers.
            consumer: Name of this one.
            batch: Entries that are read at a time.
            reclaim_s: An entry that no worker has touched for so long is of a dead one.
            others: Streams that are written to.
        """
        self._stream, self._group, self._consumer = stream, group, consumer
        self._batch, self._reclaim_s = batch, reclaim_s
        self._broker = RedisBroker(url, apply_types=False, logger=quiet(), graceful_timeout=5.0)
        self._take: Take | None = None
        self._subscriber: Any = None
        self._claiming: asyncio.Task[None] | None = None

    @property
    def _redis(self) -> Any:
        return self._broker.config.broker_config.connection.client

    async def start(self, take: Take) -> None:
        """Make the group, which begins at the first entry of the stream, and read."""
        self._take = take
        async with _translated():
            await self._broker.connect()
            try:
                await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            sub = StreamSub(
                self._stream,
                group=self._group,
                consumer=self._consumer,
                batch=True,
                max_records=self._batch,
                polling_interval=500,
            )
            self._subscriber = self._broker.subscriber(
                stream=sub, ack_policy=AckPolicy.MANUAL, parser=bare, decoder=whole
            )
            self._subscriber(self._read)
            await self._broker.start()
        self._claiming = asyncio.ensure_future(self._claim())

    async def publish(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Add entries to a stream, each with one field ``data``."""
        async with _translated(), self._redis.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.xadd(stream, {_FIELD: body})
            await pipe.execute()

    async def give_up(self, stream: str, letters: Sequence[tuple[Message, bytes]]) -> None:
        """Acknowledge entries, and write the letters of those that nobody had acknowledged; each in one step."""
        async with _translated(), self._redis.pipeline(transaction=False) as pipe:
            for message, letter in letters:
                pipe.eval(_GIVE_UP, 2, self._stream, stream, self._group, message.handle, _FIELD, letter)
            await pipe.execute()

    async def ack(self, messages: Sequence[Message]) -> None:
        """Take entries off the list of those that are pending."""
        async with _translated():
            await self._redis.xack(self._stream, self._group, *(message.handle for message in messages))

    async def keep(self, messages: Sequence[Message]) -> None:
        """Touch entries, so that no other worker claims them."""
        check_reading(self._subscriber, self._stream)
        if messages:
            ids = [message.handle for message in messages]
            async with _translated():
                # Without the count of deliveries: they are not delivered again.
                await self._redis.xclaim(self._stream, self._group, self._consumer, 0, ids, justid=True)

    async def stop(self) -> None:
        """Disconnect; a group that has nothing pending for this consumer forgets it."""
        if self._claiming is not None:
            self._claiming.cancel()
        with contextlib.suppress(RedisError, OSError):
            await self._broker.stop()

    async def _read(self, raw: Mapping[str, Any]) -> None:
        await self._hand_over(zip(raw["message_ids"], raw["data"], strict=True))

    async def _claim(self) -> None:
        """Take over, now and then, what other workers have not finished."""
        while True:
            with contextlib.suppress(RedisError, OSError):
                start: Any = "0-0"
                while True:
                    start, entries, *_ = await self._redis.xautoclaim(
                        self._stream, self._group, self._consumer, int(self._reclaim_s * 1000), start, count=self._batch
                    )
                    there = [(name, fields) for name, fields in entries if fields]
                    await self._hand_over(there, await self._deliveries(there))
                    if start in {b"0-0", "0-0"}:
                        break
            await asyncio.sleep(self._reclaim_s / 3)

    async def _deliveries(self, entries: Sequence[tuple[bytes, Any]]) -> Mapping[bytes, int]:
        """How often entries were delivered that were just claimed."""
        if not entries:
            return {}
        first, last = min(entries, key=_place)[0], max(entries, key=_place)[0]
        found = await self._redis.xpending_range(
            self._stream, self._group, first, last, count=8 * self._batch, consumername=self._consumer
        )
        return {one["message_id"]: one["times_delivered"] for one in found}

    async def _hand_over(self, entries: Any, deliveries: Mapping[bytes, int] | None = None) -> None:
        counts = deliveries or {}
        messages = [Message(_body(fields), name.decode(), name, counts.get(name, 1)) for name, fields in entries]
        if messages and self._take is not None:
            await self._take(messages)


def _place(entry: tuple[bytes, Any]) -> tuple[int, int]:
    """Where an entry stands in its stream."""
    moment, _, number = entry[0].partition(b"-")
    return int(moment), int(number)


def _body(fields: Mapping[bytes, bytes]) -> bytes:
    """The message of an entry: its field ``data``, or what FastStream wrote, or the only field there is."""
    if _FIELD.encode() in fields:
        return fields[_FIELD.encode()]
    if _FASTSTREAM in fields:
        body, _ = BinaryMessageFormatV1.parse(fields[_FASTSTREAM])
        return bytes(body)
    if len(fields) == 1:
        return next(iter(fields.values()))
    shown = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()}
    return orjson.dumps(shown)


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BrokerError(f"Redis: {str(error) or type(error).__name__}") from error
