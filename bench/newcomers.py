"""Classes that labels are missing of: not labelled yet, or added after learning; beside what else there is for them.

A fifth of the classes is taken, and learning gets no label of them: either they are there while it learns, among the
items too, or they are added afterwards by their texts alone, and learning has seen no item of theirs. Judged are all
rows that are not learnt from, of the other classes (seen) and of these (unseen).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import common
import numpy as np
from common import Options, Table
from labelled import by_hand, sets
from labelled.draws import Draw, few_of_each, in_all
from labelled.figures import Sheet, harmonic
from labelled.sets import Classes, Floats, LabelledSet, Rows
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nearclass.learn.learner import Learnt

SEEDS = 3
TAKEN = 0.2
LABELS_A_CLASS = 20
LABELS = 4000
INTENTS = "intents_"

TEXTS, LOGISTIC, ITEMS, TOLD, LATER, LATER_TOLD = (
    "class texts alone",
    "logistic regression, names as examples",
    "learnt without labels",
    "learnt with labels of the others",
    "learnt without labels, then added",
    "learnt with labels of the others, then added",
)


@dataclass(frozen=True)
class World:
    """A draw of labels without those of the classes that are taken.

    Attributes:
        draw: The draw.
        taken: Places of the classes that are taken, sorted.
    """

    draw: Draw
    taken: Rows

    @property
    def kept(self) -> Rows:
        """The places of the others, sorted."""
        return np.setdiff1d(np.arange(len(self.draw.one.classes.ids)), self.taken)

    @cached_property
    def unseen(self) -> NDArray[np.bool_]:
        """Whether each judged row is of a class that is taken."""
        return np.isin(self.draw.one.first[self.draw.judged], self.taken)


def measure(options: Options) -> Iterator[Table]:
    """One table for all sets."""
    sheet = Sheet()
    every = [one for one in sets.load_all(options, sets.Vectors()) if not one.name.endswith("myntra")]
    found = every[:1] if options.quick else every
    for one in found:
        for seed in range(1 if options.quick else options.more.seeds):
            _judge_all(sheet, _world(one, seed))
    notes = [
        f"Accuracy in %, of all judged rows and of both kinds; mean and standard deviation over {options.more.seeds} draws.",
        f"Labels: {LABELS_A_CLASS} a class of the intent sets, {LABELS:,} in all of the others, before a fifth of the",
        "classes is taken. Rows of classes that nobody labelled count as seen unless they are of that fifth.",
        sets.NOTE,
    ]
    yield sheet.table("A fifth of the classes without labels", found, notes)


def _world(one: LabelledSet, seed: int) -> World:
    draw = few_of_each(one, LABELS_A_CLASS, seed) if one.name.startswith(INTENTS) else in_all(one, LABELS, seed)
    present = np.setdiff1d(one.first[draw.learnt], [-1])
    rng = np.random.default_rng(100 + seed)
    taken = np.sort(rng.choice(present, max(1, round(TAKEN * len(present))), replace=False))
    return World(replace(draw, labels=np.where(np.isin(draw.labels, taken), -1, draw.labels)), taken)


def _judge_all(sheet: Sheet, world: World) -> None:
    draw = world.draw
    one = draw.one
    nobody = np.full(len(draw.learnt), -1)
    _note(sheet, TEXTS, world, sets.text_scores(one.items, one.classes, draw.judged))
    _note(sheet, LOGISTIC, world, by_hand.logistic(draw))
    for method, labels in ((ITEMS, nobody), (TOLD, draw.labels)):
        learnt, landmarks = sets.learn_from(one.items, one.classes, draw.learnt, labels)
        _note(sheet, method, world, sets.answers(learnt, landmarks, one.items, one.classes, draw.judged)[0])
    for method, labels in ((LATER, nobody), (LATER_TOLD, draw.labels)):
        _note(sheet, method, world, _added_later(world, labels))


def _added_later(world: World, labels: Rows) -> Floats:
    """Scores of the judged rows where the classes that are taken came after learning."""
    draw = world.draw
    one, kept = draw.one, world.kept
    place = np.full(len(one.classes.ids), -1)
    place[kept] = np.arange(len(kept))
    there = ~np.isin(one.first[draw.learnt], world.taken)
    told = np.where(labels[there] >= 0, place[labels[there]], -1)
    learnt, _ = sets.learn_from(one.items, _only(one.classes, kept), draw.learnt[there], told)
    whole = _with(learnt, one.classes, kept, world.taken)
    rows = np.arange(len(draw.judged))
    return whole.scores(sets.lesson(one.items, one.classes, draw.judged, whole=True), rows)


def _only(classes: Classes, places: Rows) -> Classes:
    """Some of the classes."""
    return replace(
        classes,
        ids=[classes.ids[at] for at in places],
        names=[classes.names[at] for at in places],
        evidence=[classes.evidence[at] for at in places],
        bare=classes.bare[places],
        vectors=classes.vectors[places],
    )


def _with(learnt: "Learnt", classes: Classes, kept: Rows, added: Rows) -> "Learnt":
    """What was learnt for some classes, with others beside them as a catalogue places newcomers."""
    from nearclass.learn.lexical import placed

    vectors = np.empty_like(classes.vectors)
    biases = np.empty(len(vectors), np.float32)
    vectors[kept], biases[kept] = learnt.vectors, learnt.biases
    vectors[added], biases[added] = learnt.newcomers.place(classes.vectors[added])
    lexical = None if learnt.lexical is None else placed(learnt.lexical, kept, len(vectors))
    return replace(learnt, vectors=vectors, biases=biases, lexical=lexical)


def _note(sheet: Sheet, method: str, world: World, scores: Floats) -> None:
    one, judged = world.draw.one, world.draw.judged
    best = scores.argmax(axis=1)
    right = np.array([one.classes.ids[at] in one.truths[row] for at, row in zip(best, judged, strict=True)])
    seen, unseen = (100 * float(right[rows].mean()) for rows in (~world.unseen, world.unseen))
    figures = {
        "accuracy": 100 * float(right.mean()),
        "seen": seen,
        "unseen": unseen,
        "harmonic": harmonic(seen, unseen),
    }
    print(f"{one.name}: {method} {figures}", file=sys.stderr, flush=True)
    for figure, value in figures.items():
        sheet.add(method, "", figure, one.name, value)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"draws of labels (default {SEEDS})")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
