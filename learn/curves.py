"""What a threshold would do, for every threshold: answers against precision, confidence against truth, and scope.

Pure computation on one number for each answer, of which higher means surer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "BINS",
    "CoverageCurve",
    "ReliabilityBin",
    "ScopeCurve",
    "bin_of",
    "coverage_curve",
    "reliability",
    "scope_curve",
]

BINS: Final = 15
"""Bins of equal width. Bins of equal mass are steadier with few rows, but published errors are of fifteen equal
widths, and a reader can see in the diagram which confidences a bin holds.

Source: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, 2017."""

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class CoverageCurve:
    """What is answered, and how much of it is right, at each threshold that makes a difference.

    Attributes:
        thresholds: Falling, shape (m,), float64; an answer with at least this much is given.
        coverage: Share of all answers that are given, rising, shape (m,).
        precision: Share of the given ones that are right, shape (m,).
    """

    thresholds: Floats
    coverage: Floats
    precision: Floats

    def at(self, threshold: float) -> tuple[float, float] | None:
        """Coverage and precision at a threshold; None where nothing would be given."""
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return None if place < 0 else (float(self.coverage[place]), float(self.precision[place]))

    def widest(self, precision: float) -> tuple[float, float, float] | None:
        """Threshold, coverage and precision of the widest coverage that has this precision; None where none has."""
        places = np.flatnonzero(self.precision >= precision)
        if not places.size:
            return None
        place = int(places[-1])
        return float(self.thresholds[place]), float(self.coverage[place]), float(self.precision[place])


def coverage_curve(signal: Numbers, right: Sequence[bool]) -> CoverageCurve:
    """The curve of a signal; equal values are given together, so that no order among them is made up.

    Raises:
        ValueError: The two differ in length.

    Example:
        >>> curve = coverage_curve([0.9, 0.5, 0.5, 0.1], [True, True, False, False])
        >>> curve.coverage.tolist(), curve.precision.round(2).tolist()
        ([0.25, 0.75, 1.0], [1.0, 0.67, 0.5])
    """
    values, hits = np.asarray(signal, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if values.shape != hits.shape:
        message = f"{values.size} values for {hits.size} answers"
        raise ValueError(message)
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(hits[order])
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if values.size else np.empty(0, np.int64)
    given = last + 1.0
    return CoverageCurve(values[last], given / max(values.size, 1), hits[last] / given)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of like confidence.

    Attributes:
        low: Lower edge, which is open except in the first bin.
        high: Upper edge, which is closed.
        n: Number of answers, at least one.
        confidence: Their mean confidence.
        right: Number of those that are right.
    """

    low: float
    high: float
    n: int
    confidence: float
    right: int


def reliability(confidences: Numbers, right: Sequence[bool], bins: int = BINS) -> list[ReliabilityBin]:
    """The bins that are not empty, from low to high confidence; those of ``metrics.expected_calibration_error``.

    Raises:
        ValueError: The two differ in length, or a confidence is not from 0 to 1.

    Example:
        >>> [(one.n, one.right) for one in reliability([0.75, 0.75, 0.1], [True, False, False])]
        [(1, 0), (2, 1)]
    """
    given, hits = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    if given.shape != hits.shape:
        message = f"{given.size} confidences for {hits.size} answers"
        raise ValueError(message)
    where = bin_of(given, bins)
    found = []
    for place in np.unique(where).tolist():
        inside = where == place
        n, mean = int(inside.sum()), float(given[inside].mean())
        found.append(ReliabilityBin(place / bins, (place + 1) / bins, n, mean, int(hits[inside].sum())))
    return found


def bin_of(confidences: Floats, bins: int = BINS) -> npt.NDArray[np.int64]:
    """The bin of each confidence, from 0; bins have equal width and are open below and closed above.

    Raises:
        ValueError: A confidence is not from 0 to 1.

    Example:
        >>> bin_of(np.array([0.0, 0.2, 0.21, 1.0]), bins=5).tolist()
        [0, 0, 1, 4]
    """
    if not np.all((confidences >= 0) & (confidences <= 1)):
        message = "a confidence is not from 0 to 1"
        raise ValueError(message)
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidences, side="left").astype(np.int64)


@dataclass(frozen=True, slots=True)
class ScopeCurve:
    """How many items are called novel at each threshold on their score: the ROC curve of novelty.

    Attributes:
        thresholds: Rising, shape (m,), float64; an item below it is novel, and none is below the first.
        false_novel: Share of the items in scope that are, rising from 0, shape (m,).
        true_novel: Share of the items out of scope that are, rising from 0, shape (m,).
    """

    thresholds: Floats
    false_novel: Floats
    true_novel: Floats

    def catching(self, share: float) -> tuple[float, float, float]:
        """Threshold, false and true share where at least this share of the items out of scope is caught."""
        place = int(np.searchsorted(self.true_novel, share, side="left"))
        return float(self.thresholds[place]), float(self.false_novel[place]), float(self.true_novel[place])


def scope_curve(inside: Numbers, outside: Numbers) -> ScopeCurve:
    """The curve of scores of items in scope and out of scope; its area is ``metrics.auroc``.

    Raises:
        ValueError: One of the two is empty.

    Example:
        >>> curve = scope_curve([0.9, 0.4], [0.4, 0.1])
        >>> curve.false_novel.tolist(), curve.true_novel.tolist()
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    within, without = np.sort(np.asarray(inside, np.float64)), np.sort(np.asarray(outside, np.float64))
    if not within.size or not without.size:
        message = f"a scope curve needs both sides; got {within.size} in scope and {without.size} out of scope"
        raise ValueError(message)
    values = np.unique(np.concatenate([within, without]))
    # Below the lowest score nothing is novel; above the highest, everything.
    thresholds = np.append(values, np.nextafter(values[-1], np.inf))
    return ScopeCurve(
        thresholds,
        np.searchsorted(within, thresholds, side="left") / within.size,
        np.searchsorted(without, thresholds, side="left") / without.size,
    )
