"""What a calibration found, and what to expect of it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.calibration import Calibration, Curve
from ..schemas.taxonomy import Taxonomy
from . import control
from .confidence import Calibrated, Scored, calibration_error, fit_curve
from .metrics import wilson_interval
from .selection import Selection

__all__ = ["BranchThreshold", "CalibrationReport", "report"]

_FOLDS: Final = 3
"""Parts of the tested rows, each of which has its confidences from all other rows: nearly as many as the curve that
stays is fitted on."""


@dataclass(frozen=True, slots=True)
class BranchThreshold:
    """The threshold of one top-level branch, or of all without their own.

    Attributes:
        branch: Id of the branch, or None for all others.
        path: Its name, or empty.
        threshold: Least confidence for ``assigned``; None where none keeps the precision, so that nothing is assigned.
        n: Rows it was tested on.
        assigned: How many of them it assigns.
        right: How many of those are right.
    """

    branch: str | None
    path: tuple[str, ...]
    threshold: float | None
    n: int
    assigned: int
    right: int


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was fitted, and what to expect of it.

    Attributes:
        calibration: The calibration itself.
        n: Rows used.
        n_oos: How many of them are out of scope.
        excluded: Rows left out because their text was learnt from.
        n_tested: Rows that the thresholds were tested on.
        thresholds: For each top-level branch with its own, and last for the others together.
        coverage: Share of the tested rows that are assigned.
        coverage_low: Lower end of its 95 % Wilson interval.
        coverage_high: Upper end.
        precision: Share of the assigned ones that are right; at least what was asked for.
        ancestor_threshold: Least confidence for ``ancestor``, or None.
        ancestor_coverage: Share of the tested rows that get an ancestor.
        ancestor_precision: Share of those that are right, or None where there is none.
        novel: Share of the tested rows that are novel.
        ece: Expected calibration error on the tested rows, each third of them by a curve from all other rows.
        ece_by_chance: What perfect confidences would show on so few rows.
    """

    calibration: Calibration
    n: int
    n_oos: int
    excluded: int
    n_tested: int
    thresholds: tuple[BranchThreshold, ...]
    coverage: float
    coverage_low: float
    coverage_high: float
    precision: float
    ancestor_threshold: float | None
    ancestor_coverage: float
    ancestor_precision: float | None
    novel: float
    ece: float
    ece_by_chance: float

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able data, the target beside what was measured."""
        made = self.calibration
        row = {
            "target": made.precision,
            "confidence_level": made.confidence_level,
            **{name: getattr(self, name) for name in self.__slots__ if name not in {"calibration", "thresholds"}},
            "pooled": not made.assign_at,
            "thresholds": [asdict(one) for one in self.thresholds],
            "temperature": made.temperature,
            "revision": made.revision,
            "learner": made.learner,
        }
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}


def report(
    made: Calibration,
    test: Selection,
    assigned: NDArray[np.bool_],
    every: Scored,
    taxonomy: Taxonomy,
    excluded: int,
) -> CalibrationReport:
    """The figures of a calibration on the testing part.

    Args:
        made: The calibration.
        test: Where its thresholds come from.
        assigned: Whether each row is assigned, shape (n,).
        every: All rows.
        taxonomy: For the names of branches.
        excluded: Rows left out before.
    """
    seen, testing = test.seen, test.testing
    hits = int((assigned & seen.right)[testing].sum())
    count = int(assigned[testing].sum())
    low, high = wilson_interval(count, len(testing))
    left = testing[(~assigned & ~seen.novel)[testing]]
    backed = np.zeros(1, np.int64), np.zeros(1, np.int64)
    if made.back_off_at is not None:
        counts = control.level_counts(seen.branch[left], seen.branch_right[left], np.asarray([made.back_off_at]))
        backed = counts.chosen, counts.wrong
    up, up_wrong = int(backed[0][0]), int(backed[1][0])
    error, chance = calibration_error(_confidences(seen, testing), seen.right[testing])
    return CalibrationReport(
        calibration=made,
        n=len(every),
        n_oos=int((~every.in_scope).sum()),
        excluded=excluded,
        n_tested=len(testing),
        thresholds=_threshold_rows(made, test, assigned, taxonomy),
        coverage=count / len(testing),
        coverage_low=low,
        coverage_high=high,
        precision=hits / count if count else math.nan,
        ancestor_threshold=_confidence(made.branch, made.back_off_at),
        ancestor_coverage=up / len(testing),
        ancestor_precision=1 - up_wrong / up if up else None,
        novel=float(seen.novel[testing].mean()),
        ece=error,
        ece_by_chance=chance,
    )


def _confidences(seen: Calibrated, testing: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the tested rows, each by a curve that has not seen it."""
    found = np.empty(len(testing))
    for fold in range(_FOLDS):
        others = np.ones(len(seen.leaf), bool)
        others[testing[fold::_FOLDS]] = False
        found[fold::_FOLDS] = fit_curve(seen.leaf[others], seen.right[others]).apply(seen.leaf[~others])
    return found


def _threshold_rows(
    made: Calibration, test: Selection, assigned: NDArray[np.bool_], taxonomy: Taxonomy
) -> tuple[BranchThreshold, ...]:
    tops = test.tops[test.testing]
    own: Mapping[str, float | None] = made.assign_at
    groups: list[tuple[str | None, float | None]] = [*own.items(), (None, made.assign_at_pooled)]
    rows = []
    for branch, threshold in groups:
        inside = test.testing[np.asarray([top == branch if branch else top not in own for top in tops], bool)]
        if branch is None and own and not len(inside):
            continue
        chosen = inside[assigned[inside]]
        rows.append(
            BranchThreshold(
                branch,
                taxonomy.path(branch) if branch else (),
                _confidence(made.leaf, threshold),
                len(inside),
                len(chosen),
                int(test.seen.right[chosen].sum()),
            )
        )
    return tuple(rows)


def _confidence(curve: Curve, mass: float | None) -> float | None:
    return None if mass is None else round(float(curve.apply(np.asarray([mass]))[0]), 6)
