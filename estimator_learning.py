"""From rows, labels and classes to scores and an honest temperature, for those who keep no catalogue; in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .encoders.background import BACKGROUND
from .estimator_inputs import KnownClasses, unit_rows
from .learn.adapt import Material
from .learn.arrays import evenly
from .learn.confidence import Scored, fit_temperature
from .learn.learner import Gain, Lesson, fits, held_out, learn
from .learn.lexical import features, profiles, strongest
from .learn.thresholds import NOVEL_QUANTILE, rules_between_classes
from .schemas.learning import LEXICAL_WEIGHT

__all__ = ["Rows", "Scorer", "Task", "fitted_temperature", "learnt"]

_SAMPLE: Final = 2000

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as learning sees them.

    Attributes:
        vectors: Unit vectors, shape (n, d), float32; rows of zeros point nowhere.
        features: Lexical features, shape (n, columns), or None where there are no texts.
    """

    vectors: Floats
    features: csr_matrix | None

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.vectors)

    def take(self, some: NDArray[np.int64] | NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        return Rows(self.vectors[some], None if self.features is None else self.features[some])


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that there is to learn from.

    Attributes:
        rows: What is labelled or not.
        labels: Places of the labels in ``known.labels``, -1 where there is none, shape (n,).
        known: The classes.
        texts: For each class the vector of its texts, or the one that was given, or None.
        background: Vectors of ``BACKGROUND``, or None where there is no encoder.
        adapt: Whether rows without a label count.
    """

    rows: Rows
    labels: NDArray[np.int64]
    known: KnownClasses
    texts: Sequence[Floats | None]
    background: Floats | None
    adapt: bool


@dataclass(frozen=True, slots=True)
class Scorer:
    """The score of a row for a class: x . vector + bias + features . lexical.

    Attributes:
        vectors: Shape (K, d), float32.
        biases: Shape (K,), float32.
        lexical: Sparse weights, shape (K, columns), or None.
        gain: What labels gained over texts, if that was measured.
    """

    vectors: Floats
    biases: Floats
    lexical: csr_matrix | None
    gain: Gain | None = None

    def scores(self, rows: Rows) -> NDArray[np.float64]:
        """Shape (n, K), in double precision, so that the rows beside a row change nothing of its answer."""
        made: NDArray[np.float64] = rows.vectors.astype(np.float64) @ self.vectors.T.astype(np.float64) + self.biases
        if self.lexical is not None and rows.features is not None:
            made += (rows.features.astype(np.float64) @ self.lexical.T).toarray()
        return made

    def spread(self, rows: Rows) -> float:
        """How far the scores of a row lie apart, as a standard deviation over a sample of the rows."""
        some = evenly(len(rows), _SAMPLE)
        scores = self.scores(rows.take(some))
        return float((scores - scores.mean(axis=1, keepdims=True)).std())


def learnt(task: Task) -> Scorer:
    """The scores that learning ends in; those of the texts alone where no row counts.

    Raises:
        ValueError: A class has neither text nor vector nor label.
    """
    vectors = _anchors(task)
    own = None if task.rows.features is None else profiles(task.known.texts, BACKGROUND)
    rows, labels = task.rows, task.labels
    if not task.adapt:
        rows, labels = rows.take(labels >= 0), labels[labels >= 0]
    if not rows.vectors.any():  # no row, or none that points anywhere
        return Scorer(vectors, np.zeros(len(vectors), np.float32), None if own is None else own * LEXICAL_WEIGHT)
    fitting = fits(rows.vectors, vectors, _novel_below(task, vectors))
    shared = None if own is None else strongest(rows.features, own)
    lesson = Lesson(Material(rows.vectors, vectors, shared, fitting, labels), *_words(task, rows))
    made = learn(lesson)
    # Where class vectors come from labels, accuracy "before" any label would be measured on what it has seen.
    gain = made.gain if all(text is not None for text in task.texts) else None
    if own is None:
        return Scorer(made.vectors, made.biases, None, gain)
    lexical = own * made.lexical_weight
    if made.lexical is not None:
        lexical = lexical + made.lexical
    return Scorer(made.vectors, made.biases, lexical.tocsr(), gain)


def fitted_temperature(task: Task, fitted: Scorer) -> float | None:
    """The temperature that held-out labels ask for, on the scale of ``fitted``; None where they are too few.

    The held-out labels are those of a second learning that does not see them, and the temperature is carried over by
    how far scores lie apart in the one and in the other.
    """
    classes = len(task.known.labels)
    held = held_out(task.labels)
    if not len(held) or classes < 2:
        return None
    labels = task.labels.copy()
    labels[held] = -1
    rest = learnt(replace(task, labels=labels))
    scores = rest.scores(task.rows.take(held))
    order = np.argsort(-scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, order, axis=1)
    right = order == task.labels[held][:, None]
    # One mistake more than was seen, on a row of middling margin: no number of labels shows that there are none.
    middle = [np.argsort(scores[:, 0] - scores[:, 1], kind="stable")[len(held) // 2]]
    scores = np.concatenate([scores, scores[middle]])
    right = np.concatenate([right, np.eye(1, classes, 1, bool)])
    found = fit_temperature(Scored(order, scores, scores[:, 0], right, np.ones(len(right), bool), ()))
    return found * fitted.spread(task.rows) / max(rest.spread(task.rows), 1e-9)


def _anchors(task: Task) -> Floats:
    """Where each class lies before learning: by its texts, else the mean of its labelled rows; shape (K, d)."""
    anchors: list[Floats] = []
    for column, (label, text) in enumerate(zip(task.known.labels, task.texts, strict=True)):
        own = task.rows.vectors[task.labels == column]
        if text is None and not len(own):
            raise ValueError(
                f"The class {label!r} has no labelled row, and no text or vector that says where it lies: label a "
                "row, or describe it in `classes` (and name an `encoder` if the rows are numbers)."
            )
        anchors.append(_mean(own) if text is None else text)
    return np.stack(anchors)


def _mean(rows: Floats) -> Floats:
    """The unit vector of the mean, or the first row where the rows cancel out."""
    mean: Floats = unit_rows(rows.mean(axis=0, dtype=np.float64, keepdims=True))[0]
    return mean if mean.any() else np.asarray(rows[0])


def _novel_below(task: Task, vectors: Floats) -> float:
    if task.background is None:
        return rules_between_classes(vectors).novel_below
    return float(np.quantile((task.background @ vectors.T).max(axis=1), NOVEL_QUANTILE))


def _words(task: Task, rows: Rows) -> tuple[csr_matrix, csr_matrix]:
    """Lexical features of rows and of classes; one column of nothing without texts, as the head wants some."""
    if rows.features is None:
        nothing = csr_matrix((len(rows), 1), dtype=np.float32)
        return nothing, csr_matrix((len(task.texts), 1), dtype=np.float32)
    return rows.features, features([" ".join(one.text for one in texts) for texts in task.known.texts])
