"""One job: what is kept of it, and what it has in hand while it runs."""

import threading
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from .times import iso_time

__all__ = ["OPEN", "Cancelled", "Control", "Job", "JobState"]


class JobState(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


OPEN: Final = frozenset({JobState.RUNNING, JobState.CANCELLING})


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        id: Its id; later jobs have greater ones.
        kind: What is done, such as ``learn``.
        state: Where it stands.
        by: Who started it.
        started_at: Seconds since 1970.
        ended_at: The same, or None.
        beat_at: When its process was last heard of.
        doing: What is being done, or was at last, in a word; empty where there is nothing to tell apart.
        done: Steps of it that are done.
        steps: Steps of it in all, or None where that is not known.
        result: What it gave, or None.
        error: Why it failed, or None.
    """

    id: str
    kind: str
    state: JobState
    by: str
    started_at: float
    beat_at: float
    ended_at: float | None = None
    doing: str = ""
    done: int = 0
    steps: int | None = None
    result: Any = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The job as callers see it."""
        found = asdict(self)
        del found["beat_at"]
        return {
            **found,
            "state": self.state.value,
            "started_at": iso_time(self.started_at),
            "ended_at": iso_time(self.ended_at),
        }


class Cancelled(Exception):  # noqa: N818 - no error
    """The job was told to end, and did."""


@dataclass
class Control:
    """What a job has in hand while it runs."""

    _stop: threading.Event = field(default_factory=threading.Event)
    doing: str = ""
    done: int = 0
    steps: int | None = None

    def step(self, done: int = 1, steps: int | None = None) -> None:
        """Say that so many more steps are done, of so many; a job that was cancelled ends here."""
        self.done += done
        self.steps = steps if steps is not None else self.steps
        if self._stop.is_set():
            raise Cancelled

    def at(self, doing: str, done: int, steps: int) -> None:
        """Say what is being done, and how many steps of it in all; a job that was cancelled ends here."""
        self.doing, self.done = doing, done
        self.step(0, steps)

    def cancel(self) -> None:
        """Tell the job to end at its next step."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was told to end."""
        return self._stop.is_set()
