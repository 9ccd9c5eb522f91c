"""nearclass worker: events of a stream into the catalogue."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import rich_click as click

from .common import App, Rows, format_option, pass_app, space_option

if TYPE_CHECKING:
    from ..ingest.worker.status import Status

__all__ = ["command"]


@click.command("worker")
@click.argument("url", metavar="URL", required=False)
@click.option("--stream", default="nearclass.events", show_default=True, metavar="NAME", help="Where events are read.")
@click.option("--answers", metavar="NAME", help="Where answers are written, or off; by default STREAM.assignments.")
@click.option("--dead-letters", metavar="NAME", help="Where messages go that cannot be stored; by default STREAM.dead.")
@click.option("--group", metavar="NAME", help="Workers of one group share the stream; by default nearclass-CATALOG.")
@click.option(
    "--batch",
    default=1024,
    show_default=True,
    type=click.IntRange(1, 4096),
    help="Events at a time, fewer where they are long.",
)
@click.option(
    "--flush-s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="How long what is written may wait to be made durable, with more, and acknowledged.",
)
@click.option(
    "--tries", default=3, show_default=True, type=click.IntRange(1, 100), help="Tries before an event is given up."
)
@click.option(
    "--reclaim-s",
    default=45.0,
    show_default=True,
    type=click.FloatRange(2, 200),
    help="After how long without a sign of life the messages of a worker go to others.",
)
@click.option(
    "--listen",
    default="127.0.0.1:9108",
    show_default=True,
    metavar="HOST:PORT",
    help="Where health and metrics are; port 0 takes a free one, off none.",
)
@click.option("--replay-dead-letters", is_flag=True, help="Write dead letters back to the stream, and end.")
@space_option
@format_option
@pass_app
def command(  # noqa: PLR0917 - click gives them by name
    app: App,
    url: str | None,
    stream: str,
    answers: str | None,
    dead_letters: str | None,
    group: str | None,
    batch: int,
    flush_s: float,
    tries: int,
    reclaim_s: float,
    listen: str,
    *,
    replay_dead_letters: bool,
    space: str | None,
    output: str | None,
) -> None:
    """Keep the catalogue as a stream of events says, until SIGTERM or Ctrl-C.

    URL is that of a broker: redis://, nats://, kafka:// or amqp:// (RabbitMQ); by default the setting broker_url. Items
    and classes are stored, removed and answered as their events say; each is acknowledged when it is durable.

    Example: nearclass worker redis://localhost:6379 --stream catalogue
    """
    from ..errors import UsageError  # noqa: PLC0415 - help must not wait
    from ..ingest.worker.limits import Limits  # noqa: PLC0415
    from ..worker import WorkerOptions, replay, work  # noqa: PLC0415

    settings = app.load().settings
    where = url or (settings.broker_url.get_secret_value() if settings.broker_url else None)
    if where is None:
        raise UsageError("no broker is named", hint="Type for example: nearclass worker redis://localhost:6379")
    options = WorkerOptions(
        where,
        stream,
        "" if answers == "off" else answers,
        dead_letters,
        group,
        space,
        Limits(batch, flush_s, tries, reclaim_s=reclaim_s),
        listen,
    )
    if replay_dead_letters:
        replayed, unreadable = replay(settings.catalog, options)
        Rows(output).one({"replayed": replayed, "no_dead_letters": unreadable})
        return
    with app.open(apart=True) as catalog:
        Rows(output).one(summary(work(catalog, options)))


def summary(status: Status) -> dict[str, int]:
    """What a worker did, as counts."""
    tally = {one.name: getattr(status.tally, one.name) for one in fields(status.tally)}
    return {"received": status.received, **tally, "dead": sum(status.dead.values()), "published": status.published}
