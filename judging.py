"""Labelled items answered: how good the answers are, and thresholds that keep a precision."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .answers import Answers, Seen
from .errors import CalibrationError, InputError, UsageError
from .ingest.calibration import answered, unseen
from .ingest.labelled import Labelled
from .ingest.sources import BadRow
from .learn.calibrate import calibrate, parts
from .learn.calibration_report import CalibrationReport
from .learn.evaluate import Evaluation, Judged, evaluate
from .learn.fusion import FEWEST_LABELS, fit_text_weight
from .query.assign import Assigner
from .query.fuse import FusedAssigner, SpaceScores
from .query.live import LiveSpace
from .query.pair import LivePair
from .schemas.calibration import CANDIDATES
from .schemas.fusion import Fusion
from .schemas.progress import SILENT, OnProgress
from .schemas.records import Assignment
from .store.calibration import write_calibration
from .store.fusion import write_fusion
from .store.state import State

__all__ = ["Judging", "OnReject"]

_log = logging.getLogger(__name__)

OnReject = Callable[[Labelled, BadRow], None]
"""Called with each row that cannot be answered, and why."""


class Judging:
    """Answers labelled items of a catalogue."""

    def __init__(
        self, state: State, answers: Answers, live: Callable[[str], LiveSpace], pair: Callable[[], LivePair]
    ) -> None:
        """Ask ``live`` for the space of a name, and ``pair`` for those of texts and pictures."""
        self._state = state
        self._answers = answers
        self._live = live
        self._pair = pair

    def evaluate(
        self,
        rows: Sequence[Labelled],
        *,
        space: str | None,
        on_reject: OnReject | None,
        on_progress: OnProgress = SILENT,
        told: Collection[str] = (),
    ) -> tuple[Evaluation, list[Judged]]:
        """Figures of labelled items, and each answer beside its truth; arguments as of ``Catalog.evaluate``.

        ``told`` has the ids of the classes that learning had labels of.
        """
        if not rows:
            message = "there is no labelled row to evaluate on"
            raise UsageError(message, hint="Rows need a `label` column with a class id, path or name, or `oos`: true.")
        pair = None if space is not None else self._pair()  # all figures are of one text space
        self._assigner(space, pair).check()
        started = time.perf_counter()
        answers = self._answers.each((row.item for row in rows), k=5, explain=False, space=space, pair=pair)
        judged = []
        for done, (row, answer) in enumerate(zip(rows, answers, strict=True), 1):
            on_progress("items", done, len(rows))
            if isinstance(answer, BadRow):
                _rejected(on_reject, row, answer)
            else:
                judged.append(Judged(answer, row.truth))
        seconds = time.perf_counter() - started
        assigner = self._assigner(space, pair)
        rate = len(judged) / seconds
        figures = evaluate(judged, assigner.taxonomy, classes=len(assigner.answerable), items_per_s=rate, told=told)
        return figures, judged

    def calibrate(
        self,
        given: Sequence[Labelled],
        *,
        precision: float,
        space: str | None,
        exclude: Collection[str],
        pictures: Collection[str],
        on_reject: OnReject | None,
        on_progress: OnProgress = SILENT,
    ) -> CalibrationReport:
        """Thresholds that keep a precision, stored; arguments as of ``Catalog.calibrate``.

        ``exclude`` has every text that was learnt from, and ``pictures`` the digest of every picture.
        """
        if not 0 < precision < 1:
            message = f"a precision of {precision!r} is not between 0 and 1"
            raise UsageError(message, hint="Give the share of assigned items that must be right, such as 0.95.")
        pair = self._pair()
        self._assigner(space, pair).check()
        rows = unseen(given, exclude)
        excluded = len(given) - len(rows)
        if space is not None:
            answers = self._answers.assign([row.item for row in rows], k=CANDIDATES, explain=False, space=space)
            return self._fit(rows, answers, self._live(space).assigner(), precision, excluded, None)
        seen, refusals = self._answers.seen([row.item for row in rows], pair, on_progress)
        on_progress("thresholds", len(rows), len(rows))
        for place, bad in refusals.items():
            _rejected(on_reject, rows[place], bad)
        learnt = {place for place, digest in enumerate(seen.digests) if digest in pictures}
        usable = [row for place, row in enumerate(rows) if place not in refusals]
        if seen.image is not None and pair.image is None:
            pair = pair.beside(self._pair().image)  # the first picture made the space
        return self._by_kind(usable, seen, learnt, precision, excluded + len(learnt), pair)

    def _by_kind(
        self,
        rows: Sequence[Labelled],
        seen: Seen,
        learnt: Collection[int],
        precision: float,
        excluded: int,
        pair: LivePair,
    ) -> CalibrationReport:
        """Items with a text, with a picture and with both have scores of their own; so each is calibrated for itself.

        The report is that of the most frequent kind. Another one with too few rows stays uncalibrated.
        """
        assigner = pair.assigner()
        fusion = _weighed(assigner, rows, seen, learnt)
        # Without the calibration there is: raw scores come from it all the same, and the weight may be a new one.
        bare = FusedAssigner(assigner.text, assigner.image, fusion)
        answers = bare.assign([row.item.id for row in rows], seen.text, seen.image, k=CANDIDATES)
        kinds: dict[str, list[int]] = {}
        for place, answer in enumerate(answers):
            if place not in learnt:
                kinds.setdefault(answer.space, []).append(place)
        reports: list[CalibrationReport] = []
        for kind, places in sorted(kinds.items(), key=lambda one: (-len(one[1]), one[0])):
            decider = bare.decider(kind)
            chosen, found = [rows[place] for place in places], [answers[place] for place in places]
            try:
                reports.append(self._fit(chosen, found, decider, precision, excluded, fusion))
            except CalibrationError as error:
                if not reports:
                    raise
                _log.warning("%d labelled items of the kind %s are not calibrated: %s", len(places), kind, error)
        if not reports:
            message = f"none of the labelled rows can be used ({excluded} were learnt from)"
            raise CalibrationError(message, hint="Give labelled items that nothing was learnt from, 500 or more.")
        return reports[0]

    def _fit(
        self,
        rows: Sequence[Labelled],
        answers: Sequence[Assignment],
        assigner: Assigner,
        precision: float,
        excluded: int,
        fusion: Fusion | None,
    ) -> CalibrationReport:
        report = calibrate(
            answered(rows, answers),
            assigner.taxonomy,
            assigner.answerable,
            precision=precision,
            novel_below=assigner.rules.novel_below,
            learner=assigner.learner,
            excluded=excluded,
        )
        text, plus, image = assigner.space.partition("+")
        if plus and fusion is not None:
            made = replace(fusion, calibration=report.calibration)
            write_fusion(self._state, (text, image), made, report.calibration.revision)
        else:
            write_calibration(self._state, assigner.space, report.calibration)
        return report

    def _assigner(self, space: str | None, pair: LivePair | None) -> Assigner:
        """The one of a named space, else of texts; every kind of answer has its classes."""
        if space is not None:
            return self._live(space).assigner()
        live = pair.text if pair else None
        if live is None:
            message = "the catalogue has no text space"
            raise UsageError(message)
        return live.assigner()


def _weighed(assigner: FusedAssigner, rows: Sequence[Labelled], seen: Seen, learnt: Collection[int]) -> Fusion | None:
    """What the text counts, from the labels that do not test thresholds; None where no item has both."""
    text, image = assigner.text, assigner.image
    if text is None or image is None or seen.text is None or seen.image is None:
        return None
    both = np.intersect1d(seen.text.rows, seen.image.rows)
    shared = np.asarray([row for row in both.tolist() if row not in learnt], np.int64)
    if not len(shared):
        return None
    learners, usual = (text.learner, image.learner), assigner.text_weight
    # All that have both and may count, as in ``_by_kind``: so these are the parts that ``calibrate`` makes of them.
    ids = [rows[place].item.id for place in shared.tolist()]
    some = parts(ids)[0]
    if len(some) < FEWEST_LABELS:
        return Fusion(usual, learners, "weighted by their temperatures")
    chosen = shared[some]
    scores = assigner.scores([ids[at] for at in some], seen.text.only(chosen), seen.image.only(chosen), CANDIDATES)
    truths = [rows[place].truth for place in chosen.tolist()]
    weight = fit_text_weight(*_tables(scores, truths), usual)
    return Fusion(weight, learners, f"weighted by {len(some)} labels")


def _tables(
    scores: SpaceScores, truths: Iterable[frozenset[str]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Scores by text, by picture, and which are right, as arrays; candidates without both scores are nan in both."""
    shape = (len(scores.class_ids), max(map(len, scores.class_ids)))
    said, shown, right = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
    for row, (class_ids, text, image, truth) in enumerate(
        zip(scores.class_ids, scores.text, scores.image, truths, strict=True)
    ):
        both = ~(np.isnan(text) | np.isnan(image))
        width = len(class_ids)
        said[row, :width] = np.where(both, text, np.nan)
        shown[row, :width] = np.where(both, image, np.nan)
        right[row, :width] = both & np.asarray([one in truth for one in class_ids])
    return said, shown, right


def _rejected(on_reject: OnReject | None, row: Labelled, bad: BadRow) -> None:
    if on_reject is None:
        raise InputError(bad.message)
    on_reject(row, bad)
