"""The worker's loop: messages in, batches to the store, and an acknowledgement when they are durable."""

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ...errors import BrokerError, NearclassError
from .applying import Applier
from .backfill import Backfill
from .events import BadEventError, Event, parse
from .inbox import Inbox
from .letters import dead_letter
from .limits import Limits, Streams
from .link import Link, Message
from .outcomes import BROKE, Failure
from .patience import Patience
from .status import Status

__all__ = ["WorkerRun"]

_log = logging.getLogger(__name__)

_SWEEP_S: Final = 120.0
_ENOUGH: Final = 8
"""Where so many new events all break, and not one is stored, it is hardly their fault."""

_SUSPECT: Final = 5
"""A message that was delivered more often than this, and never finished, may have ended the workers that had it."""

_GUILTY: Final = 20
"""One that was delivered so often, since then always alone, has."""

_TEXTS_BYTES: Final = 256 << 10
"""A batch of texts ends at this size: that many are embedded in seconds on two cores, and whoever tells a worker to end
waits for its batch."""

_VECTORS_BYTES: Final = 8 << 20
"""Where vectors are given, nothing is embedded."""

_HELD_BYTES: Final = 32 << 20
"""What is not acknowledged is held in memory: at this size it is committed without waiting."""


class WorkerRun:
    """Takes events from a link to an applier until it is told to stop.

    Attributes:
        status: What it is doing.
    """

    def __init__(self, link: Link, applier: Applier, streams: Streams, *, limits: Limits | None = None) -> None:
        """Read from ``link`` and write with ``applier``."""
        self.status = Status(applier.site.worker, applier.tally)
        self._link = link
        self._applier = applier
        self._backfill = Backfill(applier)
        self._streams = streams
        self._limits = limits or Limits()
        self._written: list[Message] = []
        self._stop = asyncio.Event()
        self._lost: NearclassError | None = None
        self._committed_at = self._swept_at = float("-inf")
        self._sweeping = False
        batch_bytes = _VECTORS_BYTES if applier.site.space else _TEXTS_BYTES
        self._inbox = Inbox(self.status, self._limits, self._stop, batch_bytes=batch_bytes)
        self._patience = Patience(self.status, self._stop)

    def stop(self) -> None:
        """Finish the batch at hand, and return from ``run``."""
        self.status.doing = "stopping"
        self._stop.set()
        self._stopping = asyncio.ensure_future(self._inbox.wake())

    async def run(self) -> None:
        """Work until ``stop``.

        Raises:
            BrokerError: There is no broker at the start.
            NearclassError: The store cannot be used, or the stream is gone, and waiting does not help; nothing is lost.
        """
        await self._link.start(self._inbox.take)
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
            await self._inbox.wake()
            await self._link.stop()
            self._patience.close()

    async def _turn(self) -> None:
        """One batch, then what is due: a commit, a page of items with old answers, what dead workers left."""
        batch = await self._inbox.batch(self._wait_s())
        suspects = [message for message in batch if message.deliveries > _SUSPECT]
        if batch:
            await self._apply([message for message in batch if message.deliveries <= _SUSPECT])
            await self._apart(suspects)
        held = sum(len(message.body) for message in self._written)
        if self._written and (self._due() or held > _HELD_BYTES):
            await self._commit()
        if not self._stop.is_set():
            await self._answer_anew()
        if not batch and (self._sweeping or time.monotonic() - self._swept_at > _SWEEP_S):
            await self._sweep()

    def _wait_s(self) -> float:
        """Seconds until a commit is due, at most one: other things are looked after then."""
        if self._sweeping:
            return 0.0
        if not self._written:
            return 1.0
        return min(max(0.0, self._committed_at + self._limits.flush_s - time.monotonic()), 1.0)

    def _due(self) -> bool:
        return time.monotonic() - self._committed_at >= self._limits.flush_s

    async def _apply(self, batch: Sequence[Message]) -> None:
        events: list[Event] = []
        good: list[Message] = []
        dead: list[tuple[Message, Failure]] = []
        for message in batch:
            found = self._read(message)
            if isinstance(found, BadEventError):
                dead.append((message, Failure(found.code, found.message)))
            else:
                events.append(found)
                good.append(message)
        coming = [found for found in map(self._read, self._inbox.coming()) if isinstance(found, Event)]
        failures = await self._patience.store("apply", lambda: self._applier.apply(events, coming)) if events else {}
        _check(good, failures)
        for place, message in enumerate(good):
            if place not in failures:
                self._written.append(message)
                continue
            message.tries += 1
            if message.tries >= self._limits.tries:
                dead.append((message, failures[place]))
            else:
                self._inbox.again(message, self._limits.retry_s * 2 ** (message.tries - 1))
                self.status.retried += 1
        await self._bury(dead)

    def _read(self, message: Message) -> Event | BadEventError:
        if message.event is None:
            try:
                message.event = parse(message.body, self._applier.site.space)
            except BadEventError as error:
                message.event = error
        return message.event

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
        letters = [
            (message, dead_letter(message, why, stream=stream, worker=worker, at_ms=at_ms)) for message, why in dead
        ]
        await self._patience.broker(lambda: self._link.give_up(self._streams.dead, letters))
        for message, failure in dead:
            self.status.dead[failure.code] += 1
            _log.warning("%s of %s is a dead letter: %s", message.name, stream, failure.message)
        self._forget([message for message, _ in dead])

    async def _commit(self) -> None:
        """Make what was written durable, publish the answers, and acknowledge; in this order."""
        done, self._written = self._written, []
        rows = await self._patience.store("commit", self._applier.commit)
        self._committed_at = time.monotonic()
        await self._publish(rows)
        await self._done(done)

    async def _sweep(self) -> None:
        """A batch of what dead workers left; the next follows when nothing else is there to do."""
        limit = self._limits.batch
        self._sweeping = await self._patience.store("apply", lambda: self._applier.sweep(limit)) == limit
        self._swept_at = time.monotonic()
        await self._commit()

    async def _answer_anew(self) -> None:
        rows = await self._patience.store("backfill", lambda: self._backfill.some(self._limits.batch))
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
            self._forget(messages)

    def _forget(self, messages: Sequence[Message]) -> None:
        self._inbox.done(messages)
        self.status.acknowledged += len(messages)

    async def _keep(self) -> None:
        """Tell the broker, as long as the worker lives, what it is working on."""
        while True:
            self.status.alive_at = time.monotonic()
            try:
                await self._link.keep(self._inbox.in_hand)
            except BrokerError as error:
                _log.info("the broker does not hear what is in hand: %s", error.message)
            except NearclassError as error:
                self._lost = error
                self.stop()
                return
            await asyncio.sleep(self._limits.reclaim_s / 4)


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
