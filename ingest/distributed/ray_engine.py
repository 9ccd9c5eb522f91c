"""Work on shards done by actors of Ray, on this machine or on a cluster.

Ray Data shares out the shards: ``map_batches`` over their list, one at a time, by a pool of actors with an encoder
each. An actor that dies is started again and its shard begun again; a shard that is half done has left nothing behind.
What an actor answers is the number of a shard: vectors never travel through Ray.
"""

import functools
import logging
import os
import pickle
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from ...cores import usable_cores
from ...errors import NearclassError, UsageError
from .engines import Task, Work, Worker

if TYPE_CHECKING:
    import ray

__all__ = ["LOCAL", "RayEngine"]

LOCAL: Final = "local"
"""Address that stands for a Ray of this run's own, on this machine only."""

_CORES_PER_ACTOR: Final = 4
"""More threads for one encoder bring little; an actor takes some 0.6 GB of memory with a small model."""

_ANSWERS_S: Final = 10.0

_ALONE: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # for every system: everything listens on the loopback only
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_gcs_server_port_wait_time_s": "120",  # of 30, which a busy machine takes
}
"""Environment of a Ray of our own (ray 2.60): nobody is told of it, and no other user of the machine reaches it."""

_STARTS: Final = 3
"""How often a Ray of our own is started: it gives its parts 30 seconds, whatever else the machine does."""

_log = logging.getLogger("nearclass.ingest")


T = TypeVar("T", bound=Task)


class RayEngine:
    """Has work done by actors of Ray, which is started or joined when there is something to do."""

    def __init__(
        self,
        address: str | None = None,
        *,
        actors: int | None = None,
        threads: int | None = None,
        device: str = "auto",
    ) -> None:
        """Share work out.

        Args:
            address: Of a cluster, as ``ray.init`` takes it; by default a Ray of our own on this machine.
            actors: How many; by default one for each GPU, or for each four cores.
            threads: CPU threads of each; by default its share of the cores, four at most.
            device: ``cpu`` leaves GPUs alone.
        """
        self._address = address or LOCAL
        self._actors = actors
        self._threads = threads
        self._device = device
        self._stack = ExitStack()
        self._ray: Any = None

    def __enter__(self) -> Self:
        """Return the engine; nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave Ray, and end it where this engine started it."""
        self._ray = None
        self._stack.close()

    def each(self, work: Work[T], tasks: Sequence[T]) -> Iterator[int]:
        """See ``Engine.each``.

        Raises:
            UsageError: Ray is not installed, or the cluster does not answer.
        """
        if not tasks:
            return
        if self._ray is None:
            self._ray = self._stack.enter_context(_session(self._address))
        pool = self._pool(self._ray.cluster_resources(), len(tasks))
        _log.info("%d tasks by %d actors with %d threads and %d GPUs each", len(tasks), *pool.facts)
        # In a list: Ray would resolve a reference given by itself, and could not start a dead actor again.
        references = [self._ray.put(work)]
        yield from _numbers(_dataset(tasks, references, pool))

    def _pool(self, resources: dict[str, float], tasks: int) -> "_Pool":
        """How many actors there are, and what each may use."""
        cores, gpus = max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0))
        if gpus and self._device in {"auto", "cuda"}:
            actors = min(self._actors or gpus, tasks)
            return _Pool(actors, self._threads or max(1, min(_CORES_PER_ACTOR, cores // actors)), 1)
        threads = self._threads or (max(1, cores // self._actors) if self._actors else min(_CORES_PER_ACTOR, cores))
        return _Pool(min(self._actors or max(1, cores // threads), tasks), min(threads, cores), 0)


@dataclass(frozen=True, slots=True)
class _Pool:
    actors: int
    threads: int
    gpus: int

    @property
    def facts(self) -> tuple[int, int, int]:
        return self.actors, self.threads, self.gpus


class _Actor:
    """What Ray makes once in a process of its own, and then calls for each task."""

    def __init__(self, references: "list[ray.ObjectRef[Any]]", threads: int) -> None:
        import ray  # noqa: PLC0415 - slow to import

        self._failed: NearclassError | None = None
        self._worker: Worker[Any] = ray.get(references[0]).worker(threads)
        try:
            self._worker.warm_up()
        except NearclassError as error:  # Ray would start the actor again and again
            self._failed = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Do the tasks of a batch; an error of ours is an answer, since Ray would try again what cannot succeed."""
        numbers, errors = [], []
        for data in batch["task"]:
            task: Task = pickle.loads(data)  # noqa: S301 - from the process that started this one
            error = self._failed
            try:
                if error is None:
                    self._worker.do(task)
            except NearclassError as raised:
                error = raised
            numbers.append(task.number)
            errors.append(b"" if error is None else pickle.dumps((type(error), error.message, error.hint)))
        return {"number": numbers, "error": errors}


def _dataset(tasks: Sequence[Task], references: "list[ray.ObjectRef[Any]]", pool: _Pool) -> Any:
    import ray.data  # noqa: PLC0415 - slow to import

    rows = [{"task": pickle.dumps(task)} for task in tasks]
    return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Actor,
        fn_constructor_args=(references, pool.threads),
        batch_size=1,
        # One at a time, so that no shard waits behind another while an actor is idle.
        compute=ray.data.ActorPoolStrategy(size=pool.actors, max_tasks_in_flight_per_actor=1),
        num_cpus=0 if pool.gpus else pool.threads,
        num_gpus=pool.gpus,
    )


def _numbers(dataset: Any) -> Iterator[int]:
    """What the actors answer, as it comes."""
    import ray  # noqa: PLC0415 - slow to import

    try:
        for batch in dataset.iter_batches(batch_size=None, prefetch_batches=0):
            for number, error in zip(batch["number"], batch["error"], strict=True):
                if error:
                    kind, message, hint = pickle.loads(error)  # noqa: S301 - from a process that this one started
                    raise kind(message, hint=hint)
                yield int(number)
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException) as error:
        message = f"Ray gave up: {type(error).__name__}: {str(error).strip().splitlines()[-1]}"
        hint = "Run it again: what is done is kept. The logs of Ray are in /tmp/ray/session_latest/logs."
        raise NearclassError(message, hint=hint) from error


@contextmanager
def _session(address: str) -> "Iterator[Any]":
    """Ray, started or joined, and left again; one that this process is in already is used and stays.

    Raises:
        UsageError: Ray is not installed, or no cluster answers at the address.
    """
    before = {name: os.environ.get(name) for name in (*_ALONE, "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    if address == LOCAL:
        os.environ.update({"RAY_AUTH_TOKEN": _token(), **_ALONE})
    try:
        import ray  # noqa: PLC0415 - slow to import
    except ImportError as error:
        message = "Ray is not installed"
        raise UsageError(message, hint='Type: pip install "nearclass[ray]"') from error
    joined = ray.is_initialized()
    try:
        if not joined:
            _start(ray, address)
        _quiet(ray)
        yield ray
    finally:
        if not joined:
            ray.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def _token() -> str:
    """What the processes of a Ray of our own know each other by; Ray keeps it for as long as this process lives."""
    return secrets.token_hex(32)


def _start(ray: Any, address: str) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False}
    if address == LOCAL:
        _start_own(ray, quiet)
        return
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        message = f"no Ray at {address}: {error}"
        raise UsageError(
            message, hint="Give the address of a running cluster with --ray-address, or leave it out."
        ) from error


def _start_own(ray: Any, quiet: dict[str, bool]) -> None:
    # As the variable says, where somebody has imported Ray before it was set.
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # noqa: SLF001
    for left in reversed(range(_STARTS)):
        try:
            ray.init(address=LOCAL, num_cpus=usable_cores(), include_dashboard=False, **quiet)
        except Exception as error:  # what Ray raises itself where a part of it is late
            ray.shutdown()
            if left:
                _log.warning("Ray did not start, and is started again: %s", error)
                continue
            message = f"Ray does not start on this machine: {error}"
            raise NearclassError(
                message, hint="Run it again when the machine is less busy; what is done is kept."
            ) from error
        return


def _knock(address: str) -> None:
    """Fail soon where nobody listens: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_ANSWERS_S).close()


def _quiet(ray: Any) -> None:
    """Progress is told by the run."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.enable_operator_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
