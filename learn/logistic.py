"""Multinomial logistic regression in single precision, on all cores.

scikit-learn's computes in double precision, with the softmax on one core; for hundreds of classes that is most of the
time of learning.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .arrays import chunks
from .side_by_side import side_by_side

__all__ = ["logistic"]

_TRIED_STEPS: Final = 50
"""Of a line search at most: as scikit-learn has it, and so the next."""
_LEAST_CHANGE: Final = 64 * float(np.finfo(np.float64).eps)
"""Of the loss, relative."""

Floats = NDArray[np.float32]


def logistic(
    inputs: Floats,
    targets: NDArray[np.int64],
    weights: Floats,
    start: tuple[Floats, Floats],
    *,
    cost: float,
    rounds: int,
    tolerance: float,
) -> tuple[Floats, Floats]:
    """One vector and bias for each class, whose softmax tells the classes of the inputs best.

    The mean of the log losses by weight, plus the squares of the vectors over 2 * cost * sum of weights, is made least
    by L-BFGS (Liu and Nocedal, Mathematical Programming 45, 1989).

    Args:
        inputs: Shape (n, d), float32.
        targets: The class of each, shape (n,).
        weights: What each counts, shape (n,), float32.
        start: Vectors and biases to go on from, shapes (K, d) and (K,).
        cost: What errors cost beside long vectors.
        rounds: Most steps.
        tolerance: Largest number of the gradient at which it is good enough.

    Returns:
        Vectors, shape (K, d), and biases, shape (K,).
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    dim = inputs.shape[1]
    found = minimize(
        _loss(inputs, targets, weights, len(start[1]), cost),
        np.column_stack(start).astype(np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": rounds, "maxls": _TRIED_STEPS, "gtol": tolerance, "ftol": _LEAST_CHANGE},
    )
    vectors, biases = np.split(found.x.reshape(-1, dim + 1).astype(np.float32), [dim], axis=1)
    return np.ascontiguousarray(vectors), biases.ravel()


def _loss(
    inputs: Floats, targets: NDArray[np.int64], weights: Floats, classes: int, cost: float
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Loss and gradient as a function of the vectors, each with its bias behind it."""
    dim, total = inputs.shape[1], float(weights.sum(dtype=np.float64))
    shares = (weights / total).astype(np.float32)
    penalty = 1 / (cost * total)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        given = flat.reshape(classes, dim + 1)
        vectors, biases = given[:, :dim].astype(np.float32), given[:, dim].astype(np.float32)

        def of_part(part: slice) -> tuple[float, Floats, Floats]:
            some, wanted, share = inputs[part], targets[part], shares[part]
            rows = np.arange(len(some))
            scores: Floats = some @ vectors.T
            scores += biases
            scores -= scores.max(axis=1, keepdims=True)
            right = scores[rows, wanted]
            np.exp(scores, out=scores)
            sums = scores.sum(axis=1)
            lost = float(((np.log(sums) - right) * share).sum(dtype=np.float64))
            scores *= (share / sums)[:, None]
            scores[rows, wanted] -= share
            return lost, scores.T @ some, scores.sum(axis=0)

        value, gradient = penalty / 2 * float((given[:, :dim] ** 2).sum()), np.zeros_like(given)
        for lost, by_vectors, by_biases in side_by_side(of_part, chunks(len(inputs), classes)):
            value += lost
            gradient[:, :dim] += by_vectors
            gradient[:, dim] += by_biases
        gradient[:, :dim] += penalty * given[:, :dim]
        return value, gradient.ravel()

    return loss
