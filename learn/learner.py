"""From items, texts and labels to the one vector, bias and sparse weights of each class: what is learnt, and chosen."""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .adapt import Material
from .arrays import evenly
from .combine import Mixture, Parts, combined, parts_of
from .guard import breaks_up, by_texts
from .lesson import Gain, Learnt, Lesson
from .metrics import wilson_interval
from .newcomers import with_room
from .train import Head
from .unseen import single_share
from .wording import worded

__all__ = ["Gain", "Learnt", "Lesson", "chosen", "fits", "held_out", "learn"]

_FIT_SPREAD: Final = 0.05
"""Cosine above the threshold of novelty at which an item counts for 73 %."""

_MIXTURES: Final = (
    Mixture(second=True, share=8.0),
    Mixture(second=True, share=4.0),
    Mixture(second=True, share=16.0),
    Mixture(second=True, share=2.0),
    Mixture(second=False, share=4.0),
    Mixture(second=False, share=8.0),
    Mixture(second=False, share=2.0),
    Mixture(second=True, share=1.0),
    Mixture(second=False, share=16.0),
    Mixture(second=False, share=1.0),
)
"""What is tried on labels that are held out, the likeliest first where most classes have labels."""
_SHARE_OF_FEW: Final = 16.0
"""Where there is one label a class and nothing can be held out: the head knows little."""
_MOST_CLASSES: Final = 0.9
"""Share of the classes that have labels from which on the second student is likelier. It is taught by labels, and
little is left for classes without; labels that are held out cannot show that, as they are of the others. With 1,000
labels, which leave half of the classes of a grocery shop without any, it has 19 % of their items right, and not 23."""
_LEAST_LABEL_WEIGHT: Final = 0.05
"""Where nothing can be held out. With one label a class it counts 0.1 to 0.6 of the text of its class on the titles,
requests and photos that it helps, and nothing on photos of groceries, where it costs a point."""
_TRIED_ITEMS: Final = 12_000
"""Items that what is chosen on held-out labels is learnt from, besides those with labels: as many as a student sees."""
_HELD_OUT: Final = 4
"""Every fourth label of a class is held out to choose and to measure."""
_FEWEST_HELD_OUT: Final = 20
"""Labels that something is chosen on; with fewer in all, it is not even seen what one counts beside the texts."""

Floats = NDArray[np.float32]


def fits(items: Floats, texts: Floats, threshold: float) -> Floats:
    """How far items seem to fit any class, from 0 to 1: a logistic of the best cosine around the novelty threshold."""
    best = np.concatenate([(items[at : at + 4096] @ texts.T).max(axis=1) for at in range(0, len(items), 4096)])
    return (1 / (1 + np.exp(-(best - threshold) / _FIT_SPREAD))).astype(np.float32)


def learn(lesson: Lesson) -> Learnt:
    """The best class vectors that items, texts and labels give; at least one item and one class.

    Labels can also mislead, where items of a class have little in common and its texts are good. So what labels add is
    measured on labels that are held out: they are used if that is better than not using them, and how the parts are put
    together is chosen there too. Where too few can be held out, labels are used if an item says something of its class
    beside the texts. What is chosen is learnt anew from all items and labels.
    """
    # Of all labels: where some are held out, more of the others are alone in their class.
    lesson = replace(lesson, rare=single_share(lesson.material.labels))
    return with_room(lesson, _learn(lesson))


def _learn(lesson: Lesson) -> Learnt:
    material = lesson.material
    if (material.labels < 0).all():
        return _of_few(lesson, *parts_of(lesson))
    tried = _sample(lesson)
    held = held_out(tried.material.labels)
    if not len(held):
        (parts,) = parts_of(lesson)
        enough = np.count_nonzero(material.labels >= 0) >= _FEWEST_HELD_OUT
        told = enough and parts.adapted.label_weight >= _LEAST_LABEL_WEIGHT
        return _of_few(lesson, parts) if told else _learn(_untold(lesson))
    trial = _trial(tried, held)
    if trial.mixture is None:
        return replace(_learn(_untold(lesson)), gain=trial.gain)
    (parts,) = parts_of(lesson, start=trial.student)
    return replace(worded(lesson, combined(lesson, parts, trial.mixture)), gain=trial.gain)


class _Trial(NamedTuple):
    """How labels that were held out say to put the parts together, None for without labels; and the first student."""

    student: Head | None
    mixture: Mixture | None
    gain: Gain


def _trial(lesson: Lesson, held: NDArray[np.int64]) -> _Trial:
    """Learn without some labels and without any, and judge both by those labels."""
    material = lesson.material
    labels = material.labels.copy()
    labels[held] = -1
    rest, untold = replace(lesson, material=replace(material, labels=labels)), _untold(lesson)
    untold_parts, parts = parts_of(untold, rest)
    mixtures = [mixture for mixture in _MIXTURES if parts.second is not None or not mixture.second]
    if not _mostly_told(material):
        mixtures.sort(key=lambda mixture: mixture.second)
    right = [_right(combined(rest, parts, mixture), rest, held, material.labels) for mixture in mixtures]
    mixture = mixtures[chosen(right)]
    told = _right(worded(rest, combined(rest, parts, mixture)), rest, held, material.labels)
    without = _right(_of_few(untold, untold_parts), untold, held, material.labels)
    before = _accuracy_of_texts(lesson, held)
    if without.sum() >= told.sum():
        return _Trial(parts.student, None, _gain(without, before))
    return _Trial(parts.student, mixture, _gain(told, before))


def _untold(lesson: Lesson) -> Lesson:
    """The lesson without its labels."""
    return replace(lesson, material=replace(lesson.material, labels=np.full(len(lesson.material.labels), -1)))


def _sample(lesson: Lesson) -> Lesson:
    """Every labelled item, and of the others as many as are enough to choose by."""
    material = lesson.material
    rows = np.unique(np.concatenate([evenly(len(material.labels), _TRIED_ITEMS), np.flatnonzero(material.labels >= 0)]))
    if len(rows) == len(material.labels):
        return lesson
    shared, features = material.lexical, lesson.features
    some = replace(
        material,
        items=material.items[rows],
        lexical=None if shared is None else shared[rows],
        fits=material.fits[rows],
        labels=material.labels[rows],
    )
    return replace(lesson, material=some, features=None if features is None else features[rows])


def _of_few(lesson: Lesson, parts: Parts) -> Learnt:
    made = combined(lesson, parts, Mixture(_mostly_told(lesson.material), _SHARE_OF_FEW))
    if (lesson.material.labels < 0).all() and breaks_up(lesson.material, parts.adapted):
        return by_texts(lesson.material, made)
    return worded(lesson, made)


def _mostly_told(material: Material) -> bool:
    """Whether most classes have a label."""
    labels, classes = material.labels, len(material.texts)
    return len(np.unique(labels[labels >= 0])) >= _MOST_CLASSES * classes


def _gain(right: NDArray[np.bool_], before: float) -> Gain:
    count, held = int(right.sum()), len(right)
    return Gain(held, before, count / held, *wilson_interval(count, held))


def _right(learnt: Learnt, lesson: Lesson, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = learnt.scores(lesson, rows).argmax(axis=1) == labels[rows]
    return found


def held_out(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every fourth labelled item of each class, but never its only one; none where they would be too few."""
    held: list[int] = []
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label)
        held.extend(rows[1::_HELD_OUT].tolist())
    return np.asarray(sorted(held) if len(held) >= _FEWEST_HELD_OUT else [], np.int64)


def chosen(right: list[NDArray[np.bool_]]) -> int:
    """Place of the first mixture that is not worse than the best one by more than chance.

    Chance is the standard error of the difference, the root of the number of labels that one of the two alone has right
    (McNemar, Psychometrika 12, 1947).
    """
    best = max(right, key=lambda one: int(one.sum()))
    return next(
        place for place, one in enumerate(right) if int(best.sum()) - int(one.sum()) <= np.sqrt((one != best).sum())
    )


def _accuracy_of_texts(lesson: Lesson, rows: NDArray[np.int64]) -> float:
    material = lesson.material
    return float((material.scores(rows, material.texts).argmax(axis=1) == material.labels[rows]).mean())
