"""Moving a catalogue to another encoder: a new space is filled while the old one serves, and serves all at once.

The new space has collections of its own, so nothing that is read changes meanwhile, and the switch is one document.
The old space is kept, so that going back is the same move the other way round. Texts and pictures move alike, one of
them at a time; what is particular to either stands in ``reembedding_spaces``.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .encoders.base import Encoder
from .errors import UsageError
from .ingest.agreement import agreement
from .ingest.labelled import Labelled
from .ingest.reembed import Pace, SpaceFilling
from .query.live import LiveSpace
from .reembedding_judging import SpacesJudging
from .reembedding_pictures import PicturesThere, measure_pictures, pictures_there
from .reembedding_plan import Sizes, measure
from .reembedding_report import Plan, Report, Status
from .reembedding_spaces import MovedSpaces, OnReject, kind_of, left_out_refused
from .schemas.progress import SILENT, OnProgress
from .schemas.spaces import Space
from .store.reembed import DROPPING, FILLED, FILLING, Job, drop_job, read_job, write_job

__all__ = ["Reembedding"]

_PASSED: Final[OnReject] = lambda _row: None  # noqa: E731


@dataclass(frozen=True)
class Reembedding:
    """Plans, runs and undoes the move of an open catalogue to another encoder, of texts or of pictures.

    Every method may be cut off anywhere, and repeated.
    """

    moved: MovedSpaces
    live: Callable[[str], LiveSpace]

    def status(self) -> Status:
        """Where the move stands."""
        job = read_job(self.moved.state)
        serving = self.moved.spaces.serving(job.kind if job else "text").serving
        items = self.moved.items(serving)
        if job is None:
            return Status("none", serving, "", "", items, 0, "nearclass reembed plan --encoder NAME")
        other = job.old if serving == job.new else job.new
        step, what = _standing(job, serving)
        return Status(step, serving, other, job.encoder, items, self.moved.items(other), what)

    def plan(self, encoder: str | Encoder, *, pictures: Sequence[Path] = ()) -> Plan:
        """What moving to this encoder would do; nothing is written.

        Args:
            encoder: A preset, a model id, a folder, or an encoder itself.
            pictures: Folders that stored paths of pictures may begin in, besides those that are known.

        Raises:
            UsageError: The catalogue has no space of the kind, or is in that one.
            ModelNotFoundError: There is no such model.
        """
        moved = self.moved
        old, made = self._begin(encoder, kind_of(encoder))
        place, new = moved.place(old), moved.place(made.space)
        there, text_bytes = None, 0.0
        if made.space.kind == "image":
            moved.images.look_in(pictures)
            there = self._there(old)
            rate = measure_pictures(moved.store, place, moved.pictures(made.space))
        else:
            rate, text_bytes = measure(moved.store, place, made)
        return Sizes.of(moved.store, place, new).plan(
            made.space,
            old,
            rate,
            text_bytes,
            classes=len(moved.classes.taxonomy.assignable()),
            embedded=moved.store.embedded,
            learnt=self._judged.learner(old) > 0,
            calibrated=self._judged.precision(old) is not None,
            pictures=there,
        )

    def run(
        self,
        encoder: str | Encoder | None = None,
        *,
        rate: float | None = None,
        labelled: Sequence[Labelled] = (),
        pictures: Sequence[Path] = (),
        leave_out: bool = False,
        on_progress: OnProgress = SILENT,
        on_reject: OnReject = _PASSED,
    ) -> Report:
        """Fill the space of an encoder beside the one that serves, or go on with that; then ``swap`` may follow.

        Args:
            encoder: As for ``plan``; None goes on with the move that is under way.
            rate: At most so many items a second.
            labelled: Items with their classes, to compare both spaces, and to calibrate the new one if the old one is.
            pictures: Folders that stored paths of pictures may begin in, remembered from now on.
            leave_out: Whether to go on without pictures that cannot be read again: an item goes by its text alone,
                and one that has no text is in the new space no more.
            on_progress: Called as it goes on.
            on_reject: Called with each picture that is left out, and why.

        Raises:
            UsageError: There is nothing to go on with, another move is under way, or pictures are gone.
            ModelNotFoundError: There is no such model.
        """
        started = time.perf_counter()
        moved = self.moved
        job, old, made = self._begun(encoder)
        job = replace(job, leave_out=leave_out or job.leave_out)
        moved.images.folders.note(str(folder) for folder in pictures)
        if job.kind == "image" and not job.leave_out and (there := self._there(old)).missing:
            raise left_out_refused(there.missing, there.example)
        moved.spaces.add(made.space)
        write_job(moved.state, replace(job, step=FILLING))
        filling = moved.filling(old, made.space)
        total, done = moved.items(old.name), 0

        def on_rows(seen: int, _embedded: int) -> None:
            nonlocal done
            done += seen
            on_progress("items", done, max(done, total))

        copied = filling.fill(Pace(rate), on_rows)
        left_out = moved.lost(filling, job, on_reject)
        filling.bring_classes()
        learnt = self._learnt(filling)
        calibrated = self._judged.calibrate(old, made.space, labelled)
        job = self._answer(filling, replace(job, step=FILLING), on_progress)
        report = Report(
            old.name,
            made.space.name,
            moved.items(made.space.name),
            agreement(moved.store, *filling.places, moved.taxonomies.current()),
            self._judged.compare(old, made.space, labelled),
            learnt,
            calibrated,
            copied.embedded,
            left_out,
            round(time.perf_counter() - started, 2),
        )
        write_job(moved.state, replace(job, step=FILLED, report=report.to_dict()))
        return report

    def swap(
        self, on_progress: OnProgress = SILENT, *, leave_out: bool = False, on_reject: OnReject = _PASSED
    ) -> Status:
        """Bring the new space up to the old one once more, and answer from it from then on; arguments as of ``run``.

        Raises:
            UsageError: The new space is not filled, or pictures are gone.
            NearclassError: It is not what it should be, or more is written than it can follow.
        """
        job = self._job(leave_out=leave_out)
        if job.step != FILLED:
            raise UsageError(f"the space {job.new} is not filled yet", hint="Go on with `nearclass reembed run`.")
        if self._serving(job) != job.new:
            self._move(job, job.old, job.new, previous=job.old, on_progress=on_progress, on_reject=on_reject)
        self.moved.settle()
        return self.status()

    def rollback(
        self, on_progress: OnProgress = SILENT, *, leave_out: bool = False, on_reject: OnReject = _PASSED
    ) -> Status:
        """Go back: after a swap answer from the old space again, with everything new; before it remove the new space.

        Raises:
            UsageError: There is no move to undo, or pictures of what came after the swap are gone.
        """
        job = self._job(leave_out=leave_out)
        if self._serving(job) == job.new:
            if job.step == DROPPING:
                raise UsageError(f"the space {job.old} is being removed", hint="Finish it: `nearclass reembed drop`.")
            self._move(job, job.new, job.old, previous="", on_progress=on_progress, on_reject=on_reject)
            self.moved.settle()
            return self.status()
        if job.untold:  # going back was cut off just after the switch
            self.moved.settle()
            return self.status()
        self.moved.spaces.prepare(job.kind, "")
        self._drop(job, job.new)
        return self.status()

    def drop(self) -> Status:
        """Free the space of before, after a swap; from then on there is no way back.

        Raises:
            UsageError: The new space does not serve.
        """
        job = self._job()
        if self._serving(job) != job.new:
            message = f"the space {job.old} serves, and cannot be removed"
            raise UsageError(message, hint="`nearclass reembed rollback` removes the new one.")
        self._drop(job, job.old)
        return self.status()

    def _begin(self, encoder: str | Encoder, kind: str) -> tuple[Space, Encoder]:
        """The space of a kind that serves, and an encoder that makes another one."""
        old, made = self.moved.serving(kind), self.moved.made(encoder, kind)
        if old.fingerprint == made.space.fingerprint:
            message = f"the catalogue answers from the space {old.name} of the encoder {made.space.encoder!r} already"
            raise UsageError(message, hint="Name another encoder.")
        return old, made

    def _begun(self, encoder: str | Encoder | None) -> tuple[Job, Space, Encoder]:
        """The move that is under way, or a new one, the space that it leaves, and the encoder that it goes to."""
        job = read_job(self.moved.state)
        if job is not None and job.step == DROPPING:
            self._drop(job, job.dropped)
            job = None
        if encoder is not None:
            old, made = self._begin(encoder, kind_of(encoder))
        elif job is not None:
            old, made = self._begin(job.encoder, job.kind)
        else:
            raise _none_begun()
        if job is not None and (job.old, job.new) != (old.name, made.space.name):
            swapped = self._serving(job) == job.new
            hint = "free it with `nearclass reembed drop`" if swapped else "remove it with `rollback`"
            kept = job.old if swapped else job.new
            raise UsageError(f"the space {kept} of another move is there", hint=f"First {hint}.")
        return job or Job(old.name, made.space.name, made.space.encoder, kind=made.space.kind), old, made

    def _there(self, old: Space) -> PicturesThere:
        with self.moved.images.finder() as finder:
            return pictures_there(self.moved.store, self.moved.place(old), finder)

    def _learnt(self, filling: SpaceFilling) -> str:
        """What is learnt in the new space, in words."""
        outcome, learner = filling.learn(self.moved.taxonomies.current()), filling.learner()
        if outcome is not None and not outcome.kept:
            return f"nothing: {outcome.reason}"
        return f"version {learner.version}: {learner.method}" if learner else "nothing: the old space has not learnt"

    def _move(
        self, job: Job, source: str, target: str, *, previous: str, on_progress: OnProgress, on_reject: OnReject
    ) -> None:
        moved = self.moved
        moved.classes.finish()
        filling = moved.filling(moved.spaces.named(source), moved.spaces.named(target))
        on_progress("what changed meanwhile", 0, 1)
        filling.catch_up()
        moved.lost(filling, job, on_reject)
        # From here on, whoever writes to the one brings it to the other: what differs after a pass came before.
        moved.spaces.prepare(job.kind, target)
        filling.catch_up()
        filling.check()
        filling.bring_mappings()
        write_job(moved.state, replace(job, untold=True))
        moved.spaces.serve(job.kind, target, previous=previous)
        on_progress("what changed meanwhile", 1, 1)

    def _drop(self, job: Job, name: str) -> None:
        write_job(self.moved.state, replace(job, step=DROPPING, dropped=name))
        self.moved.drop(name)
        drop_job(self.moved.state)

    def _answer(self, filling: SpaceFilling, job: Job, on_progress: OnProgress) -> Job:
        mark = filling.answered_by()
        if job.answered_by != mark:
            job = replace(job, answered_by=mark, answered_since=time.time_ns() // 1_000_000)
            write_job(self.moved.state, job)
        total, done = self.moved.items(filling.target.name), 0

        def on_page(count: int) -> None:
            nonlocal done
            done += count
            on_progress("answers", done, max(done, total))

        filling.answer(since_ms=job.answered_since, on_page=on_page)
        return job

    @property
    def _judged(self) -> SpacesJudging:
        return SpacesJudging(self.moved, self.live)

    def _serving(self, job: Job) -> str:
        return self.moved.spaces.serving(job.kind).serving

    def _job(self, *, leave_out: bool = False) -> Job:
        job = read_job(self.moved.state)
        if job is None:
            raise _none_begun()
        return replace(job, leave_out=leave_out or job.leave_out)


def _none_begun() -> UsageError:
    return UsageError("no move is under way", hint="Begin one: nearclass reembed run --encoder NAME")


def _standing(job: Job, serving: str) -> tuple[str, str]:
    """Step of a move, and what to do next."""
    if job.step == DROPPING:
        return DROPPING, "nearclass reembed " + ("drop" if serving == job.new else "rollback")
    if serving == job.new:
        return "swapped", "nearclass reembed drop, to free the space of before; or rollback, to go back to it"
    if job.step == FILLED:
        return FILLED, "nearclass reembed swap, to answer from the new space; or rollback, to remove it"
    return job.step, "nearclass reembed run, to go on; or rollback, to remove the new space"
