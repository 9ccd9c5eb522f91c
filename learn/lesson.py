"""What there is to learn from, and what comes of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import Newcomers
from .adapt import Material

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Gain", "Learnt", "Lesson"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Everything there is to learn from.

    Attributes:
        material: Items, class texts, label-free lexical scores and labels.
        features: Lexical features of the items, shape (n, features), or None where items have no texts.
        text_features: The same of the class texts, shape (K, features), or None.
        rare: Share of the items that is believed to belong to classes too rare to have a label.
    """

    material: Material
    features: "csr_matrix | None" = None
    text_features: "csr_matrix | None" = None
    rare: float = 0.0


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
        scores = lesson.material.scores(rows, self.vectors, self.biases, self.lexical_weight)
        if self.lexical is not None and lesson.features is not None:
            scores += (lesson.features[rows] @ self.lexical.T).toarray()
        return np.asarray(scores, np.float32)
