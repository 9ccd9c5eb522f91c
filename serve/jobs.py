"""Long work: one job at a time in a catalogue, kept in it, so that a restart can say what became of each."""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Final

import orjson

from ..errors import NearclassError
from ..store.state import Document, State
from .audit import where
from .job import OPEN, Cancelled, Control, Job, JobState
from .problems import Problem

__all__ = ["Jobs"]

_log = logging.getLogger(__name__)

_KIND: Final = "job"
_BEAT_S: Final = 15.0
_DEAD_S: Final = 60.0
"""On a shared store, a job whose process has not been heard of for so long is taken for interrupted."""

_RESULT: Final = "job_result"
_PART_CHARS: Final = 20_000
"""Of a result in one document, which may have 60,000 bytes: a character has three at most."""


class Jobs:
    """The jobs of a catalogue; may be used from several threads."""

    def __init__(
        self,
        state: State,
        *,
        shared: bool,
        running: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep them in ``state``; ``shared`` says whether other processes may; ``running`` is told how many run."""
        self._state = state
        self._shared = shared
        self._running = running
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Job | None = None
        self._control = Control()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def take_up(self) -> None:
        """Note as interrupted what a process that is gone was doing."""
        for job in self.every():
            if job.state in OPEN and not self._alive(job):
                self._put(replace(job, state=JobState.INTERRUPTED, ended_at=self._clock()))

    def every(self) -> list[Job]:
        """All jobs, the newest first."""
        found = {document.name: _job(document) for document in self._state.every(_KIND)}
        with self._lock:
            if self._current is not None:
                found[self._current.id] = self._now(self._current)
        return [found[name] for name in sorted(found, reverse=True)]

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            Problem: There is none with this id.
        """
        with self._lock:
            if self._current is not None and self._current.id == job_id:
                return self._now(self._current)
        document = self._state.get(_KIND, job_id)
        if document is None:
            raise Problem("not-found", f"no job {job_id!r}", hint="GET /v1/jobs lists them.")
        return self._whole(_job(document))

    def start(self, kind: str, by: str, work: Callable[[Control], Any]) -> Job:
        """Begin a job; ``work`` runs in a thread of its own and gives what can be written as JSON.

        Raises:
            Problem: ``job-running``: there is one already.
        """
        with self._lock:
            if self._stopping:
                raise Problem("draining", "the service is about to stop")
            other = self._current or next((one for one in self._others() if self._alive(one)), None)
            if other is not None:
                message = f"the job {other.id} ({other.kind}) is running"
                hint = "One job runs at a time: wait for it, or POST /v1/jobs/{id}/cancel."
                raise Problem("job-running", message, hint=hint, job=other.id)
            now = self._clock()
            job = Job(f"{int(now * 1000):013d}-{secrets.token_hex(4)}", kind, JobState.RUNNING, by, now, now)
            self._put(job)
            self._current, self._control = job, Control()
            self._thread = threading.Thread(target=self._run, args=(job, work, self._control), name=f"job-{kind}")
            self._thread.start()
            if self._shared:
                threading.Thread(target=self._beat, args=(job,), daemon=True, name="job-beat").start()
        self._running(1)
        return job

    def cancel(self, job_id: str) -> Job:
        """Tell a job to end at its next step; one that has ended stays as it is.

        Raises:
            Problem: There is no such job, or another process runs it.
        """
        with self._lock:
            if self._current is not None and self._current.id == job_id:
                self._control.cancel()
                self._current = replace(self._current, state=JobState.CANCELLING)
                return self._now(self._current)
        job = self.get(job_id)
        if job.state in OPEN:
            raise Problem("job-running", f"the job {job_id} runs in another process, which must be asked")
        return job

    def stop(self, timeout_s: float) -> None:
        """Tell the job that runs to end, and wait for it; what has not ended then is noted as interrupted."""
        with self._lock:
            self._stopping = True
            thread, job = self._thread, self._current
            self._control.cancel()
        if thread is not None:
            thread.join(timeout_s)
            if thread.is_alive() and job is not None:
                with contextlib.suppress(NearclassError):
                    self._put(replace(job, state=JobState.INTERRUPTED, ended_at=self._clock()))

    def _run(self, job: Job, work: Callable[[Control], Any], control: Control) -> None:
        ended = replace(job, state=JobState.DONE)
        try:
            ended = replace(ended, result=work(control))
        except Cancelled:
            ended = replace(job, state=JobState.INTERRUPTED if self._stopping else JobState.CANCELLED)
        except NearclassError as error:
            ended = replace(job, state=JobState.FAILED, error=str(error))
        except Exception as error:  # noqa: BLE001 - a thread that nobody waits for
            _log.error("the job %s (%s) failed: %s\n%s", job.id, job.kind, type(error).__qualname__, where(error))
            ended = replace(job, state=JobState.FAILED, error=f"{type(error).__name__}; the log says more")
        ended = replace(self._now(ended), ended_at=self._clock())
        try:
            self._put(ended)
        except NearclassError as error:
            _log.warning("the end of the job %s could not be kept: %s", job.id, error.message)
        with self._lock:
            self._current = None
        self._running(0)

    def _now(self, job: Job) -> Job:
        return replace(job, doing=self._control.doing, done=self._control.done, steps=self._control.steps)

    def _others(self) -> list[Job]:
        """Jobs of other processes that have not ended, as far as is known."""
        every = (_job(document) for document in self._state.every(_KIND)) if self._shared else ()
        return [job for job in every if job.state in OPEN]

    def _alive(self, job: Job) -> bool:
        return self._shared and self._clock() - job.beat_at < _DEAD_S

    def _beat(self, job: Job) -> None:
        while True:
            time.sleep(_BEAT_S)
            with self._lock:
                if self._current is None or self._current.id != job.id:
                    return
                beat = replace(self._now(self._current), beat_at=self._clock())
                with contextlib.suppress(NearclassError):
                    self._put(beat)

    def _put(self, job: Job) -> None:
        body = {**asdict(replace(job, result=None)), "state": job.state.value}
        del body["id"]
        text = "" if job.result is None else orjson.dumps(job.result, default=str).decode()
        parts = [text[start : start + _PART_CHARS] for start in range(0, len(text), _PART_CHARS)]
        documents = [Document(_RESULT, f"{job.id}/{number:06d}", {"text": part}) for number, part in enumerate(parts)]
        self._state.put(*documents, Document(_KIND, job.id, {**body, "parts": len(parts)}))

    def _whole(self, job: Job) -> Job:
        """The job with its result, which stands in documents of its own."""
        parts: list[str] = []
        while (part := self._state.get(_RESULT, f"{job.id}/{len(parts):06d}")) is not None:
            parts.append(part.body["text"])
        return replace(job, result=orjson.loads("".join(parts))) if parts else job


def _job(document: Document) -> Job:
    body = {name: value for name, value in document.body.items() if name != "parts"}
    return Job(document.name, **{**body, "state": JobState(body["state"])})
