"""Thresholds for assigned items and for ancestors, from one part of the labels and tested on the other."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import CalibrationError
from . import control
from .confidence import Calibrated

__all__ = ["CONFIDENCE_LEVEL", "Selection", "mass_needed"]

CONFIDENCE_LEVEL: Final = 0.9
"""How surely the thresholds keep the precision: the usual level of Learn-then-Test and of MAPIE."""

_BRANCH_ROWS: Final = 2
"""A branch gets a threshold of its own where it has about this many times the rows to test that a threshold must let
through to pass: where less than half of its items are assigned, fewer rows could never show it."""

_CLEARLY: Final = 2.0
"""Standard deviations, of a Poisson count, by which more rows must be expected of several thresholds than of one for
all. What is expected of several is the best of more, and sharing the chance of error costs for certain. Where a third
of the branches is worse, made-up catalogues with 400, 800, 2,000 and 6,000 labels assign 32, 34, 38 and 41 % of their
items with 2, 30, 32, 39 and 42 % with 0, and 32, 34, 37 and 39 % without branches."""

_SENSIBLE: Final = 20
"""A refusal names the number of rows that could show the precision up to this many times those given: beyond, the
share of wrong rows is so near to what is allowed that the number says nothing."""


def mass_needed(threshold: float | None) -> float:
    """What a mass must reach for ``assigned``; nothing reaches the threshold of None."""
    return math.inf if threshold is None else threshold


@dataclass(frozen=True, slots=True)
class Selection:
    """Looks for thresholds: their order comes from the fitting part, and the testing part tests them.

    Attributes:
        seen: Masses of all rows, and which are right.
        tops: Id of the top-level branch of the best candidate of each row, shape (n,).
        fitting: Rows of the fitting part, at least one.
        testing: Rows of the other.
        precision: The precision to keep.
    """

    seen: Calibrated
    tops: NDArray[np.object_]
    fitting: NDArray[np.int64]
    testing: NDArray[np.int64]
    precision: float

    @property
    def level(self) -> float:
        """The chance of error allowed."""
        return 1 - CONFIDENCE_LEVEL

    def assign(self) -> dict[str | None, float | None]:
        """Threshold by top-level branch that has its own, and under None for the others together.

        The chance of error is shared among all, so that they hold together: then so does the precision as a whole.
        Branches get their own only where clearly more is to be expected of them than of one for all.
        """
        own = self._own_branches()
        one_for_all = self._assigned(self._found([], self.fitting))
        if own and self._assigned(self._found(own, self.fitting)) <= one_for_all + _CLEARLY * math.sqrt(one_for_all):
            own = []
        return self._found(own, self.testing)

    def _found(self, own: Sequence[str], part: NDArray[np.int64]) -> dict[str | None, float | None]:
        level = self.level / (len(own) + 1)
        others = set(self.tops.tolist()) - set(own)
        groups: list[tuple[str | None, Collection[str]]] = [*((top, (top,)) for top in own), (None, others)]
        return {top: self._threshold(members, part, level) for top, members in groups}

    def _assigned(self, found: Mapping[str | None, float | None]) -> int:
        """Rows of the fitting part that thresholds assign."""
        fit = self.seen.take(self.fitting)
        tops = self.tops[self.fitting]
        least = np.asarray([mass_needed(found.get(top, found[None])) for top in tops])
        return int((~fit.novel & (fit.leaf >= least)).sum())

    def _own_branches(self) -> list[str]:
        """Branches with enough rows and a threshold that passes, if the testing part is like the fitting part."""
        names, counts = np.unique(self._fit_tops(), return_counts=True)
        if len(names) < 2:  # one branch is all of them
            return []
        largest = sorted(zip(counts.tolist(), names.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
        for number in range(len(largest), 0, -1):
            level = self.level / (number + 1)
            least = _BRANCH_ROWS * (control.rows_needed(self.precision, level) or 0)
            if largest[number - 1][0] * self._times >= least:
                return [top for _, top in largest[:number] if self._threshold((top,), self.fitting, level) is not None]
        return []

    def _fit_tops(self) -> NDArray[np.str_]:
        return self.tops[self.fitting].astype(str)

    @property
    def _times(self) -> float:
        """How many times the rows of the fitting part will test."""
        return len(self.testing) / len(self.fitting)

    def _rows(self, part: NDArray[np.int64], members: Collection[str]) -> Calibrated:
        inside = np.asarray([top in members for top in self.tops[part]], bool)
        return self.seen.take(part[inside & ~self.seen.novel[part]])

    def _sequence(self, members: Collection[str]) -> NDArray[np.float64]:
        """The thresholds to test, by the fitting part alone."""
        fit = self._rows(self.fitting, members)
        sequence = control.thresholds(fit.leaf)
        return control.looser(sequence, control.leaf_counts(fit.leaf, fit.right, sequence), self.precision)

    def _counts(self, members: Collection[str], part: NDArray[np.int64]) -> tuple[NDArray[np.float64], control.Counts]:
        sequence = self._sequence(members)
        rows = self._rows(part, members)
        return sequence, control.leaf_counts(rows.leaf, rows.right, sequence)

    def _threshold(self, members: Collection[str], part: NDArray[np.int64], level: float) -> float | None:
        sequence, counts = self._counts(members, part)
        if part is self.fitting:  # no test, but what is to be expected of one
            counts = counts.of_more(self._times)
        number = control.passed(counts, self.precision, level)
        return float(sequence[number - 1]) if number else None

    def back_off(self, assigned: NDArray[np.bool_]) -> float | None:
        """The threshold for ancestors, from the rows that are not assigned.

        Which those are was decided by labels of others: a threshold fails for wrong rows above it. The few rows
        between the last threshold that passed and the first that failed were seen then, and are wrong rather more
        often than others, which makes this test the stricter.
        """
        left = ~assigned & ~self.seen.novel
        fit = self.seen.take(self.fitting[left[self.fitting]])
        test = self.seen.take(self.testing[left[self.testing]])
        if not fit.branch.size or not test.branch.size:
            return None
        sequence = control.thresholds(fit.branch[fit.branch > 0])
        sequence = control.looser(
            sequence, control.level_counts(fit.branch, fit.branch_right, sequence), self.precision
        )
        counts = control.level_counts(test.branch, test.branch_right, sequence)
        number = control.passed(counts, self.precision, self.level)
        return float(sequence[number - 1]) if number else None

    def refusal(self, n: int) -> CalibrationError:
        """Why no threshold was found: what precision could be shown, or how many rows could show this one."""
        members = set(self.tops.tolist())
        _, counts = self._counts(members, self.testing)
        message = f"no threshold keeps a precision of {self.precision:g} with {CONFIDENCE_LEVEL:.0%} confidence"
        best = int(np.argmin(control.p_values(counts, self.precision))) if len(counts.chosen) else 0
        hints = []
        if len(counts.chosen) and counts.chosen[best]:
            chosen, wrong = int(counts.chosen[best]), int(counts.wrong[best])
            message += f": of {n} rows, {chosen} of those tested would be assigned and {wrong} of them be wrong"
            needed = control.rows_needed(self.precision, self.level, wrong / chosen)
            if needed is not None and needed < _SENSIBLE * chosen:
                hints.append(f"About {math.ceil(n * max(needed / chosen, 1.1) / 10) * 10} labelled rows could show it.")
        reachable = self._reachable(members)
        hints.append(
            f"With these rows --precision {reachable:g} can be shown."
            if reachable
            else "With these rows not even a precision of 0.5 can be shown: better descriptions or examples come first."
        )
        return CalibrationError(message, hint=" ".join(hints))

    def _reachable(self, members: Collection[str]) -> float | None:
        for percent in range(math.ceil(self.precision * 100) - 1, 49, -1):
            lower = replace(self, precision=percent / 100)
            if lower._threshold(members, lower.testing, lower.level) is not None:  # noqa: SLF001 - another of this class
                return percent / 100
        return None
