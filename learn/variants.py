"""Ways to class vectors that encoders are compared by: from texts alone, or with a few labels; pure computation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.records import EvidenceKind
from .adapt import Material
from .learner import Lesson, learn
from .resolve import class_vector

__all__ = [
    "FEW",
    "VARIANTS",
    "ClassEvidence",
    "ClassVectors",
    "Maker",
    "Variant",
    "draw_labels",
    "few_labels",
    "learnt",
    "texts",
]

Floats = NDArray[np.float32]

FEW: Final = 5
"""Labels a class for which a variant has a name: what a person gives in an afternoon."""


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """What speaks for one class.

    Attributes:
        class_id: The class.
        kinds: The kind of each row, at least one.
        vectors: Unit vectors, shape (len(kinds), dim), float32.
    """

    class_id: str
    kinds: tuple[EvidenceKind, ...]
    vectors: Floats


@dataclass(frozen=True, slots=True)
class ClassVectors:
    """What items are compared with.

    Attributes:
        vectors: Shape (K, dim), float32.
        biases: Added to the inner products, shape (K,), float32.
    """

    vectors: Floats
    biases: Floats


_LABEL_WEIGHT: Final = 2.0
"""Weight of the mean of the labelled items beside the texts. Measured with MiniLM, accuracy in % without labels and at
weights 0.5, 1, 2 and without texts: bank questions 62.7, 71.5, 75.8, 77.9, 76.5; assistant requests 70.8, 84.0, 87.4,
88.2, 87.2; grocery shop 28.6, 44.2, 45.8, 45.5, 41.4; short grocery names 41.5, 50.7, 54.1, 55.2, 53.4; hand-labelled
offers 14.7, 39.5, 50.4, 53.8, 50.9."""

Maker = Callable[[Sequence[ClassEvidence], Floats, NDArray[np.int64]], ClassVectors]
"""Makes class vectors of the evidence of K classes, the unit vectors of n items, shape (n, dim), and for each item the
place of its class among the K, or -1 where it is hidden; shape (n,). The items without a label are those that will be
judged: a maker may learn from what they are, as a catalogue learns from its stored items."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named way to class vectors.

    Attributes:
        name: For people.
        shots: How many labels a class it is shown at most; 0 for none.
        make: The way.
    """

    name: str
    shots: int
    make: Maker


def texts(evidence: Sequence[ClassEvidence], _items: Floats, _labels: NDArray[np.int64]) -> ClassVectors:
    """Class vectors of the texts alone, as a catalogue makes them before it has learnt anything."""
    vectors = np.stack([class_vector(one.kinds, one.vectors) for one in evidence])
    return ClassVectors(vectors, np.zeros(len(vectors), np.float32))


def few_labels(evidence: Sequence[ClassEvidence], items: Floats, labels: NDArray[np.int64]) -> ClassVectors:
    """Class vectors mixed of the texts and the mean of the labelled items; of the texts alone where there is none."""
    made = texts(evidence, items, labels)
    vectors = made.vectors.copy()
    for place in np.unique(labels[labels >= 0]).tolist():
        mean = _unit(items[labels == place].mean(axis=0))
        vectors[place] = _unit(vectors[place] + _LABEL_WEIGHT * mean)
    return ClassVectors(vectors, made.biases)


def learnt(evidence: Sequence[ClassEvidence], items: Floats, labels: NDArray[np.int64]) -> ClassVectors:
    """Class vectors as ``learn`` makes them of the items and of the labels there are, without lexical evidence."""
    made = texts(evidence, items, labels)
    material = Material(items, made.vectors, None, np.ones(len(items), np.float32), labels)
    found = learn(Lesson(material))
    return ClassVectors(found.vectors, found.biases)


def draw_labels(
    places: NDArray[np.int64], shots: int, seed: int = 0, *, first: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The labels that a variant is shown: at most ``shots`` of each class, and never more than half of its items.

    Args:
        places: Place of the class of each item, -1 for an item out of scope; shape (n,).
        shots: How many.
        seed: Of the draw.
        first: Items that are drawn before the others of their class, shape (n,).

    Returns:
        ``places`` with -1 for each item that stays hidden.

    Example:
        >>> draw_labels(np.array([0, 0, 0, 0, 1, -1]), shots=5).tolist().count(0)
        2
    """
    shuffled = np.random.default_rng(seed).permutation(len(places))
    if first is not None:
        shuffled = shuffled[np.argsort(~first[shuffled], kind="stable")]
    drawn = np.full(len(places), -1, np.int64)
    for place in np.unique(places[places >= 0]).tolist():
        mine = shuffled[places[shuffled] == place]
        drawn[mine[: min(shots, len(mine) // 2)]] = place
    return drawn


def _unit(vector: Floats) -> Floats:
    norm = float(np.linalg.norm(vector))
    return (vector / norm).astype(np.float32) if norm > 1e-9 else vector


VARIANTS: Final = (
    Variant("zero-shot", 0, texts),
    Variant("adapted", 0, learnt),
    Variant(f"{FEW} labels a class", FEW, few_labels),
    Variant(f"adapted, {FEW} labels a class", FEW, learnt),
)
"""What every comparison tries."""
