"""What adaptation, students and a head say together: one vector, bias and sparse weights for each class.

Adaptation knows where classes lie, a student what sets them apart, a head what labels say of both and of the words.
Where there are labels, a second student learns from the three together: then even the items without a label are taught
by those with one, which in the first student are lost among them.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import LEXICAL_WEIGHT, Newcomers
from .adapt import TEMPERATURE, Adaptation, Material, adapt
from .arrays import evenly, softmax
from .lesson import Learnt, Lesson
from .lexical import placed
from .train import Head, head, student
from .unseen import Unseen, unseen_items

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Mixture", "Parts", "combined", "parts_of"]

_FITTED_ITEMS: Final = 2000

Floats = NDArray[np.float32]


class Mixture(NamedTuple):
    """How parts are put together.

    Attributes:
        second: Whether the second student stands for adaptation and the first, which count half each otherwise.
        share: What they count beside the head.
    """

    second: bool
    share: float


_TEACHERS: Final = (Mixture(second=False, share=4.0), Mixture(second=True, share=8.0))
"""What the second student learns from, first and then once more. With half or twice the share the answers are as good
to half a point; the second time gains 0.4 points on bank questions, and nothing on short grocery names."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What was learnt from one lesson, in several ways; students and head are None where they cannot be had.

    Attributes:
        adapted: By adaptation.
        student: By the first student.
        head: By the head.
        second: By the second student.
        unseen: How many items belong to classes without labels; None where no item does.
    """

    adapted: Adaptation
    student: Head | None
    head: Head | None
    second: Head | None
    unseen: Unseen | None


def parts_of(*lessons: Lesson, start: Head | None = None) -> list[Parts]:
    """All parts of each lesson; the second student only where there are labels.

    Args:
        lessons: What to learn from; nearly the same each, as the first student of one goes on from that of the one
            before.
        start: What the first of them goes on from, if there is something.
    """
    found: list[Parts] = []
    with ThreadPoolExecutor(1, "head") as beside:  # which has one thread of its own, and leaves Python alone
        heads = [beside.submit(_head, lesson) for lesson in lessons]
        for lesson, trained in zip(lessons, heads, strict=True):
            found.append(_parts_of(lesson, start, trained))
            start = found[-1].student
    return found


def _parts_of(lesson: Lesson, start: Head | None, trained: Future[Head | None]) -> Parts:
    material = lesson.material
    adapted = adapt(material)
    first = student(material, partial(_by_adaptation, material, adapted), start)
    parts = Parts(adapted, first, trained.result(), None, unseen_items(material, lesson.rare))
    if first is None or (material.labels < 0).all():
        return parts
    for mixture in _TEACHERS:
        teacher = combined(lesson, parts, mixture)
        second = student(material, partial(_by_all, lesson, teacher), parts.second or first)
        parts = replace(parts, second=second)
    return parts


def _head(lesson: Lesson) -> Head | None:
    if lesson.features is None or lesson.text_features is None:
        return None
    return head(lesson.material, lesson.features, lesson.text_features)


def _by_all(lesson: Lesson, teacher: Learnt, rows: NDArray[np.int64]) -> Floats:
    return softmax(teacher.scores(lesson, rows) / np.float32(TEMPERATURE))


def _by_adaptation(material: Material, adapted: Adaptation, rows: NDArray[np.int64]) -> Floats:
    scores = material.scores(rows, adapted.vectors, adapted.biases)
    return softmax(scores / TEMPERATURE + adapted.prior)


def combined(lesson: Lesson, parts: Parts, mixture: Mixture) -> Learnt:
    """The parts as one; of what cannot be had the others stand in its place."""
    adapted = parts.adapted
    vectors, biases, lexical_weight = _base(parts, second=mixture.second)
    sample = evenly(len(lesson.material.items), _FITTED_ITEMS)
    plain = lesson.material.items[sample] @ adapted.vectors.T + adapted.biases
    lexical = None
    if parts.head is not None:
        vectors, biases, lexical = _with_head(lesson, vectors, biases, parts.head, mixture.share)
    scale, shift = _line(plain, lesson.material.items[sample] @ vectors.T + biases)
    old = adapted.newcomers
    newcomers: Newcomers = replace(old, scale=old.scale * scale, shift=old.shift * scale + shift)
    made = Learnt(
        "adapted" if parts.head is None and (lesson.material.labels < 0).all() else "trained",
        vectors.astype(np.float32),
        biases.astype(np.float32),
        lexical,
        lexical_weight,
        newcomers,
        adapted.evenness,
        adapted.sizes,
        None,
    )
    if parts.head is None or parts.unseen is None:
        return made
    return _with_unseen(lesson, made, parts.head.classes, parts.unseen)


def _base(parts: Parts, *, second: bool) -> tuple[Floats, Floats, float]:
    """Vectors, biases and lexical weight without the head, on the scale of cosines."""
    adapted = parts.adapted
    half, temperature = np.float32(0.5), np.float32(TEMPERATURE)
    if second and parts.second is not None:
        return temperature * parts.second.vectors, temperature * parts.second.biases, LEXICAL_WEIGHT / 2
    if parts.student is None:
        return adapted.vectors, adapted.biases, LEXICAL_WEIGHT
    vectors = half * (adapted.vectors + temperature * parts.student.vectors)
    biases = half * (adapted.biases + temperature * parts.student.biases)
    return vectors, biases, LEXICAL_WEIGHT / 2


def _with_head(
    lesson: Lesson, vectors: Floats, biases: Floats, trained: Head, share: float
) -> tuple[Floats, Floats, "csr_matrix | None"]:
    """Add 1 / share of the head; classes without labels get what the head would give them by their other scores."""
    sample = evenly(len(lesson.material.items), _FITTED_ITEMS)
    items = lesson.material.items[sample]
    known = items @ trained.vectors.T + trained.biases
    if trained.lexical is not None and lesson.features is not None:
        known = known + (lesson.features[sample] @ trained.lexical.T).toarray()
    scale, shift = _line(items @ vectors[trained.classes].T + biases[trained.classes], known)
    more_vectors, more_biases = scale * vectors, scale * biases + shift
    more_vectors[trained.classes], more_biases[trained.classes] = trained.vectors, trained.biases
    lexical = None
    if trained.lexical is not None:
        lexical = (placed(trained.lexical, trained.classes, len(vectors)) / share).tocsr()
    return vectors + more_vectors / share, biases + more_biases / share, lexical


def _with_unseen(lesson: Lesson, learnt: Learnt, seen: NDArray[np.int64], unseen: Unseen) -> Learnt:
    """The same with classes without labels raised until they have their share of the items, if they have less."""
    others = np.setdiff1d(np.arange(len(learnt.biases)), seen)
    scores = learnt.scores(lesson, unseen.rows)
    apart = scores[:, seen].max(axis=1) - scores[:, others].max(axis=1)
    needed = float(np.quantile(apart, unseen.share, weights=unseen.weights, method="inverted_cdf"))
    biases = learnt.biases.copy()
    biases[others] += max(0.0, needed)
    return replace(learnt, biases=biases)


def _line(given: Floats, wanted: Floats) -> tuple[float, float]:
    """Scale and shift by least squares, so that scale * given + shift is like wanted; differences within an item count.

    Both have shape (items, classes).
    """
    inner_given = given - given.mean(axis=1, keepdims=True)
    inner_wanted = wanted - wanted.mean(axis=1, keepdims=True)
    scale = float((inner_given * inner_wanted).sum() / max(float((inner_given**2).sum()), 1e-9))
    scale = max(scale, 0.0)
    return scale, float(wanted.mean() - scale * given.mean())
