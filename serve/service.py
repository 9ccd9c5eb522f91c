"""What all requests share: the catalogue, keys, queues, jobs, figures; made once, started and stopped with the app."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ..cores import usable_cores
from ..errors import NearclassError
from ..schemas.written import Written
from ..store.state import State
from .answering import Answering, Question
from .audit import Audit
from .batching import Batcher
from .idempotency import Replies
from .jobs import Jobs
from .keys import Keys
from .metrics import Metrics
from .options import ServiceOptions
from .pool import Pool
from .sessions import Sessions
from .uploads import Uploads
from .writing import Write, Writing

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.sources import BadRow
    from ..schemas.records import Assignment

__all__ = ["Service"]

_log = logging.getLogger(__name__)

_KEYS_EVERY_S: Final = 1.0
_FORGET_EVERY_S: Final = 3600.0


class Service:
    """A catalogue that is being served.

    Attributes:
        catalog: The catalogue.
        options: How the service is set up.
        keys: Who may call.
        sessions: Of the page.
        audit: What was done.
        metrics: Figures.
        pool: Threads for calls that block.
        jobs: Long work.
        replies: Answers to repeated writes.
        uploads: Pictures that come with requests.
        item_lock: Held while stored items are changed: there is one writer at a time.
        draining: Whether it is about to stop: what comes now is turned away.
        ready: Whether the model is loaded.
    """

    def __init__(self, catalog: "Catalog", options: ServiceOptions) -> None:
        """Serve an open catalogue; whoever opened it closes it."""
        state = State(catalog.store, catalog.settings.catalog)
        shared = not catalog.store.embedded
        self.catalog = catalog
        self.options = options
        self.keys = Keys(state, shared=shared)
        self.sessions = Sessions()
        self.audit = Audit(state)
        self.metrics = Metrics()
        self.pool = Pool(options.threads)
        self.item_lock = threading.Lock()
        self.uploads = Uploads(options.picture_folder, max_bytes=int(catalog.settings.picture_max_mb * 1_000_000))
        self.replies = Replies(state)
        self.jobs = Jobs(state, shared=shared, running=self.metrics.jobs.set)
        self.draining = False
        self.ready = False
        answering = Answering(catalog, self.metrics)
        writing = Writing(catalog, self.metrics, self.item_lock)
        self.answers: Batcher[Question, Sequence[Assignment | BadRow]] = Batcher(
            answering.answer,
            name="answers",
            most=options.batch_items,
            most_waiting=options.max_waiting_items,
            threads=catalog.settings.threads or usable_cores(),
        )
        self.writes: Batcher[Write, Written] = Batcher(
            writing.write, name="writes", most=1024, most_waiting=options.max_waiting_items * 4
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Load the model, take up what an earlier process left, and begin to answer."""
        self.answers.start()
        self.writes.start()
        await self.pool.run(self._prepare)
        self._tasks = [asyncio.create_task(self._repeat(self.keys.refresh, _KEYS_EVERY_S))]
        self._tasks.append(asyncio.create_task(self._repeat(self.replies.forget_old, _FORGET_EVERY_S)))
        self.ready = True

    async def stop(self) -> None:
        """Finish what was accepted; jobs are told to end and noted as interrupted."""
        self.draining, self.ready = True, False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.answers.stop()
        await self.writes.stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.jobs.stop, self.options.drain_s)
        await loop.run_in_executor(None, self.pool.stop)
        self.uploads.close()

    def problems(self) -> dict[str, str]:
        """What keeps the service from answering, by the name of what was checked; empty when it is ready."""
        found: dict[str, str] = {}
        if self.draining:
            found["service"] = "it is about to stop"
        elif not self.ready:
            found["model"] = "it is being loaded"
        try:
            for space in self.catalog.spaces:
                self.catalog.items(space.name if space.kind == "precomputed" else None).count()
                break
            self.metrics.revision.set(self.catalog.classes.taxonomy.revision)
        except NearclassError as error:
            found["store"] = type(error).__name__
        return found

    def _prepare(self) -> None:
        self.keys.refresh()
        self.jobs.take_up()
        self.replies.forget_old()
        self.catalog.warm_up()
        self.metrics.revision.set(self.catalog.classes.taxonomy.revision)

    async def _repeat(self, call: Callable[[], None], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.pool.run(call)
            except Exception as error:  # noqa: BLE001 - the store may be away for a while
                _log.warning("%s failed: %s", call.__qualname__, type(error).__name__)
