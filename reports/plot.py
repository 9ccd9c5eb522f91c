"""Shares against shares as a drawing: lines, marks and ticks in the units of the SVG in the template."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BOTTOM", "LEFT", "RIGHT", "TOP", "Axis", "Line", "Mark", "Plot", "axis_from", "line", "mark"]

LEFT, TOP, RIGHT, BOTTOM = 56.0, 14.0, 626.0, 330.0
"""Edges of the field of a plot, whose drawing is 640 wide and 390 high."""

_MOST_POINTS: Final = 240
"""Points of a line at most: more cannot be told apart at this size, and a page of many items would grow."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of shares.

    Attributes:
        label: What it shows.
        low: Share at its beginning, from 0 to below 1; it ends at 1.
        ticks: Shares with a label.
    """

    label: str
    low: float = 0.0
    ticks: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

    def place(self, share: float) -> float:
        """Where a share lies between the beginning, 0, and the end, 1; outside it lies at the nearer of the two."""
        return min(1.0, max(0.0, (share - self.low) / (1 - self.low)))


def axis_from(label: str, lowest: float) -> Axis:
    """An axis that begins at a round share below the lowest one that it shows, so that the upper end has room.

    Example:
        >>> axis_from("precision", 0.83).ticks
        (0.8, 0.85, 0.9, 0.95, 1.0)
    """
    step = next((step for step, enough in ((0.05, 0.8), (0.1, 0.5)) if lowest >= enough), 0.2)
    first = min(int(lowest / step + 1e-9), round(0.8 / step))
    ticks = tuple(round(place * step, 2) for place in range(first, round(1 / step) + 1))
    return Axis(label, ticks[0], ticks)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a plot: its name, its path in SVG, and its stroke, ``solid``, ``dashed`` or ``dotted``."""

    name: str
    path: str
    stroke: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: letter, place, shape (``disc`` or ``box``), words, half its width, and whether its letter is below."""

    letter: str
    x: float
    y: float
    shape: str
    text: str
    size: float = 5.5
    below: bool = False

    @property
    def nudge(self) -> float:
        """How far to the side the letter stands, so that the edge of the field does not cut it."""
        return -9.0 if self.x > RIGHT - 12 else 9.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing of shares, with all of it said in words too.

    Attributes:
        id: Unique on its page.
        title: What it shows.
        summary: What a reader sees in it, for those who do not see it.
        across: The axis below.
        up: The axis at the left.
        lines: In the order of the legend.
        marks: In the order of the legend.
        diagonal: Name of the line from the lower left to the upper right, or empty for none.
    """

    id: str
    title: str
    summary: str
    across: Axis
    up: Axis
    lines: Sequence[Line]
    marks: Sequence[Mark] = field(default=())
    diagonal: str = ""

    def x(self, share: float) -> float:
        """Where a share of the axis below is drawn."""
        return LEFT + (RIGHT - LEFT) * self.across.place(share)

    def y(self, share: float) -> float:
        """Where a share of the axis at the left is drawn."""
        return BOTTOM - (BOTTOM - TOP) * self.up.place(share)


def line(name: str, points: Iterable[tuple[float, float]], across: Axis, up: Axis, stroke: str) -> Line:
    """A line through points, thinned out where there are more than can be seen; steps keep their ends.

    Example:
        >>> line("all", [(0.0, 0.0), (1.0, 1.0)], Axis(""), Axis(""), "solid").path
        'M56.0 330.0L626.0 14.0'
    """
    drawn = [_drawn(x, y, across, up) for x, y in points]
    if len(drawn) > _MOST_POINTS:
        step = (len(drawn) - 1) / (_MOST_POINTS - 1)
        drawn = [drawn[round(place * step)] for place in range(_MOST_POINTS)]
    return Line(name, "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in drawn), stroke)


def mark(letter: str, point: tuple[float, float], across: Axis, up: Axis, shape: str, text: str) -> Mark:
    """A mark at a point."""
    x, y = _drawn(*point, across, up)
    return Mark(letter, round(x, 1), round(y, 1), shape, text)


def _drawn(x: float, y: float, across: Axis, up: Axis) -> tuple[float, float]:
    return LEFT + (RIGHT - LEFT) * across.place(x), BOTTOM - (BOTTOM - TOP) * up.place(y)
