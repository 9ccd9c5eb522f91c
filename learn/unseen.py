"""How many items belong to classes that have no labels, as far as the answers of class texts tell; pure computation.

Classes with labels are learnt from these, and those without would be answered ever less. But that a class has no labels
does not say that it has no items: whoever adds one to a catalogue has labels of the others only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .adapt import Material
from .arrays import chunks, evenly

__all__ = ["Unseen", "single_share", "unseen_items"]

_ITEMS: Final = 20_000
"""Items without a label that are looked at."""
_SAMPLE: Final = 2000
"""Of those, the ones that scores are levelled on."""
_MOST: Final = 0.9
"""Share of the items without a label that belong to classes without labels at most."""
_MOST_RARE: Final = 0.5
"""Share of all items that single labels are believed to speak of at most: of a handful of labels most are single."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What items say of the classes without labels.

    Attributes:
        share: Of all items, how many belong to such a class, from 0 to 1.
        rows: Some items without a label, shape (m,).
        weights: What each of these counts so that they stand for all items, shape (m,).
    """

    share: float
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]


def single_share(labels: NDArray[np.int64]) -> float:
    """Share of the items that belong to classes so rare that no label was drawn: of labels, those alone in their class.

    Where no class has two labels they were hardly drawn at random, and say nothing of shares.

    Source:
        Good, The population frequencies of species and the estimation of population parameters, Biometrika 40, 1953.

    >>> single_share(np.array([0, 0, 0, 1, -1])), single_share(np.array([0, 1]))
    (0.25, 0.0)
    """
    counts = np.bincount(labels[labels >= 0])
    return min(float((counts == 1).sum() / counts.sum()), _MOST_RARE) if counts.max(initial=0) > 1 else 0.0


def unseen_items(material: Material, least: float = 0.0) -> Unseen | None:
    """How many items belong to classes without labels; None where no item can, or nothing shows it.

    Class texts give classes without labels the share a of the items with a label, wrongly, and the share c of the
    others. They are right for the share r of the items with a label. Of the items of classes without labels they give
    b = r + a to such classes: those that they are right for, and of the others as many as of other items. With p, the
    share of the items without a label that is wanted, c = (1 - p) a + p b, so that

        p = (c - a) / r

    less one standard error of c - a, for a few labels say little of a. Items that seem to fit no class count less.

    Args:
        material: What there is to learn from.
        least: Share of all items that is believed to belong to such classes at least.

    Source:
        Lipton, Wang and Smola, Detecting and correcting for label shift with black box predictors, 2018
        (arXiv 1802.03916), section 3, for two groups of classes. On six sets with none, a twentieth, a fifth and half
        of their classes without labels, p is off by 0.03 in the mean and by 0.24 at most, with no error taken off.
    """
    told, others = np.flatnonzero(material.labels >= 0), np.flatnonzero(material.labels < 0)
    unseen = ~np.isin(np.arange(len(material.texts)), material.labels[told])
    known, unknown = (float(material.fits[rows].sum()) for rows in (told, others))
    if not unseen.any() or not known or not unknown:
        return None
    others = others[evenly(len(others), _ITEMS)]
    answers, given = _answers(material, told), unseen[_answers(material, others)]
    right = (float((answers == material.labels[told]).sum()) + 1) / (len(told) + 2)
    wrongly, error = _share(unseen[answers], material.fits[told])
    found, other_error = _share(given, material.fits[others])
    among = float(np.clip((found - wrongly - np.hypot(error, other_error)) / right, 0, _MOST))
    without = unknown / (known + unknown)
    share = min(max(without * among, least), _MOST)
    if not share:
        return None
    sample = evenly(len(others), _SAMPLE)
    weights = _standing_for_all(given, min(right + wrongly, 1.0), found, among, without)
    return Unseen(share, others[sample], (weights * material.fits[others])[sample])


def _standing_for_all(
    given: NDArray[np.bool_], rightly: float, found: float, among: float, without: float
) -> NDArray[np.float64]:
    """What items without a label count so that they stand for all items, shape (n,).

    They are not like all items where labels are of some classes only. With the names of ``unseen_items``, and s, the
    share of the items that have no label: one that texts give to a class without labels is of such a class with
    P = p b / c, others with P = p (1 - b) / (1 - c), and counts s P + (1 - s p) / (1 - p) (1 - P).
    """
    yes, no = among * rightly / max(found, 1e-9), among * (1 - rightly) / max(1 - found, 1e-9)
    likely = np.where(given, min(yes, 1.0), min(no, 1.0))
    return without * likely + (1 - without * among) / (1 - among) * (1 - likely)


def _answers(material: Material, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class that texts give each item, shape (rows,)."""
    found = np.empty(len(rows), np.int64)
    for part in chunks(len(rows), len(material.texts)):
        found[part] = material.scores(rows[part], material.texts).argmax(axis=1)
    return found


def _share(chosen: NDArray[np.bool_], weights: NDArray[np.float32]) -> tuple[float, float]:
    """The share of the weight that is chosen, and its standard error; of few rows it is never 0.

    Source:
        Agresti and Coull, The American Statistician 52, 1998, for the error.
    """
    total = float(weights.sum())
    share, n = float(weights[chosen].sum()) / total, total**2 / float((weights**2).sum())
    likely = (n * share + 2) / (n + 4)
    return share, float(np.sqrt(likely * (1 - likely) / (n + 4)))
