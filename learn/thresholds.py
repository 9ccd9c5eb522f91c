"""Label-free thresholds of a space, from what its classes score; pure computation.

They are measured on what unrelated texts score against the same classes, so that they mean the same in spaces whose
cosines lie between 0 and 0.6 and in spaces where they lie between 0.7 and 0.95.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.rules import Rules

__all__ = [
    "MARGIN_SPREADS",
    "NOVEL_QUANTILE",
    "PICTURE_NOVEL_QUANTILE",
    "label_free_rules",
    "picture_rules",
    "rules_between_classes",
]

NOVEL_QUANTILE: Final = 0.9
"""An item fits no class when its best score is below this quantile of the best scores of unrelated texts. Measured
with MiniLM on seven catalogues: it loses 0 to 7 % of the items that were right and catches 59 to 93 % of items from a
far catalogue, where the median loses none and catches 18 to 52 %."""

PICTURE_NOVEL_QUANTILE: Final = 0.4
"""The same of pictures that show nothing, which score higher than photos of other things. Measured with two small
models on phone photos of groceries and on fashion photos, with all classes and with a third of them taken away: it
loses 0 to 3 % of the photos that were right and catches 65 to 100 % of those from the other set; 0.25 loses up to 1 %
and catches 46 to 98 %, 0.5 loses up to 10 %. The 90 % quantile of unrelated texts loses 4 to 100 % in these spaces."""

MARGIN_SPREADS: Final = 0.15
"""Two classes fit alike when their scores differ by less than this many standard deviations of the similarity of
unrelated texts to classes: about 0.01 with MiniLM, where a tenth to a third of the items have a smaller margin."""

_FEW_CLASSES: Final = 8
_SAMPLE: Final = 2000


def label_free_rules(scores: NDArray[np.float32], novel_below: float | None = None) -> Rules:
    """Default thresholds of a text space.

    Args:
        scores: What unrelated texts score against the classes, everything that counts in an answer included; shape
            (texts, classes), at least one of each.
        novel_below: Fit below which an item is novel; by default what unrelated texts score decides.
    """
    if novel_below is None:
        novel_below = float(np.quantile(scores.max(axis=1), NOVEL_QUANTILE))
    return Rules(
        novel_below,
        MARGIN_SPREADS * float(scores.std()),
        f"uncalibrated, label-free default: {NOVEL_QUANTILE:.0%} of {len(scores)} unrelated texts score less",
    )


def picture_rules(scores: NDArray[np.float32], novel_below: float | None = None) -> Rules:
    """Default thresholds of a space of pictures.

    Args:
        scores: What pictures that show nothing score against the classes, biases included; shape (pictures, classes),
            at least one of each.
        novel_below: Fit below which an item is novel; by default what those pictures score decides.
    """
    if novel_below is None:
        novel_below = float(np.quantile(scores.max(axis=1), PICTURE_NOVEL_QUANTILE))
    return Rules(
        novel_below,
        MARGIN_SPREADS * float(scores.std()),
        f"uncalibrated, label-free default: {PICTURE_NOVEL_QUANTILE:.0%} of {len(scores)} pictures of nothing score "
        "less",
    )


def rules_between_classes(class_vectors: NDArray[np.float32]) -> Rules:
    """Default thresholds where no unrelated text can be encoded, as for precomputed vectors.

    An item fits no class when its best score is lower than three quarters of the similarities between classes.
    With fewer than eight classes those say little, and only a score of zero or less is novel.

    Args:
        class_vectors: Shape (classes, dim), unit rows; at least one.
    """
    sample = class_vectors[:: -(-len(class_vectors) // _SAMPLE)]
    between = (sample @ sample.T)[np.triu_indices(len(sample), 1)]
    if len(sample) < _FEW_CLASSES:
        return Rules(0.0, 0.01, f"uncalibrated, fixed default: {len(sample)} classes are too few to measure")
    return Rules(
        float(np.quantile(between, 0.25)),
        MARGIN_SPREADS * float(between.std()),
        "uncalibrated, label-free default: three quarters of the similarities between classes are higher",
    )
