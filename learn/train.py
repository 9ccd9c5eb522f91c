"""Linear heads: from items whose class is known, or guessed by a teacher, to one vector and bias for each class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .adapt import Material
from .arrays import evenly
from .logistic import logistic
from .quiet import expected_warnings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["STUDENT_CLASSES", "Head", "head", "student"]

STUDENT_CLASSES: Final = 1500
"""With more classes the student is left out: its training grows with items times classes."""

_STUDENT_ITEMS: Final = 12_000
_SURE: Final = 0.3
"""Least posterior of the class of an item that the student learns from."""
_COST: Final = 5.0
_ROUNDS: Final = 60
_TOLERANCE: Final = 1e-3
"""Of a student that begins with nothing; see ``logistic``. At a cost of 2 accuracy is the same to 0.1 points."""
_MORE_ROUNDS: Final = 10
"""Of a student that goes on from another: with 20 or 40, or from nothing, answers are as good to 0.3 points."""
_LABEL_WEIGHT: Final = 3.0
"""Of an item with a label, beside at most 1 of one without."""

_FEATURE_SCALE: Final = 1.5
_HEAD_COST: Final = 0.5
"""Scale of embedding and lexical features, and cost of the support vector machine: of 1 to 2 and 0.1 to 1 the best on
4,000 labels of three catalogues, where half a point lies between them."""
_TEXT_WEIGHT: Final = 0.3
_COEFFICIENTS: Final = 24_000_000
"""Most numbers of a head while it is trained, 200 MB."""
_KEPT_WEIGHTS: Final = 1000
"""Lexical weights kept for each class: with all of them the accuracy is 0.1 to 0.2 points higher."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """Linear scores of some classes.

    Attributes:
        classes: Indices of the classes, shape (m,).
        vectors: Shape (m, d), float32.
        biases: Shape (m,), float32.
        lexical: Sparse weights of lexical features, shape (m, features), or None.
    """

    classes: NDArray[np.int64]
    vectors: Floats
    biases: Floats
    lexical: "csr_matrix | None" = None


def student(
    material: Material, teacher: Callable[[NDArray[np.int64]], Floats], start: Head | None = None
) -> Head | None:
    """A logistic regression on items with the classes that a teacher gives them; None with too many classes.

    It sees what sets classes apart where adaptation sees where they lie, and the two together are better than either
    (self-training with a discriminative student). Labelled items count three times.

    Args:
        material: Items, labels and class texts, each text an item of its own.
        teacher: How likely each class is for some items, given by their rows, shape (rows, K).
        start: A student of nearly the same, which is taken further in a few rounds.
    """
    n, classes = material.shape
    if not 1 < classes <= STUDENT_CLASSES:
        return None
    rows = np.unique(np.concatenate([evenly(n, _STUDENT_ITEMS), np.flatnonzero(material.labels >= 0)]))
    posterior = teacher(rows)
    known = material.labels[rows] >= 0
    guessed = np.where(known, material.labels[rows], posterior.argmax(axis=1))
    weights = np.where(known, _LABEL_WEIGHT, posterior.max(axis=1) * material.fits[rows])
    sure = known | (weights > _SURE)
    nothing = np.zeros_like(material.texts), np.zeros(classes, np.float32)
    vectors, biases = logistic(
        np.concatenate([material.items[rows][sure], material.texts]),
        np.concatenate([guessed[sure], np.arange(classes)]),
        np.concatenate([weights[sure], np.ones(classes)]).astype(np.float32),
        nothing if start is None else (start.vectors, start.biases),
        # Two classes have one border between them, and each half of the vector that makes it.
        cost=_COST if classes > 2 else _COST / 2,
        rounds=_ROUNDS if start is None else _MORE_ROUNDS,
        tolerance=_TOLERANCE if start is None else _TOLERANCE / 10,
    )
    return Head(np.arange(classes), vectors, biases)


def head(material: Material, features: "csr_matrix", text_features: "csr_matrix") -> Head | None:
    """A linear support vector machine on embeddings and lexical features of the labelled items.

    Args:
        material: Only its labelled items count; their texts take part with a small weight.
        features: Lexical features of the items, shape (n, features).
        text_features: Lexical features of the class texts, shape (K, features).

    Returns:
        The head of the classes that have labels; None where fewer than two have.
    """
    from scipy import sparse  # noqa: PLC0415 - slow to import
    from sklearn.svm import LinearSVC  # noqa: PLC0415 - slow to import

    known = np.flatnonzero(material.labels >= 0)
    classes = np.unique(material.labels[known])
    if len(classes) < 2:
        return None
    columns = _columns(features[known], len(classes))
    dense = np.concatenate([material.items[known], material.texts[classes]]) * _FEATURE_SCALE
    words = sparse.vstack([features[known][:, columns], text_features[classes][:, columns]]) * _FEATURE_SCALE
    inputs = sparse.hstack([sparse.csr_matrix(dense), words]).tocsr()
    targets = np.concatenate([material.labels[known], classes])
    weights = np.concatenate([np.ones(len(known)), np.full(len(classes), _TEXT_WEIGHT)])
    model = LinearSVC(C=_HEAD_COST, random_state=0)
    with expected_warnings():
        model.fit(inputs, targets, sample_weight=weights)
    coefficients = model.coef_ * _FEATURE_SCALE
    biases = model.intercept_
    if len(classes) == 2:  # one row stands for both
        coefficients, biases = np.concatenate([-coefficients, coefficients]), np.concatenate([-biases, biases])
    dim = material.items.shape[1]
    lexical = _pruned(coefficients[:, dim:], columns, features.shape[1])
    return Head(classes, coefficients[:, :dim].astype(np.float32), biases.astype(np.float32), lexical)


def _columns(features: "csr_matrix", classes: int) -> NDArray[np.int64]:
    """Columns that occur in two items or more, the most frequent where there are too many."""
    counts = np.bincount(features.indices, minlength=features.shape[1])
    most = max(100, _COEFFICIENTS // classes)
    columns = np.flatnonzero(counts >= 2)
    if len(columns) > most:
        columns = np.sort(columns[np.argsort(-counts[columns], kind="stable")[:most]])
    return columns


def _pruned(weights: NDArray[np.float64], columns: NDArray[np.int64], features: int) -> "csr_matrix":
    from scipy import sparse  # noqa: PLC0415 - slow to import

    kept = min(_KEPT_WEIGHTS, weights.shape[1])
    if kept < weights.shape[1]:
        least = np.partition(np.abs(weights), -kept, axis=1)[:, -kept][:, None]
        weights = np.where(np.abs(weights) >= least, weights, 0.0)
    local = sparse.csr_matrix(weights.astype(np.float32))
    return sparse.csr_matrix((local.data, columns[local.indices], local.indptr), shape=(len(weights), features))
