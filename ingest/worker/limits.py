"""Which streams a worker reads and writes, and how much at a time."""

from dataclasses import dataclass

__all__ = ["Limits", "Streams"]


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
        batch: Events that are embedded and written together; fewer where they are long.
        flush_s: How long what is written may wait to be flushed and acknowledged with more.
        tries: How often an event that cannot be stored is tried.
        retry_s: Wait before the second try; doubled each time.
        reclaim_s: After how long without a sign of life the messages of a worker go to others.
    """

    batch: int = 1024
    flush_s: float = 5.0
    tries: int = 3
    retry_s: float = 1.0
    reclaim_s: float = 45.0
