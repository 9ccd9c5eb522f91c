"""Figures gathered by method and set, and their table."""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from common import Cell, Table


class Named(Protocol):
    """Anything that stands for a column."""

    @property
    def name(self) -> str:
        """Its name."""


class Sheet:
    """Values of one or more draws for each method, amount of labels, figure and set."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        self._said: dict[tuple[str, str, str], dict[str, str]] = {}

    def add(self, method: str, amount: str, figure: str, column: str, value: float) -> None:
        """One more draw."""
        self._values.setdefault((method, amount, figure), {}).setdefault(column, []).append(value)

    def say(self, method: str, amount: str, column: str, why: str) -> None:
        """There are no figures, and why."""
        self._values.setdefault((method, amount, "accuracy"), {})
        self._said.setdefault((method, amount, "accuracy"), {})[column] = why

    def figures(self) -> list[tuple[str, str, str, str, float]]:
        """Every value as it was added."""
        return [
            (*key, column, value)
            for key, columns in self._values.items()
            for column, values in columns.items()
            for value in values
        ]

    def table(self, title: str, columns: Sequence[Named], notes: Sequence[str]) -> Table:
        """A row for each method and figure, amount by amount, a column for each set."""
        names = [one.name for one in columns]
        amounts = list(dict.fromkeys(amount for _, amount, _ in self._values))
        figures = list(dict.fromkeys(figure for _, _, figure in self._values))
        ordered = sorted(self._values, key=lambda key: (amounts.index(key[1]), figures.index(key[2])))
        rows: list[list[Cell]] = []
        for key in ordered:
            method, amount, figure = key
            head: list[Cell] = [method, *([amount] if len(amounts) > 1 else []), figure]
            rows.append([*head, *(self._cell(key, name) for name in names)])
        heads = ["method", *(["labels"] if len(amounts) > 1 else []), "figure"]
        return Table(title, [*heads, *(name.partition("_")[2] for name in names)], rows, notes)

    def _cell(self, key: tuple[str, str, str], name: str) -> str:
        values = self._values[key].get(name)
        if values is None:
            return self._said.get(key, {}).get(name, "")
        digits = 3 if key[2].endswith("AUROC") else 1
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        return f"{statistics.fmean(values):.{digits}f}{spread}"


def harmonic(seen: float, unseen: float) -> float:
    """Harmonic mean of two percentages; 0 where one is."""
    return 2 * seen * unseen / max(seen + unseen, 1e-9)


class Draws:
    """Draws that were judged, a line of JSON each, so that a run of hours that is cut off goes on where it was."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        self._done = {one["draw"]: one["figures"] for one in map(json.loads, lines)}

    def judge(self, name: str, sheet: Sheet, judged: Callable[[Sheet], None]) -> None:
        """Add the figures of a draw to a sheet, by judging it if it was not yet."""
        if self._path is None:
            judged(sheet)
            return
        if name not in self._done:
            own = Sheet()
            judged(own)
            self._done[name] = own.figures()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"draw": name, "figures": self._done[name]}) + "\n")
        for figure in self._done[name]:
            sheet.add(*figure)
