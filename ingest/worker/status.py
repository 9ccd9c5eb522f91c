"""What a worker is doing and has done, as numbers that a health page and a metrics page read."""

import time
from collections import Counter
from dataclasses import dataclass, field

from .outcomes import Tally

__all__ = ["Status"]


@dataclass(slots=True)
class Status:
    """Written by the worker, read by whoever asks.

    Attributes:
        worker: Its name.
        tally: What became of events.
        doing: ``starting``, ``ready``, ``waiting`` for the store or the broker, or ``stopping``.
        trouble: Why it waits; empty where it does not.
        received: Messages delivered.
        acknowledged: Messages that are done, dead letters included.
        retried: Times that an event was put aside to be tried again.
        dead: Dead letters by the code of their reason.
        published: Answers written to the output stream.
        in_hand: Messages delivered and not acknowledged.
        waits: Times that the store or the broker did not do its part.
        seconds: Time spent, by what on: ``apply``, ``commit``, ``publish``, ``backfill``.
        alive_at: Moment of the last sign of life, by the monotonic clock.
    """

    worker: str
    tally: Tally
    doing: str = "starting"
    trouble: str = ""
    received: int = 0
    acknowledged: int = 0
    retried: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    published: int = 0
    in_hand: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    alive_at: float = field(default_factory=time.monotonic)

    def spent(self, what: str, since: float) -> None:
        """Add the time since a moment of the monotonic clock."""
        self.seconds[what] += time.monotonic() - since  # type: ignore[assignment]
