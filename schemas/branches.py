"""The branches above the classes that may be answered, as arrays, so that masses are added up for many rows at once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .taxonomy import Taxonomy

__all__ = ["NO_CLASS", "Branches"]

NO_CLASS: Final = -1
"""Stands in arrays of columns and nodes for none."""


class Branches:
    """Which branches each answerable class is in.

    A branch is a class with answerable ones below it, from the top down; one that holds every answerable class says
    nothing of an item and is left out. Where such a class may itself be answered, it is in its own branch.

    Attributes:
        class_ids: The answerable classes; their places are the columns.
        nodes: Ids of the branches, parents before children.
        lines: Branches of each class from the top down, as places in ``nodes``, filled up with ``NO_CLASS``; shape
            (classes, levels), int64.
        tops: For each class the id of the class at the top of its line, itself where nothing is above it.
    """

    def __init__(self, taxonomy: Taxonomy, answerable: Iterable[str]) -> None:
        self.class_ids = sorted(answerable)
        self._column = {class_id: column for column, class_id in enumerate(self.class_ids)}
        full = [[*taxonomy.ancestors(class_id), class_id] for class_id in self.class_ids]
        held = Counter(node for line in full for node in line)
        groups = {
            node
            for line in full
            for node in line
            if held[node] < len(full) and (held[node] > 1 or node not in self._column)
        }
        self.nodes = [class_id for class_id in taxonomy.ids() if class_id in groups]
        place = {node: index for index, node in enumerate(self.nodes)}
        kept = [[place[node] for node in line if node in place] for line in full]
        self.lines = np.full((len(kept), max(map(len, kept), default=0)), NO_CLASS, np.int64)
        for row, line in enumerate(kept):
            self.lines[row, : len(line)] = line
        self.tops = [line[0] for line in full]

    def columns(self, class_ids: Sequence[Sequence[str]], width: int) -> NDArray[np.int64]:
        """The columns of candidates, shape (rows, width); ``NO_CLASS`` for what may not be answered and at the end."""
        found = np.full((len(class_ids), width), NO_CLASS, np.int64)
        column = self._column
        for row, ids in enumerate(class_ids):
            places = [column.get(class_id, NO_CLASS) for class_id in ids[:width]]
            found[row, : len(places)] = places
        return found

    def heaviest(
        self, columns: NDArray[np.int64], masses: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The branch with the most mass on each level, and that mass.

        Args:
            columns: Candidates of each row, shape (n, k).
            masses: Their masses, shape (n, k), 0 where there is no candidate.

        Returns:
            Places in ``nodes`` and masses, both of shape (n, levels); ``NO_CLASS`` and 0 where a level has no branch.
            Of branches with equal masses the first in the order of the taxonomy stands.
        """
        levels = self.lines.shape[1]
        nodes = np.full((len(columns), levels), NO_CLASS, np.int64)
        sums = np.zeros((len(columns), levels))
        if not columns.size:
            return nodes, sums
        rows = np.arange(len(columns))
        for level in range(levels):
            node = np.where(columns == NO_CLASS, NO_CLASS, self.lines[columns, level])
            order = np.argsort(node, axis=1, kind="stable")
            node = np.take_along_axis(node, order, axis=1)
            total = np.cumsum(np.take_along_axis(masses, order, axis=1), axis=1)
            last = np.ones(node.shape, bool)
            last[:, :-1] = node[:, 1:] != node[:, :-1]
            before = np.maximum.accumulate(np.where(last, total, 0.0), axis=1)
            run = total
            run[:, 1:] = total[:, 1:] - before[:, :-1]
            run[~last | (node == NO_CLASS)] = 0.0
            best = np.argmax(run, axis=1)
            sums[:, level] = run[rows, best]
            nodes[:, level] = np.where(sums[:, level] > 0, node[rows, best], NO_CLASS)
        return nodes, sums
