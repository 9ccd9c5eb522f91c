"""The curves of a report: what each threshold would do, with what the thresholds in use do marked on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ..learn.curves import CoverageCurve, ReliabilityBin, ScopeCurve, coverage_curve, reliability, scope_curve
from ..learn.evaluate import Judged
from ..schemas.records import Decision
from .page import percent
from .plot import Axis, Line, Mark, Plot, axis_from, line, mark

__all__ = ["Answering", "Reliability", "Scope", "Target", "answering", "confidence", "scope"]

_TARGETS: Final = (0.8, 0.9, 0.95, 0.99)
_CATCHES: Final = (0.5, 0.8, 0.9, 0.95)
_NOISY: Final = 20
"""A precision of fewer answers says nothing, and moves the line from one edge to the other."""

_STROKES: Final = ("solid", "dashed", "dotted")
_LETTERS: Final = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class Target:
    """The widest coverage at a precision, and the threshold for it; None where no threshold has it."""

    signal: str
    precision: float
    threshold: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Answering:
    """Coverage against precision: the drawing, and the same for round precisions."""

    plot: Plot
    signals: Sequence[str]
    targets: Sequence[Target]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against truth: the drawing, and its bins."""

    plot: Plot
    bins: Sequence[ReliabilityBin]


@dataclass(frozen=True, slots=True)
class Caught:
    """A threshold on the fit, and the shares that it calls novel, of items out of scope and in scope."""

    threshold: float
    true_novel: float
    false_novel: float


@dataclass(frozen=True, slots=True)
class Scope:
    """Items out of scope against items in scope: the drawing, and the same for round shares."""

    plot: Plot
    caught: Sequence[Caught]


def answering(judged: Sequence[Judged]) -> Answering | None:
    """What would be answered, and how much of it right, by each signal; None without answers."""
    curves = {name: coverage_curve(values, [one.right for one in judged]) for name, values in _signals(judged).items()}
    if not curves:
        return None
    shown = {name: _steady(curve, len(judged)) for name, curve in curves.items()}
    assigned = [one for one in judged if one.answer.decision is Decision.ASSIGNED]
    in_use = _in_use(assigned, len(judged))
    lowest = min([*(float(curve.precision.min()) for curve in shown.values()), *(y for _, y in in_use)])
    across, up = Axis("Coverage: share of all items that are answered"), axis_from("Precision", lowest)
    lines = [
        line(f"by {name}", _points(shown[name]), across, up, stroke)
        for name, stroke in zip(shown, _STROKES, strict=False)
    ]
    # Below, because one threshold alone often gives nearly the same, and its letter stands above.
    marks = [
        replace(mark("A", point, across, up, "disc", f"the decisions as they are: {_plain(point)}"), below=True)
        for point in in_use
    ]
    least = _signals(assigned)
    for name, curve in curves.items():
        threshold = min(least[name]) if name in least else None
        point = curve.at(threshold) if threshold is not None else None
        if point is not None:
            text = f"the lowest {name} that was assigned, {threshold:.3f}; as the only threshold: {_plain(point)}"
            marks.append(replace(mark(_LETTERS[len(marks)], point, across, up, "box", text), size=7.0))
    targets = [_target(name, curve, target) for target in _TARGETS for name, curve in shown.items()]
    summary = f"Lines {', '.join(one.name for one in lines)}. " + " ".join(
        f"{one.letter}: {one.text}." for one in marks
    )
    title = "Coverage against precision, for every threshold"
    return Answering(Plot("coverage", title, summary, across, up, lines, marks), list(curves), targets)


def _signals(judged: Sequence[Judged]) -> Mapping[str, Sequence[float]]:
    """What sureness can be read from: confidence where there is one, the margin, and the fit."""
    if not judged:
        return {}
    found: Mapping[str, Sequence[float | None]] = {
        "confidence": [one.confidence for one in judged],
        "margin": [one.answer.margin for one in judged],
        "fit": [one.answer.fit for one in judged],
    }
    known = {name: [value for value in values if value is not None] for name, values in found.items()}
    return {name: values for name, values in known.items() if len(values) == len(judged)}


def _steady(curve: CoverageCurve, total: int) -> CoverageCurve:
    """The curve from the twentieth of ``total`` answers on."""
    first = min(int(np.searchsorted(curve.coverage * total, _NOISY - 0.5)), len(curve.coverage) - 1)
    return CoverageCurve(curve.thresholds[first:], curve.coverage[first:], curve.precision[first:])


def _points(curve: CoverageCurve) -> list[tuple[float, float]]:
    return list(zip(curve.coverage.tolist(), curve.precision.tolist(), strict=True))


def _in_use(assigned: Sequence[Judged], total: int) -> list[tuple[float, float]]:
    if not assigned:
        return []
    right = sum(one.answer.class_id in one.truth for one in assigned)
    return [(len(assigned) / total, right / len(assigned))]


def _plain(point: tuple[float, float]) -> str:
    return f"coverage {percent(point[0])}, precision {percent(point[1])}"


def _target(name: str, curve: CoverageCurve, precision: float) -> Target:
    found = curve.widest(precision)
    return Target(name, precision, found[0] if found else None, found[1] if found else None)


def confidence(judged: Sequence[Judged]) -> Reliability | None:
    """How confidence and truth agree; None until there is a calibration."""
    given = [(one.confidence, one.right) for one in judged if one.confidence is not None]
    if not given:
        return None
    bins = reliability([value for value, _ in given], [right for _, right in given])
    across, up = Axis("Confidence, mean of the bin"), Axis("Share that is right")
    points = [(one.confidence, one.right / one.n) for one in bins]
    lines: list[Line] = [line("measured", points, across, up, "solid")]
    # The marks stand for bins, and the table says what is in them.
    most = max(one.n for one in bins)
    sizes = [3 + 8 * (one.n / most) ** 0.5 for one in bins]
    marks: list[Mark] = [
        replace(mark("", point, across, up, "disc", ""), size=size) for point, size in zip(points, sizes, strict=True)
    ]
    summary = " ".join(f"Confidence {x:.2f}: {y:.2f} right." for x, y in points)
    title = "Confidence against the share that is right"
    plot = Plot("reliability", title, summary, across, up, lines, marks, "confidence that is exactly right")
    return Reliability(plot, bins)


def scope(judged: Sequence[Judged]) -> Scope | None:
    """How the fit tells items out of scope from the others; None without both kinds."""
    inside = [one for one in judged if one.truth]
    outside = [one for one in judged if not one.truth]
    if not inside or not outside:
        return None
    curve = scope_curve([one.answer.fit for one in inside], [one.answer.fit for one in outside])
    across = Axis("Items in scope that are called novel: lost")
    up = Axis("Items out of scope called novel")
    point = (_novel(inside), _novel(outside))
    text = f"the decisions as they are: {percent(point[1])} caught, {percent(point[0])} lost"
    # Below, because the line runs above.
    marks = [replace(mark("A", point, across, up, "disc", text), below=True)]
    lines = [line("by fit", _corners(curve), across, up, "solid")]
    title = "Items out of scope that are caught, against items in scope that are lost"
    caught = [Caught(threshold, true, false) for threshold, false, true in map(curve.catching, _CATCHES)]
    plot = Plot("scope", title, f"A: {text}.", across, up, lines, marks, "a score that says nothing")
    return Scope(plot, caught)


def _corners(curve: ScopeCurve) -> list[tuple[float, float]]:
    return list(zip(curve.false_novel.tolist(), curve.true_novel.tolist(), strict=True))


def _novel(judged: Sequence[Judged]) -> float:
    return sum(one.answer.decision is Decision.NOVEL for one in judged) / len(judged)
