"""From items, texts and labels to the one vector, bias and sparse weights of each class: adaptation, student, head."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import LEXICAL_WEIGHT, Newcomers
from .adapt import TEMPERATURE, Adaptation, Material, adapt
from .arrays import evenly
from .metrics import wilson_interval
from .train import Head, head, student

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Gain", "Learnt", "Lesson", "fits", "held_out", "learn"]

_FIT_SPREAD: Final = 0.05
"""Cosine above the threshold of novelty at which an item counts for 73 %."""

_SHARES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""What adaptation may count beside the head; tried on labels that are held out."""
_USUAL_SHARE: Final = 4.0
"""Within a point of the best on every set that was tried, from 5 labels a class to 4,000 in all."""
_SHARE_OF_FEW: Final = 16.0
"""Where there is one label a class and nothing can be held out: the head knows little."""
_LEAST_LABEL_WEIGHT: Final = 0.45
"""Where nothing can be held out. A label counts 0.47 to 0.67 of the texts of its class on catalogues and requests that
it helps by 3 to 15 points, and 0.35 to 0.44 on a shop of well described classes with odd items, where it costs one."""
_HELD_OUT: Final = 4
"""Every fourth label of a class is held out to choose and to measure."""
_FEWEST_HELD_OUT: Final = 20

_FITTED_ITEMS: Final = 2000
_MOST_MISSING: Final = 0.5
"""Share of the items that classes without labels may be given at most."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Everything there is to learn from.

    Attributes:
        material: Items, class texts, label-free lexical scores and labels.
        features: Lexical features of the items, shape (n, features), or None where items have no texts.
        text_features: The same of the class texts, shape (K, features), or None.
    """

    material: Material
    features: "csr_matrix | None" = None
    text_features: "csr_matrix | None" = None


@dataclass(frozen=True, slots=True)
class Gain:
    """Accuracy on labels that learning did not see, of class texts alone and after learning.

    Attributes:
        n: Held-out labels.
        before: Accuracy of class texts with lexical evidence.
        after: Accuracy after learning.
        low: Lower end of the 95 % Wilson interval of ``after``.
        high: Upper end.
    """

    n: int
    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """The score of an item x for a class: x . vector + bias + lexical_weight * profile + features . lexical.

    Attributes:
        method: ``adapted`` or ``trained``.
        vectors: Shape (K, d), float32.
        biases: Shape (K,), float32.
        lexical: Sparse weights, shape (K, features), or None.
        lexical_weight: Of the label-free lexical score.
        newcomers: Places classes that were not there.
        evenness: Of the class sizes, 0 to 1.
        sizes: Soft number of items of each class, shape (K,).
        gain: Measured on held-out labels; None where there were too few.
    """

    method: str
    vectors: Floats
    biases: Floats
    lexical: "csr_matrix | None"
    lexical_weight: float
    newcomers: Newcomers
    evenness: float
    sizes: Floats
    gain: Gain | None

    def scores(self, lesson: Lesson, rows: NDArray[np.int64]) -> Floats:
        """Scores of some items of a lesson, shape (rows, K)."""
        scores = lesson.material.items[rows] @ self.vectors.T + self.biases
        if lesson.material.lexical is not None:
            scores += self.lexical_weight * lesson.material.lexical[rows].toarray()
        if self.lexical is not None and lesson.features is not None:
            scores += (lesson.features[rows] @ self.lexical.T).toarray()
        return np.asarray(scores, np.float32)


def fits(items: Floats, texts: Floats, threshold: float) -> Floats:
    """How far items seem to fit any class, from 0 to 1: a logistic of the best cosine around the novelty threshold."""
    best = np.concatenate([(items[at : at + 4096] @ texts.T).max(axis=1) for at in range(0, len(items), 4096)])
    return (1 / (1 + np.exp(-(best - threshold) / _FIT_SPREAD))).astype(np.float32)


def learn(lesson: Lesson) -> Learnt:
    """The best class vectors that items, texts and labels give; at least one item and one class.

    Labels can also mislead, where items of a class have little in common and its texts are good. So what labels add is
    measured on labels that are held out: they are used if that is better than not using them, and what adaptation
    counts beside a head trained on them is chosen there too. Where too few can be held out, they are used if an item
    says something of its class beside the texts. What is chosen is learnt anew from all labels.
    """
    material = lesson.material
    if (material.labels < 0).all():
        return _combined(lesson, _parts(lesson), _SHARE_OF_FEW, None)
    untold = replace(lesson, material=replace(material, labels=np.full(len(material.labels), -1)))
    held = held_out(material.labels)
    if not len(held):
        parts = _parts(lesson)
        told = parts.adapted.label_weight >= _LEAST_LABEL_WEIGHT
        return _combined(lesson, parts, _SHARE_OF_FEW, None) if told else learn(untold)
    labels = material.labels.copy()
    labels[held] = -1
    rest = replace(lesson, material=replace(material, labels=labels))
    parts = _parts(rest)
    tried = [_combined(rest, parts, share, None) for share in _SHARES]
    right = [_right(one, rest, held, material.labels) for one in tried]
    best = _chosen(right, len(held))
    without = _combined(untold, _parts(untold), _SHARE_OF_FEW, None)
    right_without = _right(without, untold, held, material.labels)
    before = _accuracy_of_texts(lesson, held)
    if right_without >= right[best]:
        return replace(without, gain=_gain(right_without, len(held), before))
    return _combined(lesson, _parts(lesson), _SHARES[best], _gain(right[best], len(held), before))


def _gain(right: int, held: int, before: float) -> Gain:
    return Gain(held, before, right / held, *wilson_interval(right, held))


def _right(learnt: Learnt, lesson: Lesson, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> int:
    return int((learnt.scores(lesson, rows).argmax(axis=1) == labels[rows]).sum())


@dataclass(frozen=True, slots=True)
class _Parts:
    adapted: Adaptation
    student: Head | None
    head: Head | None


def _parts(lesson: Lesson) -> _Parts:
    adapted = adapt(lesson.material)
    trained = None
    if lesson.features is not None and lesson.text_features is not None:
        trained = head(lesson.material, lesson.features, lesson.text_features)
    return _Parts(adapted, student(lesson.material, adapted), trained)


def _combined(lesson: Lesson, parts: _Parts, share: float, gain: Gain | None) -> Learnt:
    """Half adaptation, half student (on the scale of cosines), and 1 / share of the head."""
    adapted, lexical_weight = parts.adapted, LEXICAL_WEIGHT
    vectors, biases = adapted.vectors, adapted.biases
    sample = evenly(len(lesson.material.items), _FITTED_ITEMS)
    plain = lesson.material.items[sample] @ vectors.T + biases
    if parts.student is not None:
        half, temperature = np.float32(0.5), np.float32(TEMPERATURE)
        vectors = half * (vectors + temperature * parts.student.vectors)
        biases = half * (biases + temperature * parts.student.biases)
        lexical_weight /= 2
    lexical = None
    if parts.head is not None:
        vectors, biases, lexical = _with_head(lesson, vectors, biases, parts.head, share)
    scale, shift = _line(plain, lesson.material.items[sample] @ vectors.T + biases)
    old = adapted.newcomers
    newcomers = replace(old, scale=old.scale * scale, shift=old.shift * scale + shift)
    return Learnt(
        "adapted" if parts.head is None and (lesson.material.labels < 0).all() else "trained",
        vectors.astype(np.float32),
        biases.astype(np.float32),
        lexical,
        lexical_weight,
        newcomers,
        adapted.evenness,
        adapted.sizes,
        gain,
    )


def _with_head(
    lesson: Lesson, vectors: Floats, biases: Floats, trained: Head, share: float
) -> tuple[Floats, Floats, "csr_matrix | None"]:
    """Add 1 / share of the head; classes without labels get what the head would give them by their other scores."""
    from scipy import sparse  # noqa: PLC0415 - slow to import

    sample = evenly(len(lesson.material.items), _FITTED_ITEMS)
    items = lesson.material.items[sample]
    known = items @ trained.vectors.T + trained.biases
    if trained.lexical is not None and lesson.features is not None:
        known = known + (lesson.features[sample] @ trained.lexical.T).toarray()
    scale, shift = _line(items @ vectors[trained.classes].T + biases[trained.classes], known)
    more_vectors, more_biases = scale * vectors, scale * biases + shift
    more_vectors[trained.classes], more_biases[trained.classes] = trained.vectors, trained.biases
    unseen = np.setdiff1d(np.arange(len(vectors)), trained.classes)
    if len(unseen):
        plain = items @ vectors.T + biases
        apart = (plain[:, trained.classes] + known / share).max(axis=1)
        apart -= (plain[:, unseen] + (scale * plain[:, unseen] + shift) / share).max(axis=1)
        more_biases[unseen] += share * _lift(apart, lesson.material.labels, sample)
    lexical = None
    if trained.lexical is not None:
        rows = sparse.csr_matrix(
            (np.ones(len(trained.classes), np.float32), (trained.classes, np.arange(len(trained.classes)))),
            shape=(len(vectors), len(trained.classes)),
        )
        lexical = (rows @ trained.lexical / share).tocsr()
    return vectors + more_vectors / share, biases + more_biases / share, lexical


def _lift(apart: Floats, labels: NDArray[np.int64], sample: NDArray[np.int64]) -> float:
    """What classes without labels need to get the share of items that is theirs, where they get less.

    Their share of the items is that of the labels which are the only one of their class (Good-Turing estimate of the
    missing mass; Good, Biometrika 40, 1953). Where no class has two labels these were hardly drawn at random, and say
    nothing of shares; and more than half is never believed.

    Args:
        apart: By how much the best class with labels beats the best without, for each item of the sample.
        labels: Of all items.
        sample: Which items were looked at.
    """
    counts = np.bincount(labels[labels >= 0])
    missing = (
        min(float((counts == 1).sum() / max(counts.sum(), 1)), _MOST_MISSING) if counts.max(initial=0) > 1 else 0.0
    )
    free = apart[labels[sample] < 0]
    return max(0.0, float(np.quantile(free, missing))) if missing and len(free) else 0.0


def _line(given: Floats, wanted: Floats) -> tuple[float, float]:
    """Scale and shift by least squares, so that scale * given + shift is like wanted; differences within an item count.

    Both have shape (items, classes).
    """
    inner_given = given - given.mean(axis=1, keepdims=True)
    inner_wanted = wanted - wanted.mean(axis=1, keepdims=True)
    scale = float((inner_given * inner_wanted).sum() / max(float((inner_given**2).sum()), 1e-9))
    scale = max(scale, 0.0)
    return scale, float(wanted.mean() - scale * given.mean())


def held_out(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every fourth labelled item of each class, but never its only one; none where they would be too few."""
    held: list[int] = []
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        held.extend(rows[1::_HELD_OUT].tolist())
    return np.asarray(sorted(held) if len(held) >= _FEWEST_HELD_OUT else [], np.int64)


def _chosen(right: list[int], held: int) -> int:
    """Place of the share to take: the one nearest to the usual one of those within a standard error of the best."""
    most = max(right)
    least = most - float(np.sqrt(most * (1 - most / held)))
    usual = _SHARES.index(_USUAL_SHARE)
    return min((place for place, count in enumerate(right) if count >= least), key=lambda place: abs(place - usual))


def _accuracy_of_texts(lesson: Lesson, rows: NDArray[np.int64]) -> float:
    material = lesson.material
    scores = material.items[rows] @ material.texts.T
    if material.lexical is not None:
        scores += LEXICAL_WEIGHT * material.lexical[rows].toarray()
    return float((scores.argmax(axis=1) == material.labels[rows]).mean())
