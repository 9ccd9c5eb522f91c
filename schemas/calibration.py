"""A calibration as data: from the scores of candidates to honest probabilities, and the thresholds on them.

The mass of a class is P(some class fits) x P(this class | some class fits): a logistic in the best score, the
log-sum-exp and the fit, times a softmax with a temperature. A curve, which rises, turns masses into confidences;
because it rises, a threshold on the one is a threshold on the other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CANDIDATES", "Calibration", "Curve", "Fits", "softmax"]

CANDIDATES: Final = 50
"""Candidates that share the mass. More would change the mass of the best by 0.001 (77 classes) to 0.04 (597 classes) on
average, measured on five catalogues; the curve takes that up, and the search stays quick."""

_EDGE: Final = 1e-6
"""Masses are kept this far from 0 and 1, so that their logarithms are finite."""


_NOTHING: Final = 1e-200
"""A mass below this is none: a quotient by it would overflow."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising curve from mass m to confidence: logistic(``slope_low`` ln m - ``slope_high`` ln(1 - m) + ``shift``).

    Source:
        Kull, Silva Filho and Flach, Beta calibration, 2017, formula (8).

    Example:
        >>> Curve(1.0, 1.0, 0.0).apply(np.array([0.25])).round(6).tolist()
        [0.25]
    """

    slope_low: float
    slope_high: float
    shift: float

    def apply(self, masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """The confidence of each mass, in the shape given."""
        inside = np.clip(masses, _EDGE, 1 - _EDGE)
        logit = self.slope_low * np.log(inside) - self.slope_high * np.log1p(-inside) + self.shift
        return _logistic(logit)


@dataclass(frozen=True, slots=True)
class Fits:
    """P(some class fits): the logistic of ``best`` x best score + ``total`` x T log-sum-exp(scores / T) + ``fit`` x fit
    + ``shift``."""  # noqa: D205, D209 - one formula

    best: float
    total: float
    shift: float
    fit: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes scores of one space honest, and the thresholds of the decisions.

    Attributes:
        precision: What was asked for.
        confidence_level: How surely the thresholds keep it.
        n: Labelled rows it was made from.
        revision: Of the taxonomy it was made under.
        learner: Version of the learner it was made under; 0 where nothing was learnt.
        candidates: How many candidates share the mass.
        temperature: T of the softmax over their scores.
        fits: P(some class fits), or None where no row out of scope was there to learn it from; then it is 1.
        fits_below: An item is novel where P(some class fits) is less; without ``fits`` of no account.
        novel_below: An item is novel where its fit is less; with ``fits`` of no account.
        leaf: From the mass of the best candidate to its confidence.
        branch: From the mass of a branch to its confidence.
        assign_at: Least mass for ``assigned`` by id of the top-level branch, where it has its own; None where no
            threshold was good enough.
        assign_at_pooled: The same for all other branches together.
        back_off_at: Least mass for ``ancestor``, or None where no threshold was good enough.
    """

    precision: float
    confidence_level: float
    n: int
    revision: int
    learner: int
    candidates: int
    temperature: float
    fits: Fits | None
    fits_below: float
    novel_below: float
    leaf: Curve
    branch: Curve
    assign_at: Mapping[str, float | None]
    assign_at_pooled: float | None
    back_off_at: float | None

    @property
    def basis(self) -> str:
        """Where the thresholds come from, in words."""
        return (
            f"calibrated on {self.n} labels for a precision of {self.precision:g} with {self.confidence_level:.0%} "
            f"confidence, revision {self.revision}"
        )

    def fitting(self, scores: NDArray[np.float64], fit: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(some class fits) of each row, shape (n,); arguments as in ``masses``."""
        if self.fits is None:
            return np.ones(len(scores))
        signals = self.signals(scores, fit, self.temperature)
        slopes = np.asarray([self.fits.best, self.fits.total, self.fits.fit])
        return _logistic(signals @ slopes + self.fits.shift)

    def novel(self, fitting: NDArray[np.float64], fit: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether no class fits each row, shape (n,), by what ``fitting`` gave and the fit itself."""
        return np.asarray(fit < self.novel_below if self.fits is None else fitting < self.fits_below, bool)

    def masses(self, scores: NDArray[np.float64], fit: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mass of each candidate.

        Args:
            scores: Shape (n, k), best first; minus infinity where there is no candidate, at least one in each row.
            fit: How well any class fits, shape (n,).

        Returns:
            Shape (n, k), each row with a sum of at most 1.
        """
        return self.fitting(scores, fit)[:, None] * softmax(scores, self.temperature)

    def confidences(self, masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """The confidence of each candidate: not rising along a row, with a sum of at most 1.

        The first has its own curve; the others share what that leaves in the proportion of their masses, and none
        grows by more than the first did.

        Args:
            masses: Shape (n, k) with k of at least 1, best first.
        """
        first = self.leaf.apply(masses[:, :1])
        rest = masses[:, 1:].sum(axis=1, keepdims=True)
        # A mass of nothing can be neither grown nor shared.
        own = np.divide(first, masses[:, :1], out=np.zeros_like(first), where=masses[:, :1] > _NOTHING)
        room = np.divide(1 - first, rest, out=np.zeros_like(first), where=rest > _NOTHING)
        return np.concatenate([first, masses[:, 1:] * np.minimum(own, room)], axis=1)

    def threshold(self, top: str) -> float | None:
        """Least mass for ``assigned`` below a top-level branch; None where nothing there is assigned."""
        return self.assign_at.get(top, self.assign_at_pooled)

    @staticmethod
    def signals(scores: NDArray[np.float64], fit: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        """The best score of each row, T log-sum-exp(scores / T) and the fit, shape (n, 3)."""
        best = scores[:, 0]
        total = best + temperature * np.log(np.exp((scores - best[:, None]) / temperature).sum(axis=1))
        return np.stack([best, total, fit], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calibration":
        """The calibration that ``to_dict`` gave."""
        values = {name: data[name] for name in cls.__slots__}
        values["fits"] = None if values["fits"] is None else Fits(**values["fits"])
        values["leaf"], values["branch"] = Curve(**values["leaf"]), Curve(**values["branch"])
        values["assign_at"] = dict(values["assign_at"])
        return cls(**values)


def softmax(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Shares of each row, shape (n, k), which add up to 1; ``scores`` as in ``Calibration.masses``."""
    raised = np.exp((scores - scores[:, :1]) / temperature)
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # By tanh, which does not overflow.
    halves: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * values))
    return halves
