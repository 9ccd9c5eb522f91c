"""What a text counts beside a picture, from labels; pure computation."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST_LABELS", "fit_text_weight"]

FEWEST_LABELS: Final = 50
"""Of fewer rows the weight says less than temperatures do: on fashion titles with photos, whole or with words taken
away, 25 rows lose up to 2.4 points against these, 50 lose 1.5 at most and gain 6.7 where titles say nothing."""

_WEIGHTS: Final = np.linspace(0.0, 1.0, 41)
_TEMPERATURES: Final = np.geomspace(0.003, 0.3, 25)


def fit_text_weight(
    text: NDArray[np.float32], image: NDArray[np.float32], right: NDArray[np.bool_], usual: float
) -> float:
    """The weight of text scores in the mean of text and image scores under which labels are likeliest.

    For each weight the temperature is fitted too, so that only the order of classes and their distances count. Rows
    without a right class say nothing here.

    Args:
        text: Scores by text, shape (n, m), nan where there is no candidate.
        image: The same by picture, of the same candidates.
        right: Whether each candidate is right, shape (n, m).
        usual: Weight that stands where there are fewer than ``FEWEST_LABELS`` rows to learn from.
    """
    known = right.any(axis=1)
    if known.sum() < FEWEST_LABELS:
        return usual
    said, shown, right = text[known].astype(np.float64), image[known].astype(np.float64), right[known]
    losses = [
        min(_loss(weight * said + (1 - weight) * shown, right, one) for one in _TEMPERATURES) for weight in _WEIGHTS
    ]
    return float(_WEIGHTS[int(np.argmin(losses))])


def _loss(scores: NDArray[np.float64], right: NDArray[np.bool_], temperature: float) -> float:
    """Mean negative log share of the right candidates."""
    raised = scores / temperature
    raised = np.exp(raised - np.nanmax(raised, axis=1, keepdims=True))
    shares = np.nansum(np.where(right, raised, 0), axis=1) / np.nansum(raised, axis=1)
    return float(-np.log(np.maximum(shares, 1e-12)).mean())
