"""The worker as a process: a catalogue, a broker, signals, and a page that says how it goes."""

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from .catalog import Catalog
from .errors import UsageError
from .ingest.change import Change
from .ingest.worker.applying import Applier, Site
from .ingest.worker.brokers import open_link
from .ingest.worker.letters import original
from .ingest.worker.limits import Limits, Streams
from .ingest.worker.link import Link, Message
from .ingest.worker.run import WorkerRun
from .ingest.worker.status import Status
from .ingest.worker.target import CatalogTarget
from .schemas.records import ClassSpec
from .store.source_versions import Claims, NoClaims, Versions

__all__ = ["WorkerOptions", "replay", "work"]

_log = logging.getLogger(__name__)

_LEAVE_S: Final = 25.0
"""After this long a batch is left unfinished: an orchestrator kills after 30 s, and what is left is delivered again."""

_PAGE: Final = 256
"""Messages that a broker is asked for at a time, however many are a batch: those of 64 KiB are 16 MiB."""

_QUIET_S: Final = 3.0
"""A stream that gives nothing for so long is at its end."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker reads, and how.

    Attributes:
        url: Of the broker.
        stream: Where events are read.
        output: Where answers are written; empty for nowhere, by default the stream with ``.assignments``.
        dead: Where dead letters are written; by default the stream with ``.dead``.
        group: Workers of one group share a stream; by default that of the catalogue.
        space: Name of a space of given vectors; by default texts and pictures are embedded.
        limits: How much at a time.
        listen: ``host:port`` of health and metrics, or ``off``.
        name: Of this worker, like no other.
    """

    url: str
    stream: str = "nearclass.events"
    output: str | None = None
    dead: str | None = None
    group: str | None = None
    space: str | None = None
    limits: Limits = field(default_factory=Limits)
    listen: str = "127.0.0.1:9108"
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[-72:])

    @property
    def streams(self) -> Streams:
        """The names of the three streams."""
        output = f"{self.stream}.assignments" if self.output is None else self.output
        return Streams(self.stream, output, self.dead or f"{self.stream}.dead")


def work(catalog: Catalog, options: WorkerOptions) -> Status:
    """Consume events until SIGTERM or SIGINT; what it did.

    Raises:
        UsageError: The broker's client is not installed, or something in the options does not fit.
        BrokerError: No broker answers at the start.
        StoreError: The store cannot be used, and waiting does not help. Nothing is lost: start again.
    """
    catalog.warm_up()
    with catalog.writing(options.space) as writer:
        put = partial(_put_classes, catalog, options.space)
        target = CatalogTarget(
            writer, lambda: catalog.items(options.space).stored, catalog.classes.signed(message="worker"), put
        )
        name = catalog.settings.catalog
        claims = NoClaims() if catalog.store.embedded else Claims(catalog.store, name)
        versions = Versions(catalog.store, name)
        site = Site(target, versions, claims, options.name, options.space or "")
        return asyncio.run(_work(Applier(site), options, options.group or f"nearclass-{name}"))


async def _work(applier: Applier, options: WorkerOptions, group: str) -> Status:
    streams, limits = options.streams, options.limits
    others = [name for name in (streams.output, streams.dead) if name]
    link = open_link(
        options.url,
        options.stream,
        group=group,
        consumer=options.name,
        batch=min(limits.batch, _PAGE),
        reclaim_s=limits.reclaim_s,
        others=others,
    )
    run = WorkerRun(link, applier, streams, limits=limits)
    with _listening(run.status, options.listen), _signals(run):
        await run.run()
    return run.status


def _put_classes(catalog: Catalog, space: str | None, specs: Sequence[ClassSpec]) -> Change:
    if space is None:
        return catalog.import_classes(specs, message="worker")
    given = any(spec.vector is not None for spec in specs)
    if given:
        return catalog.import_classes(specs, space=space, message="worker")
    return catalog.classes.signed(message="worker").put(specs, text=False)


async def _drain(link: Link, streams: Streams) -> tuple[int, int]:
    queue: asyncio.Queue[Message] = asyncio.Queue(1000)

    async def take(messages: Sequence[Message]) -> None:
        for message in messages:
            await queue.put(message)

    sent: set[bytes] = set()
    unreadable = 0
    await link.start(take)
    try:
        while True:
            try:
                message = await asyncio.wait_for(queue.get(), _QUIET_S)
            except TimeoutError:
                return len(sent), unreadable
            body = original(message.body)
            if body is None:
                unreadable += 1
                _log.warning("%s of %s is no dead letter, and stays there", message.name, streams.dead)
                continue
            digest = hashlib.sha256(body).digest()
            if digest in sent:  # a worker has it back already, or there are two letters of one message
                continue
            await link.publish(streams.events, [body])
            await link.ack([message])
            sent.add(digest)
    finally:
        await link.stop()


def replay(catalog_name: str, options: WorkerOptions) -> tuple[int, int]:
    """Write the messages of the dead letters back to the stream they came from.

    Returns:
        How many went back, and how many entries are no dead letters.

    Raises:
        UsageError: The broker's client is not installed.
        BrokerError: No broker answers, or it does not do its part; what went back is not sent again.
    """
    group = f"{options.group or f'nearclass-{catalog_name}'}-replay"
    streams = options.streams
    link = open_link(
        options.url,
        streams.dead,
        group=group,
        consumer=options.name,
        batch=100,
        reclaim_s=_QUIET_S,
        others=[streams.events],
    )
    return asyncio.run(_drain(link, streams))


@contextlib.contextmanager
def _listening(status: Status, listen: str) -> Iterator[None]:
    if listen == "off":
        yield
        return
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not host:
        raise UsageError(f"{listen!r} is not host:port", hint="Write for example 127.0.0.1:9108, or off.")
    try:
        from .ingest.worker.health import HealthPage  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        message = f"the client for metrics is not installed: {error}"
        raise UsageError(message, hint="Type: pip install 'nearclass[worker]', or give --listen off.") from error
    with HealthPage(status, host.strip("[]"), int(port)) as page:
        _log.warning("worker %s: health and metrics at %s", status.worker, page.url)
        yield


@contextlib.contextmanager
def _signals(run: WorkerRun) -> Iterator[None]:
    """Finish at the first signal, and leave at the latest when its time is over."""
    loop = asyncio.get_running_loop()
    timers: list[threading.Timer] = []

    def stop() -> None:
        if timers:
            return
        timers.append(threading.Timer(_LEAVE_S, _leave))
        timers[0].daemon = True
        timers[0].start()
        run.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _leave() -> None:
    """End now. The embedded engine keeps what it was given, and nothing unfinished was acknowledged."""
    print("error: the batch was not finished in time; it will be delivered again", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)
