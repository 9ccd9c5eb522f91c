"""Thresholds that keep a precision with a stated confidence, by Learn-then-Test; pure computation.

Thresholds are tested one after the other, the most promising first and then ever looser ones, until one fails. Because
the order is fixed before a label of the tested rows is looked at, many thresholds cost no more than one.

Source:
    Angelopoulos, Bates, Candes, Jordan and Lei, Learn then Test: calibrating predictive algorithms to achieve risk
    control, 2021: fixed-sequence testing in section 3, the binomial p-value for binary losses in section 3.2.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "leaf_counts", "level_counts", "looser", "p_values", "passed", "rows_needed", "thresholds"]

_MOST_THRESHOLDS: Final = 100
"""Thresholds in a sequence: each lets one in a hundred more through than the one before."""

_MOST_ROWS: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows each threshold of a sequence lets through, and how many of those are wrong; int64, one each."""

    chosen: NDArray[np.int64]
    wrong: NDArray[np.int64]

    def of_more(self, times: float) -> "Counts":
        """What to expect of so many times the rows, if they are like these; rounded to the cautious side.

        Example:
            >>> more = Counts(np.array([10, 15]), np.array([0, 1])).of_more(2.5)
            >>> more.chosen.tolist(), more.wrong.tolist()
            ([25, 37], [0, 3])
        """
        return Counts((self.chosen * times).astype(np.int64), np.ceil(self.wrong * times).astype(np.int64))


def thresholds(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sequence of thresholds from masses of other rows, strict to loose, at most a hundred.

    Example:
        >>> thresholds(np.array([0.2, 0.9, 0.2, 0.5])).tolist()
        [0.9, 0.5, 0.2]
    """
    values = np.unique(masses)[::-1]
    if len(values) <= _MOST_THRESHOLDS:
        return values
    return values[np.linspace(0, len(values) - 1, _MOST_THRESHOLDS).round().astype(np.int64)]


def leaf_counts(masses: NDArray[np.float64], right: NDArray[np.bool_], sequence: NDArray[np.float64]) -> Counts:
    """The counts of rows with a mass of at least each threshold."""
    order = np.argsort(-masses, kind="stable")
    chosen = np.searchsorted(-masses[order], -sequence, side="right").astype(np.int64)
    wrong = np.concatenate([[0], np.cumsum(~right[order])]).astype(np.int64)
    return Counts(chosen, wrong[chosen])


def level_counts(masses: NDArray[np.float64], right: NDArray[np.bool_], sequence: NDArray[np.float64]) -> Counts:
    """The same where a row has a mass on each level and its deepest one that reaches the threshold is its answer.

    Args:
        masses: Shape (n, levels), the top level first.
        right: Shape (n, levels).
        sequence: The thresholds.
    """
    chosen, wrong = np.zeros(len(sequence), np.int64), np.zeros(len(sequence), np.int64)
    rows = np.arange(len(masses))
    for place, threshold in enumerate(sequence.tolist()):
        reached = masses >= threshold
        some = reached.any(axis=1)
        deepest = masses.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
        chosen[place] = some.sum()
        wrong[place] = (some & ~right[rows, deepest]).sum()
    return Counts(chosen, wrong)


def p_values(counts: Counts, precision: float) -> NDArray[np.float64]:
    """How likely so few wrong rows are at most, if the precision were missed; 1 where no row is let through."""
    # Not at the top: it takes half a second, and only calibrating needs it.
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value  # noqa: PLC0415

    some = counts.chosen > 0
    values = np.ones(len(counts.chosen))
    if some.any():
        # A hair less than the share, so that rounding never makes one more wrong row of it.
        share = np.maximum(counts.wrong[some] - 1e-6, 0) / counts.chosen[some]
        found = compute_hoeffding_bentkus_p_value(share, counts.chosen[some], 1 - precision, binary=True)
        values[some] = found[:, 0]
    return values


def looser(sequence: NDArray[np.float64], counts: Counts, precision: float) -> NDArray[np.float64]:
    """The part of a sequence to test, from the threshold on that ``counts`` of other rows speak for most."""
    return sequence[int(np.argmin(p_values(counts, precision))) :] if len(sequence) else sequence


def passed(counts: Counts, precision: float, level: float) -> int:
    """How many thresholds of the sequence pass, from its beginning; ``level`` is the chance of error allowed."""
    from mapie.risk_control import control_fwer  # noqa: PLC0415

    if not len(counts.chosen):
        return 0
    return len(control_fwer(p_values(counts, precision), level, "fixed_sequence"))


def rows_needed(precision: float, level: float, wrong_share: float = 0.0) -> int | None:
    """How many rows a threshold must let through to pass, if this share of them is wrong; None if no number will do.

    Example:
        >>> rows_needed(0.95, 0.1), rows_needed(0.95, 0.1, 0.06)
        (45, None)
    """
    if wrong_share >= 1 - precision:
        return None
    least = math.ceil(math.log(level) / math.log(precision))
    if wrong_share == 0:
        return least
    from scipy.stats import binom  # noqa: PLC0415

    rows = least
    while rows < _MOST_ROWS:
        if binom.cdf(math.ceil(rows * wrong_share), rows, 1 - precision) <= level:
            return rows
        rows = math.ceil(rows * 1.05)
    return None
