"""Who does the work on shards: processes of Ray, or this one."""

import pickle
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

__all__ = ["Engine", "Task", "ThisProcess", "Work", "Worker"]


class Task(Protocol):
    """One piece of work, which is sent to another process."""

    @property
    def number(self) -> int:
        """Tells it from the others."""
        ...


T_contra = TypeVar("T_contra", bound=Task, contravariant=True)
T = TypeVar("T", bound=Task)


class Worker(Protocol[T_contra]):
    """Does one task after another, in some process; what comes of it is in files."""

    def warm_up(self) -> None:
        """Get ready, so that the first task is as quick as the next."""
        ...

    def do(self, task: T_contra, /) -> None:
        """Do a task; doing it again does no harm."""
        ...


class Work(Protocol[T_contra]):
    """What a kind of tasks needs, which is sent to every process once."""

    def worker(self, threads: int | None) -> Worker[T_contra]:
        """What does the tasks, with so many CPU threads."""
        ...


class Engine(Protocol):
    """Has work done; use it in a ``with`` statement."""

    def __enter__(self) -> Self:
        """Get ready to start what does the work."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""
        ...

    def each(self, work: Work[T], tasks: Sequence[T]) -> Iterator[int]:
        """Numbers of the tasks that are done, as they come.

        Raises:
            NearclassError: What a task raised.
        """
        ...


class ThisProcess:
    """Does it here, one task after another, with no more than another process would have: for tests."""

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def each(self, work: Work[T], tasks: Sequence[T]) -> Iterator[int]:
        """See ``Engine.each``."""
        if not tasks:
            return
        sent: Work[T] = pickle.loads(pickle.dumps(work))  # noqa: S301 - made here a moment ago
        worker = sent.worker(None)
        for task in tasks:
            worker.do(task)
            yield task.number
