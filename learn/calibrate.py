"""From labelled answers to a calibration: honest confidences, and thresholds that keep a precision; pure computation.

The labels are split by the ids of the rows. On the fitting part, a quarter of many, the masses are made (temperature,
whether any class fits) and the order of the thresholds is fixed; on the others they are tested. The curves from masses
to confidences are then fitted on all rows: they rise, so they change no decision and no guarantee.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import CalibrationError
from ..schemas.branches import Branches
from ..schemas.calibration import CANDIDATES, Calibration, Curve
from ..schemas.taxonomy import Taxonomy
from . import control
from .calibration_report import CalibrationReport, report
from .confidence import (
    Calibrated,
    Scored,
    fit_curve,
    fit_fits,
    fit_temperature,
    novel_threshold,
)
from .selection import CONFIDENCE_LEVEL, Selection, mass_needed

__all__ = ["Answered", "calibrate", "parts", "scored"]

_LEAST_FITTING: Final = 25
"""Rows of the fitting part below which not even a temperature and a curve, three numbers in all, can be fitted."""

_FITTING_SHARE: Final = 0.25
"""Share of the rows that is fitted on: what is fitted has a handful of numbers, and each row that tests lets the
thresholds come nearer to the precision asked for. With shares of 1/2, 1/3, 1/4 and 1/5 of 500 labels, 7, 4, 2 and 1 of
20 splits of assistant requests show no precision of 0.9, and 3, 2, 1 and 2 of 12 of bank questions; smaller parts say
less and less about what is novel."""

_FITTING_ROWS: Final = 50
"""Rows that are fitted on where a quarter would be fewer, but never more than half of them."""

_IDENTITY: Final = Curve(1.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Answered:
    """A labelled row with its candidates, best first, the ids of the classes any of which is right, and the fit."""

    id: str
    class_ids: Sequence[str]
    scores: Sequence[float]
    truth: frozenset[str]
    fit: float


def scored(rows: Sequence[Answered], branches: Branches, taxonomy: Taxonomy) -> Scored:
    """Labelled answers as arrays; candidates beyond ``CANDIDATES`` and those that may not be answered are left out."""
    width = max(1, min(CANDIDATES, max((len(row.class_ids) for row in rows), default=1)))
    columns = branches.columns([row.class_ids for row in rows], width)
    scores = np.full(columns.shape, -np.inf)
    right = np.zeros(columns.shape, bool)
    for place, row in enumerate(rows):
        count = min(width, len(row.class_ids))
        scores[place, :count] = row.scores[:count]
        right[place, :count] = [class_id in row.truth for class_id in row.class_ids[:count]]
    node_of = {node: index for index, node in enumerate(branches.nodes)}
    lines: dict[str, frozenset[int]] = {}
    for class_id in {one for row in rows for one in row.truth}:
        above = [*taxonomy.ancestors(class_id), class_id]
        lines[class_id] = frozenset(node_of[node] for node in above if node in node_of)
    nodes = tuple(frozenset[int]().union(*(lines[class_id] for class_id in row.truth)) for row in rows)
    fit = np.asarray([row.fit for row in rows], np.float64)
    return Scored(columns, scores, fit, right, np.asarray([bool(row.truth) for row in rows], bool), nodes)


def calibrate(
    rows: Sequence[Answered],
    taxonomy: Taxonomy,
    answerable: Iterable[str],
    *,
    precision: float,
    novel_below: float,
    learner: int = 0,
    excluded: int = 0,
) -> CalibrationReport:
    """Fit confidences and thresholds.

    Args:
        rows: Labelled answers with the raw scores of up to ``CANDIDATES`` candidates each, at least one.
        taxonomy: For the branches.
        answerable: Ids of the classes that may be answered.
        precision: Share of the ``assigned`` rows that must be right, above 0 and below 1.
        novel_below: The label-free threshold, which stands where no row is out of scope.
        learner: Version of the learner that made the scores.
        excluded: Rows left out before, for the report.

    Raises:
        CalibrationError: There are too few rows, or no threshold keeps the precision.
    """
    branches = Branches(taxonomy, answerable)
    every = scored(rows, branches, taxonomy)
    fitting, testing = parts([row.id for row in rows])
    _check_size(len(rows), len(fitting), len(testing), precision, excluded)
    start = _masses(every.take(fitting), precision, novel_below, len(rows), taxonomy.revision, learner)
    seen = Calibrated.of(every, start, branches)
    tops = np.asarray([branches.tops[column] for column in every.columns[:, 0].tolist()], object)
    test = Selection(seen, tops, fitting, testing, precision)
    found = test.assign()
    if all(threshold is None for threshold in found.values()):
        raise test.refusal(len(rows))
    assigned = ~seen.novel & (seen.leaf >= np.asarray([mass_needed(found.get(top, found[None])) for top in tops]))
    back_off = test.back_off(assigned)
    left = ~assigned & ~seen.novel
    made = replace(
        start,
        leaf=fit_curve(seen.leaf, seen.right),
        branch=_branch_curve(seen, left),
        assign_at={top: threshold for top, threshold in found.items() if top is not None},
        assign_at_pooled=found[None],
        back_off_at=back_off,
    )
    return report(made, test, assigned, every, taxonomy, excluded)


def parts(ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the fitting and of the testing part, by a digest of the id: the same whenever a file is read again.

    Rows of one id are in the same part.
    """
    digests = [hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest() for one in ids]
    first = set(sorted(digests)[: _rows_to_fit(len(ids))])
    fitting = np.asarray([one in first for one in digests], bool)
    return np.flatnonzero(fitting), np.flatnonzero(~fitting)


def _rows_to_fit(n: int) -> int:
    return min(n // 2, max(int(n * _FITTING_SHARE), _FITTING_ROWS))


def _check_size(n: int, fitting: int, testing: int, precision: float, excluded: int) -> None:
    least = control.rows_needed(precision, 1 - CONFIDENCE_LEVEL) or 0
    if fitting < _LEAST_FITTING or testing < least:
        needed = next(n for n in count(2 * _LEAST_FITTING) if n - _rows_to_fit(n) >= least)
        besides = f" ({excluded} more were learnt from and cannot count)" if excluded else ""
        message = f"{n} labelled rows are too few to show a precision of {precision:g}{besides}"
        hint = (
            f"Of {needed} rows {needed - _rows_to_fit(needed)} test the thresholds, and {least} assigned ones, all of "
            f"them right, are the least that show it with {CONFIDENCE_LEVEL:.0%} confidence: give at least "
            f"{needed + needed // 4}, better 500."
        )
        raise CalibrationError(message, hint=hint)


def _masses(rows: Scored, precision: float, novel_below: float, n: int, revision: int, learner: int) -> Calibration:
    """A calibration that gives masses and novel items, and no threshold yet."""
    temperature = fit_temperature(rows)
    made = Calibration(
        precision=precision,
        confidence_level=CONFIDENCE_LEVEL,
        n=n,
        revision=revision,
        learner=learner,
        candidates=CANDIDATES,
        temperature=temperature,
        fits=fit_fits(rows, temperature),
        fits_below=0.0,
        novel_below=novel_below,
        leaf=_IDENTITY,
        branch=_IDENTITY,
        assign_at={},
        assign_at_pooled=None,
        back_off_at=None,
    )
    if made.fits is None:
        return made
    return replace(made, fits_below=novel_threshold(made.fitting(rows.scores, rows.fit), rows.in_scope))


def _branch_curve(seen: Calibrated, left: NDArray[np.bool_]) -> Curve:
    """From the rows that are not assigned, which are those that get an ancestor; from all where there are few."""
    rows = left if left.sum() >= _LEAST_FITTING else np.ones(len(left), bool)
    some = rows[:, None] & (seen.branch > 0)
    return fit_curve(seen.branch[some], seen.branch_right[some]) if some.any() else _IDENTITY
