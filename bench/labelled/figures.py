"""Figures gathered by method and set, and their table."""

import statistics
from collections.abc import Sequence
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
