"""Which rows of a set are learnt from, which of them have labels, and which are judged."""

from dataclasses import dataclass

import numpy as np

from labelled import sets
from labelled.sets import LabelledSet, Rows

POOL = 8000
"""Items to learn from where a set has no split of its own; the rest is judged."""


@dataclass(frozen=True)
class Draw:
    """Which rows are learnt from, with which labels, and which are judged."""

    one: LabelledSet
    learnt: Rows
    labels: Rows
    judged: Rows

    @property
    def told(self) -> Rows:
        """The rows with labels."""
        return self.learnt[self.labels >= 0]

    @property
    def seen(self) -> set[str]:
        """Ids of the classes that have labels."""
        return {self.one.classes.ids[at] for at in np.unique(self.labels[self.labels >= 0])}

    def utterances(self) -> dict[str, list[str]]:
        """What speaks for each class to a peer: its name, and the texts of its labelled rows."""
        found = {key: [name] for key, name in zip(self.one.classes.ids, self.one.classes.names, strict=True)}
        for row in self.told:
            found[self.one.classes.ids[self.one.first[row]]].append(self.one.items.texts[row])
        return found


def few_of_each(one: LabelledSet, k: int, seed: int) -> Draw:
    """Labels for k rows of each class."""
    rows, judged = sets.parts(one)
    rng = np.random.default_rng(seed)
    labels = np.full(len(rows), -1)
    for at in range(len(one.classes.ids)):
        of_class = np.flatnonzero(one.first[rows] == at)
        labels[rng.choice(of_class, min(k, len(of_class)), replace=False)] = at
    return Draw(one, rows, labels, judged)


def in_all(one: LabelledSet, n: int, seed: int) -> Draw:
    """Labels for n rows, whatever their classes; only rows with one right class have labels."""
    rng = np.random.default_rng(seed)
    learnt, judged = sets.parts(one)
    if one.name == "products_instacart":
        learnt, judged = one.rows("dev"), one.rows("heldout")
    elif one.name == "products_bigbasket":
        order = rng.permutation(judged)
        most = min(POOL, len(order) * 2 // 3)
        learnt, judged = np.sort(order[:most]), np.sort(order[most:])
    single = np.flatnonzero([len(one.truths[row]) == 1 for row in learnt])
    labels = np.full(len(learnt), -1)
    picked = rng.choice(single, min(n, len(single)), replace=False)
    labels[picked] = one.first[learnt[picked]]
    return Draw(one, learnt, labels, judged)
