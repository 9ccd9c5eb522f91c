"""The worker's loop: messages in, batches to the store, and an acknowledgement when they are durable."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ...errors import BrokerError, NearclassError
from .applying import BROKE, Applier, Failure
from .events import BadEventError, Event, parse
from .letters import dead_letter
from .link import Link, Message
from .patience import Patience
from .status import Status

__all__ = ["Limits", "Streams", "WorkerRun"]

_log = logging.getLogger(__name__)

_LINGER_S: Final = 0.02
"""How long a batch that is not full waits for more, once; less than it takes to embed ten titles."""

_SWEEP_S: Final = 120.0
_ENOUGH: Final = 8
"""Where so many new events all break, and not one is stored, it is hardly their fault."""

_SUSPECT: Final = 5
"""A message that was delivered more often than this, and never finished, may have ended the workers that had it."""

_GUILTY: Final = 20
"""One that was delivered so often, since then always alone, has."""

_HELD_BYTES: Final = 32 << 20
"""What is not acknowledged is held in memory: at this size it is committed without waiting."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Names at the broker; an empty output publishes nothing."""

    events: str
    output: str
    dead: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at a time.

    Attributes:
        batch: Events that are embedded and written together.
        flush_s: How long what is written may wait to be flushed and acknowledged with more.
        tries: How often an event that cannot be stored is tried.
        retry_s: Wait before the second try; doubled each time.
        reclaim_s: After how long without a sign of life the messages of a worker go to others.
    """

    batch: int = 256
    flush_s: float = 5.0
    tries: int = 3
    retry_s: float = 1.0
    reclaim_s: float = 45.0


class WorkerRun:
    """Takes events from a link to an applier until it is told to stop.

    Attributes:
        status: What it is doing.
    """

    def __init__(
        self,
        link: Link,
        applier: Applier,
        streams: Streams,
        *,
        worker: str,
        space: str = "",
        limits: Limits | None = None,
    ) -> None:
        """Read from ``link`` and write with ``applier``; ``worker`` and ``space`` are those of the applier."""
        self.status = Status(worker, applier.tally)
        self._link = link
        self._applier = applier
        self._streams = streams
        self._space = space
        self._limits = limits or Limits()
        self._queue: deque[Message] = deque()
        self._retrying: list[tuple[float, Message]] = []
        self._written: list[Message] = []
        self._in_hand: set[Message] = set()
        self._changed = asyncio.Condition()
        self._stop = asyncio.Event()
        self._lost: NearclassError | None = None
        self._committed_at = self._swept_at = float("-inf")
        self._patience = Patience(self.status, self._stop)

    def stop(self) -> None:
        """Finish the batch at hand, and return from ``run``."""
        self.status.doing = "stopping"
        self._stop.set()
        self._stopping = asyncio.ensure_future(self._wake())

    async def run(self) -> None:
        """Work until ``stop``.

        Raises:
            BrokerError: There is no broker at the start.
            NearclassError: The store cannot be used, or the stream is gone, and waiting does not help; nothing is lost.
        """
        await self._link.start(self._take)
        keeping = asyncio.ensure_future(self._keep())
        try:
            self._patience.ready()
            while not self._stop.is_set():
                await self._turn()
            await self._commit()
            if self._lost is not None:
                raise self._lost
        finally:
            keeping.cancel()
            self._stop.set()
            await self._wake()
            await self._link.stop()
            self._patience.close()

    async def _turn(self) -> None:
        """One batch, then what is due: a commit, a page of items with old answers, what dead workers left."""
        batch = await self._next_batch()
        suspects = [message for message in batch if message.deliveries > _SUSPECT]
        if batch:
            await self._apply([message for message in batch if message.deliveries <= _SUSPECT])
            await self._apart(suspects)
        held = sum(len(message.body) for message in self._written)
        if self._written and (self._due() or held > _HELD_BYTES):
            await self._commit()
        if not self._stop.is_set():
            await self._backfill()
        if not batch and time.monotonic() - self._swept_at > _SWEEP_S:
            self._swept_at = time.monotonic()
            await self._patience.store("apply", self._applier.sweep)
            await self._commit()

    async def _take(self, messages: Sequence[Message]) -> None:
        room = 2 * self._limits.batch
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._queue) < room or self._stop.is_set())
            if self._stop.is_set():
                return  # not acknowledged, so it is delivered again
            self._queue.extend(messages)
            self._in_hand.update(messages)
            self.status.received += len(messages)
            self.status.in_hand = len(self._in_hand)
            self._changed.notify_all()

    async def _next_batch(self) -> list[Message]:
        """What there is, up to the size of a batch; waits for the first, but not longer than until something is due."""
        async with self._changed:
            try:
                async with asyncio.timeout(self._until_due()):
                    await self._changed.wait_for(lambda: self._queue or self._stop.is_set())
            except TimeoutError:
                pass
        if 0 < len(self._queue) < self._limits.batch and not self._stop.is_set():
            await asyncio.sleep(_LINGER_S)
        now = time.monotonic()
        batch = [message for due, message in self._retrying if due <= now]
        self._retrying = [(due, message) for due, message in self._retrying if due > now]
        async with self._changed:
            while self._queue and len(batch) < self._limits.batch:
                batch.append(self._queue.popleft())
            self._changed.notify_all()
        return batch

    def _until_due(self) -> float:
        """Seconds until something is due."""
        moments = [due for due, _ in self._retrying]
        if self._written:
            moments.append(self._committed_at + self._limits.flush_s)
        return min(max(0.0, min(moments, default=1.0) - time.monotonic()) if moments else 1.0, 1.0)

    def _due(self) -> bool:
        return time.monotonic() - self._committed_at >= self._limits.flush_s

    async def _apply(self, batch: Sequence[Message]) -> None:
        events: list[Event] = []
        good: list[Message] = []
        dead: list[tuple[Message, Failure]] = []
        for message in batch:
            try:
                events.append(parse(message.body, self._space))
                good.append(message)
            except BadEventError as error:
                dead.append((message, Failure(error.code, error.message)))
        failures = await self._patience.store("apply", lambda: self._applier.apply(events)) if events else {}
        _check(good, failures)
        for place, message in enumerate(good):
            if place not in failures:
                self._written.append(message)
                continue
            message.tries += 1
            if message.tries >= self._limits.tries:
                dead.append((message, failures[place]))
            else:
                wait = self._limits.retry_s * 2 ** (message.tries - 1)
                self._retrying.append((time.monotonic() + wait, message))
                self.status.retried += 1
        await self._bury(dead)

    async def _apart(self, suspects: Sequence[Message]) -> None:
        """Take messages that may have ended workers one by one, so that the others are done before one of them does."""
        if not suspects:
            return
        await self._commit()
        guilty = [message for message in suspects if message.deliveries > _GUILTY]
        why = f"delivered more than {_GUILTY} times and never finished: whoever took it ended"
        await self._bury([(message, Failure("never_finished", why)) for message in guilty])
        others = [message for message in suspects if message.deliveries <= _GUILTY]
        for message in random.sample(others, len(others)):
            await self._apply([message])
            await self._commit()

    async def _bury(self, dead: Sequence[tuple[Message, Failure]]) -> None:
        if not dead:
            return
        at_ms = time.time_ns() // 1_000_000
        stream, worker = self._streams.events, self.status.worker
        letters = [dead_letter(one, why, stream=stream, worker=worker, at_ms=at_ms) for one, why in dead]
        await self._patience.broker(lambda: self._link.publish(self._streams.dead, letters))
        for message, failure in dead:
            self.status.dead[failure.code] += 1
            _log.warning("%s of %s is a dead letter: %s", message.name, stream, failure.message)
        await self._done([message for message, _ in dead])

    async def _commit(self) -> None:
        """Make what was written durable, publish the answers, and acknowledge; in this order."""
        done, self._written = self._written, []
        rows = await self._patience.store("commit", self._applier.commit)
        self._committed_at = time.monotonic()
        await self._publish(rows)
        await self._done(done)

    async def _backfill(self) -> None:
        rows = await self._patience.store("backfill", lambda: self._applier.backfill(self._limits.batch))
        await self._publish(rows)

    async def _publish(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows or not self._streams.output:
            return
        since = time.monotonic()
        bodies = [orjson.dumps(row) for row in rows]
        await self._patience.broker(lambda: self._link.publish(self._streams.output, bodies))
        self.status.published += len(bodies)
        self.status.spent("publish", since)

    async def _done(self, messages: Sequence[Message]) -> None:
        if messages:
            await self._patience.broker(lambda: self._link.ack(messages))
            self._in_hand.difference_update(messages)
            self.status.acknowledged += len(messages)
            self.status.in_hand = len(self._in_hand)

    async def _keep(self) -> None:
        """Tell the broker, as long as the worker lives, what it is working on."""
        while True:
            self.status.alive_at = time.monotonic()
            try:
                await self._link.keep(list(self._in_hand))
            except BrokerError as error:
                _log.info("the broker does not hear what is in hand: %s", error.message)
            except NearclassError as error:
                self._lost = error
                self.stop()
                return
            await asyncio.sleep(self._limits.reclaim_s / 4)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _check(messages: Sequence[Message], failures: Mapping[int, Failure]) -> None:
    """See that not every event broke that was tried for the first time.

    Raises:
        NearclassError: All of several did.
    """
    new = [failures.get(place) for place, message in enumerate(messages) if not message.tries]
    broke = [failure for failure in new if failure is not None and failure.code == BROKE]
    if len(broke) == len(new) >= _ENOUGH:
        message = f"none of {len(new)} events could be stored: {broke[0].message}"
        hint = "They are not acknowledged. `nearclass doctor` checks the encoder and the store."
        raise NearclassError(message, hint=hint)
