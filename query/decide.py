"""From scores to a decision: does any class fit, and if so, which one?

Two questions, two signals. Uncalibrated, whether any class fits is read from the best score, and which one, from the
margin to the next; the thresholds are label-free defaults. With a calibration both are probabilities, and the
thresholds keep a precision that was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..schemas.branches import NO_CLASS, Branches
from ..schemas.calibration import Calibration
from ..schemas.records import Decision
from ..schemas.rules import Rules
from ..schemas.taxonomy import Taxonomy

__all__ = ["CalibratedDecider", "Verdict", "decide"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, the class decided on if there is one, and the rule in words.

    Attributes:
        decision: What was decided.
        class_id: The class decided on, or None.
        rule: Why, in words.
        confidence: Probability that the class is right, or where there is none that the best candidate is; None
            without a calibration.
        confidences: The same of each candidate, in their order; empty without a calibration.
    """

    decision: Decision
    class_id: str | None
    rule: str
    confidence: float | None = None
    confidences: tuple[float, ...] = ()


def decide(class_ids: Sequence[str], scores: Sequence[float], fit: float, rules: Rules, taxonomy: Taxonomy) -> Verdict:
    """The decision for one item, without a calibration.

    Args:
        class_ids: Candidates, best first, at least one.
        scores: Their scores, not rising.
        fit: How well any class fits.
        rules: The thresholds of the space.
        taxonomy: For the ancestors that candidates share.
    """
    best = scores[0]
    if fit < rules.novel_below:
        return Verdict(Decision.NOVEL, None, f"fit {fit:.3f} is below {rules.novel_below:.3f}; {rules.basis}")
    if best < rules.score_below:
        rule = f"best score {best:.3f} is below {rules.score_below:.3f}; {rules.basis}"
        return Verdict(Decision.NOVEL, None, rule)
    alike = [
        class_id
        for class_id, score in zip(class_ids, scores, strict=True)
        if best - score < rules.margin_below or class_id == class_ids[0]
    ]
    if len(alike) == 1:
        rule = f"best score {best:.3f}, margin of at least {rules.margin_below:.3f}; {rules.basis}"
        return Verdict(Decision.ASSIGNED, class_ids[0], rule)
    near = f"{len(alike)} classes within {rules.margin_below:.3f} of the best score {best:.3f}"
    shared = taxonomy.common_ancestor(alike)
    if shared is not None:
        return Verdict(Decision.ANCESTOR, shared, f"{near}, all under this one; {rules.basis}")
    return Verdict(Decision.REVIEW, None, f"{near}, under different branches; {rules.basis}")


class CalibratedDecider:
    """Decides by a calibration, for many items at once."""

    def __init__(self, calibration: Calibration, taxonomy: Taxonomy, answerable: frozenset[str]) -> None:
        self.calibration = calibration
        self._branches = Branches(taxonomy, answerable)
        self._taxonomy = taxonomy
        leasts = [calibration.threshold(top) for top in self._branches.tops]
        asked = {top: self._asks(top) for top in set(self._branches.tops)}
        self._asked = [asked[top] for top in self._branches.tops]
        back_off = np.asarray([calibration.back_off_at or 0.0])
        self._back_off_least = float(calibration.branch.apply(back_off)[0])
        self._least = np.asarray([np.inf if least is None else least for least in leasts], np.float64)

    def decide(
        self, class_ids: Sequence[Sequence[str]], scores: Sequence[Sequence[float]], fits: Sequence[float]
    ) -> list[Verdict]:
        """The decision for each item.

        Args:
            class_ids: Answerable candidates of each item, best first, at least one; those after the number of
                candidates that the calibration was made with are of no account.
            scores: Their scores, not rising.
            fits: How well any class fits each item.
        """
        if not class_ids:
            return []
        made = self.calibration
        width = min(made.candidates, max(map(len, class_ids)))
        columns = self._branches.columns(class_ids, width)
        table = np.full(columns.shape, -np.inf)
        for row, values in enumerate(scores):
            table[row, : min(width, len(values))] = values[:width]
        fit = np.asarray(fits, np.float64)
        fitting, masses = made.fitting(table, fit), made.masses(table, fit)
        # Rounded down, so that they never add up to more than 1.
        confidences = np.floor(made.confidences(masses) * 1e6) / 1e6
        novel = made.novel(fitting, fit)
        # The same comparison as when the thresholds were tested: on masses, not on rounded confidences.
        assigned = ~novel & (masses[:, 0] >= self._least[columns[:, 0]])
        left = np.flatnonzero(~novel & ~assigned)
        nodes, sums = self._back_off(columns[left], masses[left])
        above = made.branch.apply(sums)
        backed = dict(zip(left.tolist(), zip(nodes.tolist(), above.tolist(), strict=True), strict=True))
        rows = zip(
            class_ids,
            columns[:, 0].tolist(),
            confidences.tolist(),
            np.select([novel, assigned], [Decision.NOVEL, Decision.ASSIGNED], Decision.REVIEW).tolist(),
            (fit if made.fits is None else fitting).tolist(),
            strict=True,
        )
        return [self._verdict(*one, backed.get(row)) for row, one in enumerate(rows)]

    def _back_off(
        self, columns: NDArray[np.int64], masses: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The deepest branch with enough mass of each row, ``NO_CLASS`` without one, and its mass."""
        nodes, sums = self._branches.heaviest(columns, masses)
        least = self.calibration.back_off_at
        if least is None or not nodes.size:
            return np.full(len(columns), NO_CLASS, np.int64), np.zeros(len(columns))
        reached = sums >= least
        deepest = sums.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
        rows = np.arange(len(columns))
        return np.where(reached.any(axis=1), nodes[rows, deepest], NO_CLASS), sums[rows, deepest]

    def _verdict(
        self,
        class_ids: Sequence[str],
        column: int,
        confidences: Sequence[float],
        decision: str,
        signal: float,
        backed: tuple[int, float] | None,
    ) -> Verdict:
        own = tuple(confidences[: len(class_ids)])
        best = own[0]
        if decision == Decision.NOVEL:
            return Verdict(Decision.NOVEL, None, self._novel_rule(signal), best, own)
        if decision == Decision.ASSIGNED:
            rule = f"confidence {best:.3f}, {self._asked[column]}; {self.calibration.basis}"
            return Verdict(Decision.ASSIGNED, class_ids[0], rule, best, own)
        missed = f"confidence of the best class {best:.3f}, {self._asked[column]}"
        if backed is not None and backed[0] != NO_CLASS:
            node, sure = self._branches.nodes[backed[0]], round(max(backed[1], best), 6)
            asked = f"at least {self._back_off_least:.3f} asked"
            rule = f"{missed}; {sure:.3f} in this branch, {asked}; {self.calibration.basis}"
            return Verdict(Decision.ANCESTOR, node, rule, sure, own)
        return Verdict(
            Decision.REVIEW, None, f"{missed}; no branch is sure enough; {self.calibration.basis}", best, own
        )

    def _novel_rule(self, signal: float) -> str:
        made = self.calibration
        if made.fits is None:
            return f"fit {signal:.3f} is below {made.novel_below:.3f}, a label-free default; {made.basis}"
        return f"probability {signal:.3f} that any class fits is below {made.fits_below:.3f}; {made.basis}"

    def _asks(self, top: str) -> str:
        """What is asked of the best class below a top-level branch, in words."""
        made = self.calibration
        where = f"of {self._taxonomy.path(top)[0]!r}" if top in made.assign_at else "of all branches together"
        least = made.threshold(top)
        if least is None:
            return f"no threshold {where} keeps the precision"
        return f"at least {made.leaf.apply(np.asarray([least]))[0]:.3f} asked {where}"
