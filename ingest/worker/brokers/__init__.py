"""Brokers by the scheme of their URL; each needs the extra of its name."""

import importlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ....errors import UsageError
from ..link import Link

__all__ = ["SCHEMES", "open_link", "shown"]

SCHEMES: Final = {
    "redis": ("redis", "RedisLink", "worker"),
    "rediss": ("redis", "RedisLink", "worker"),
    "nats": ("nats", "NatsLink", "worker-nats"),
    "kafka": ("kafka", "KafkaLink", "worker-kafka"),
    "amqp": ("rabbit", "RabbitLink", "worker-rabbit"),
    "amqps": ("rabbit", "RabbitLink", "worker-rabbit"),
}
"""Scheme of a URL to module, class, and the extra that installs what it imports."""


def open_link(
    url: str, stream: str, *, group: str, consumer: str, batch: int, reclaim_s: float, others: Sequence[str] = ()
) -> Link:
    """The link to a stream of the broker at a URL; not connected yet.

    Args:
        url: Such as ``redis://localhost:6379``.
        stream: Name of the stream.
        group: Name of the group of workers that share it.
        consumer: Name of this worker.
        batch: Messages that are read at a time.
        reclaim_s: How long a message may be with a worker that gives no sign of life.
        others: Streams that are written to.

    Raises:
        UsageError: The scheme is not known, or the client of its broker is not installed.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in SCHEMES:
        message = f"no broker for {shown(url)!r}: the scheme is {scheme!r}"
        raise UsageError(message, hint=f"Give a URL that begins with {', '.join(f'{one}://' for one in SCHEMES)}.")
    module, name, extra = SCHEMES[scheme]
    try:
        found: Any = importlib.import_module(f".{module}", __name__)
    except ImportError as error:
        message = f"the client for {scheme}:// is not installed: {error}"
        raise UsageError(message, hint=f"Type: pip install 'nearclass[{extra}]'") from error
    how = {"group": group, "consumer": consumer, "batch": batch, "reclaim_s": reclaim_s, "others": others}
    link: Link = getattr(found, name)(url, stream, **how)
    return link


def shown(url: str) -> str:
    """A URL without its password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://**********@{rest.rpartition('@')[2]}" if separator and "@" in rest else url
