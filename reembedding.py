"""Moving a catalogue to another text encoder: a new space is filled while the old one serves, and serves all at once.

The new space has collections of its own, so nothing that is read changes meanwhile, and the switch is one document.
The old space is kept, so that going back is the same move the other way round.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .encoders.base import Encoder
from .encoding import CatalogEncoder
from .errors import UsageError
from .imaging import CatalogImages
from .ingest.agreement import agreement
from .ingest.editing import ClassEditor
from .ingest.labelled import Labelled
from .ingest.pictured_answers import tell_pictures
from .ingest.reembed import Pace, SpaceFilling
from .query.live import LiveSpace
from .query.pair import LivePair
from .reembedding_judging import SpacesJudging
from .reembedding_plan import Sizes, measure, refuse_pictures
from .reembedding_report import Plan, Report, Status
from .schemas.progress import SILENT, OnProgress
from .schemas.spaces import Space
from .settings import Settings
from .store import Store
from .store.reembed import DROPPING, FILLED, FILLING, Job, drop_job, read_job, write_job
from .store.spaces import SpaceCollections, Spaces
from .store.state import State
from .store.taxonomy import TaxonomyStore

__all__ = ["Reembedding"]


@dataclass(frozen=True)
class Reembedding:
    """Plans, runs and undoes the move of an open catalogue to another text encoder.

    Every method may be cut off anywhere, and repeated.
    """

    settings: Settings
    store: Store
    state: State
    spaces: Spaces
    encoders: CatalogEncoder
    images: CatalogImages
    taxonomies: TaxonomyStore
    classes: ClassEditor
    live: Callable[[str], LiveSpace]
    beside: Callable[[Space], LivePair]

    def status(self) -> Status:
        """Where the move stands."""
        job, serving = read_job(self.state), self.spaces.texts().serving
        if job is None:
            return Status("none", serving, "", "", self._items(serving), 0, "nearclass reembed plan --encoder NAME")
        other = job.old if serving == job.new else job.new
        step, what = _standing(job, serving)
        return Status(step, serving, other, job.encoder, self._items(serving), self._items(other), what)

    def plan(self, encoder: str | Encoder) -> Plan:
        """What moving to this encoder would do; nothing is written.

        Args:
            encoder: A preset, a model id, a folder, or an encoder itself.

        Raises:
            UsageError: The catalogue has no space of texts, or is in that one; or the encoder is one of pictures.
            ModelNotFoundError: There is no such model.
        """
        old, made = self._serving(), self._made(encoder)
        self._refuse_same(old, made.space)
        places = [SpaceCollections.of(self.settings.catalog, space) for space in (old, made.space)]
        sizes = Sizes.of(self.store, *places)
        rate, text_bytes = measure(self.store, places[0], made)
        return sizes.plan(
            made.space,
            old,
            rate,
            text_bytes,
            classes=len(self.classes.taxonomy.assignable()),
            embedded=self.store.embedded,
            learnt=self._judged.learner(old) > 0,
            calibrated=self._judged.precision(old) is not None,
        )

    def run(
        self,
        encoder: str | Encoder | None = None,
        *,
        rate: float | None = None,
        labelled: Sequence[Labelled] = (),
        on_progress: OnProgress = SILENT,
    ) -> Report:
        """Fill the space of an encoder beside the one that serves, or go on with that; then ``swap`` may follow.

        Args:
            encoder: As for ``plan``; None goes on with the move that is under way.
            rate: At most so many items a second.
            labelled: Items with their classes, to compare both spaces, and to calibrate the new one if the old one is.
            on_progress: Called as it goes on.

        Raises:
            UsageError: There is nothing to go on with, or another move is under way.
            ModelNotFoundError: There is no such model.
        """
        started = time.perf_counter()
        old = self._serving()
        job, made = self._begun(old, encoder)
        self.spaces.add(made.space)
        write_job(self.state, replace(job, step=FILLING))
        filling = self._filling(old, made.space, made)
        total, done = self._items(old.name), 0

        def on_rows(seen: int, _embedded: int) -> None:
            nonlocal done
            done += seen
            on_progress("items", done, max(done, total))

        copied = filling.fill(Pace(rate), on_rows)
        filling.bring_classes()
        outcome = filling.learn(self.taxonomies.current())
        learner = filling.learner()
        learnt = f"version {learner.version}: {learner.method}" if learner else "nothing: the old space has not learnt"
        if outcome is not None and not outcome.kept:
            learnt = f"nothing: {outcome.reason}"
        calibrated = self._judged.calibrate(old, made.space, labelled)
        job = self._answer(filling, replace(job, step=FILLING), on_progress)
        judged = self._judged.compare(old, made.space, labelled)
        places = filling.places
        report = Report(
            old.name,
            made.space.name,
            self._items(made.space.name),
            agreement(self.store, *places, self.taxonomies.current()),
            judged,
            learnt,
            calibrated,
            copied.embedded,
            round(time.perf_counter() - started, 2),
        )
        write_job(self.state, replace(job, step=FILLED, report=report.to_dict()))
        return report

    def swap(self, on_progress: OnProgress = SILENT) -> Status:
        """Bring the new space up to the old one once more, and answer from it from then on.

        Raises:
            UsageError: The new space is not filled.
            NearclassError: It is not what it should be, or more is written than it can follow.
        """
        job = self._job()
        if job.step != FILLED:
            raise UsageError(f"the space {job.new} is not filled yet", hint="Go on with `nearclass reembed run`.")
        if self.spaces.texts().serving != job.new:
            self._move(job.old, job.new, previous=job.old, on_progress=on_progress)
        self._told(job.new)
        return self.status()

    def rollback(self, on_progress: OnProgress = SILENT) -> Status:
        """Go back: after a swap answer from the old space again, with everything new; before it remove the new space.

        Raises:
            UsageError: There is no move to undo.
        """
        job = self._job()
        if self.spaces.texts().serving == job.new:
            if job.step == DROPPING:
                raise UsageError(f"the space {job.old} is being removed", hint="Finish it: `nearclass reembed drop`.")
            self._move(job.new, job.old, previous="", on_progress=on_progress)
            self._told(job.old)
            return self.status()
        self.spaces.prepare("")
        self._drop(job, job.new)
        return self.status()

    def drop(self) -> Status:
        """Free the space of before, after a swap; from then on there is no way back.

        Raises:
            UsageError: The new space does not serve.
        """
        job = self._job()
        if self.spaces.texts().serving != job.new:
            message = f"the space {job.old} serves, and cannot be removed"
            raise UsageError(message, hint="`nearclass reembed rollback` removes the new one.")
        self._drop(job, job.old)
        return self.status()

    def _begun(self, old: Space, encoder: str | Encoder | None) -> tuple[Job, Encoder]:
        """The move that is under way, or a new one, and its encoder."""
        job = read_job(self.state)
        if job is None and encoder is None:
            raise UsageError("no move is under way", hint="Begin one: nearclass reembed run --encoder NAME")
        if job is not None and job.step == DROPPING:
            self._drop(job, job.dropped)
            job = None
        made = self._made(encoder if encoder is not None else job.encoder if job else "")
        self._refuse_same(old, made.space)
        if job is not None and (job.old, job.new) != (old.name, made.space.name):
            kept = job.old if job.new == old.name else job.new
            hint = "free it with `nearclass reembed drop`" if job.new == old.name else "remove it with `rollback`"
            raise UsageError(f"the space {kept} of another move is there", hint=f"First {hint}.")
        return job or Job(old.name, made.space.name, made.space.encoder), made

    def _move(self, source: str, target: str, *, previous: str, on_progress: OnProgress) -> None:
        self.classes.finish()
        space = self.spaces.named(target)
        filling = self._filling(self.spaces.named(source), space, self.encoders.of(space))
        on_progress("what changed meanwhile", 0, 1)
        filling.catch_up()
        # From here on, whoever writes to the one brings it to the other: what differs after a pass came before.
        self.spaces.prepare(target)
        filling.catch_up()
        filling.check()
        filling.bring_mappings()
        self.spaces.serve(target, previous=previous)
        on_progress("what changed meanwhile", 1, 1)

    def _told(self, name: str) -> None:
        """Give the rows in the space of pictures the answers that their items have by now."""
        image = self.spaces.image_space()
        if image is not None:
            places = [SpaceCollections.of(self.settings.catalog, one) for one in (self.spaces.named(name), image)]
            tell_pictures(self.store, *places)

    def _drop(self, job: Job, name: str) -> None:
        write_job(self.state, replace(job, step=DROPPING, dropped=name))
        space = self.spaces.get(name)
        if space is not None:
            SpaceCollections.of(self.settings.catalog, space).drop(self.store)
            self.spaces.forget(name)
        drop_job(self.state)

    def _answer(self, filling: SpaceFilling, job: Job, on_progress: OnProgress) -> Job:
        mark = filling.answered_by()
        if job.answered_by != mark:
            job = replace(job, answered_by=mark, answered_since=time.time_ns() // 1_000_000)
            write_job(self.state, job)
        total, done = self._items(filling.target.name), 0

        def on_page(count: int) -> None:
            nonlocal done
            done += count
            on_progress("answers", done, max(done, total))

        filling.answer(since_ms=job.answered_since, on_page=on_page)
        return job

    @property
    def _judged(self) -> SpacesJudging:
        name = self.settings.catalog
        return SpacesJudging(name, self.store, self.state, self.encoders, self.images, self.live, self.beside)

    def _filling(self, source: Space, target: Space, encoder: Encoder) -> SpaceFilling:
        return SpaceFilling(
            self.settings.catalog,
            self.store,
            self.state,
            source,
            target,
            encoder,
            self.classes.lock,
            self.taxonomies.newest,
            self.beside,
        )

    def _serving(self) -> Space:
        space = self.spaces.text_space()
        if space is None:
            message = "the catalogue has no space of texts yet"
            raise UsageError(message, hint="Name the encoder with NEARCLASS_TEXT_ENCODER before the first class.")
        return space

    def _made(self, encoder: str | Encoder) -> Encoder:
        if isinstance(encoder, str):
            refuse_pictures(encoder)
            encoder = self.encoders.named(encoder)
        self.encoders.know(encoder)
        return encoder

    def _refuse_same(self, old: Space, new: Space) -> None:
        if old.fingerprint == new.fingerprint:
            message = f"the catalogue answers from the space {old.name} of the encoder {new.encoder!r} already"
            raise UsageError(message, hint="Name another encoder.")

    def _job(self) -> Job:
        job = read_job(self.state)
        if job is None:
            raise UsageError("no move is under way", hint="Begin one: nearclass reembed run --encoder NAME")
        return job

    def _place(self, space: Space) -> SpaceCollections:
        return SpaceCollections.of(self.settings.catalog, space)

    def _items(self, name: str) -> int:
        space = self.spaces.get(name) if name else None
        place = self._place(space) if space else None
        return self.store.count(place.items) if place and self.store.resolve(place.items) is not None else 0


def _standing(job: Job, serving: str) -> tuple[str, str]:
    """Step of a move, and what to do next."""
    if job.step == DROPPING:
        return DROPPING, "nearclass reembed " + ("drop" if serving == job.new else "rollback")
    if serving == job.new:
        return "swapped", "nearclass reembed drop, to free the space of before; or rollback, to go back to it"
    if job.step == FILLED:
        return FILLED, "nearclass reembed swap, to answer from the new space; or rollback, to remove it"
    return job.step, "nearclass reembed run, to go on; or rollback, to remove the new space"
