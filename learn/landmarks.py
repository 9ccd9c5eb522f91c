"""What stored items say of whether any class fits: where they lie, and which of them are strangers in bulk.

The best score alone misleads once classes have moved towards the items: where many of these fit no class, some class
has moved towards them too. Strangers show in how the fit of items to the class texts is spread: among items that
belong, near ones fit now well, now badly; strangers lie together and fit badly together. So items are clustered, and
what of the variance of their fit lies between the clusters tells the two apart: 0.20 to 0.33 on six sets where all
items belong, 0.45 to 0.82 on seven where a quarter or more do not (0.31 on one).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import Landmarks
from .arrays import evenly
from .quiet import expected_warnings

if TYPE_CHECKING:
    from .adapt import Material

__all__ = ["Survey", "survey"]

_FEWEST_ITEMS: Final = 200
"""Of fewer items nothing is said: their clusters would be single items."""
_CLUSTERS: Final = 50
_ITEMS_A_CLUSTER: Final = 20
_SURVEYED: Final = 20_000
_LANDMARKS: Final = 1000
_ITEMS_A_LANDMARK: Final = 10
_BETWEEN: Final = (0.3, 0.5)
"""Share of the variance between clusters up to which no item is taken for a stranger, and from which fit
counts alone."""
_APART: Final = 0.5
"""Share from which items among others that fit badly count less in learning. Accuracy on five sets with 20 to 60 % of
strangers, learnt with the items' own fit, with the square of their cluster's on top, and without the clusters that fit
badly: 66.3, 69.3, 69.3; 71.0, 71.9, 75.0; 43.0, 43.2, 43.4; 36.2, 37.0, 35.5; 77.9, 79.4, 71.9. The last is the best
where strangers are far off and the worst where they are near; below this share both lose."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of the items before anything is learnt.

    Attributes:
        material: As it was given, with less ``fits`` for items among strangers.
        landmarks: For the question whether any class fits; None where there are too few items.
    """

    material: "Material"
    landmarks: Landmarks | None


def survey(material: "Material") -> Survey:
    """Find strangers in bulk among the items of a lesson, and landmarks."""
    items = material.items
    if len(items) < _FEWEST_ITEMS:
        return Survey(material, None)
    best = _best(material)
    some = evenly(len(items), _SURVEYED)
    centres, _ = _clusters(items[some], min(_CLUSTERS, len(some) // _ITEMS_A_CLUSTER), rounds=20)
    cluster = _nearest(items, centres)
    counts = np.bincount(cluster, minlength=len(centres))
    between = _between(cluster, counts, material.fits)
    if between > _APART:
        around = _means(cluster, counts, material.fits)[cluster]
        material = replace(material, fits=material.fits * around**2)
    low, high = _BETWEEN
    strangeness = float(np.clip((between - low) / (high - low), 0, 1))
    divide = _divide(_means(cluster, counts, best), counts)
    return Survey(material, _landmarks(items[some], best[some], strangeness, divide))


def _best(material: "Material") -> Floats:
    """Cosine of each item to the nearest class text, shape (n,)."""
    step = 4096
    parts = [
        (material.items[at : at + step] @ material.texts.T).max(axis=1) for at in range(0, len(material.items), step)
    ]
    return np.concatenate(parts)


def _landmarks(items: Floats, best: Floats, strangeness: float, divide: float) -> Landmarks:
    centres, cluster = _clusters(items, min(_LANDMARKS, len(items) // _ITEMS_A_LANDMARK), rounds=8)
    counts = np.bincount(cluster, minlength=len(centres))
    there = counts > 0
    return Landmarks(centres[there], _means(cluster, counts, best)[there], strangeness, divide)


def _clusters(items: Floats, k: int, rounds: int) -> tuple[Floats, NDArray[np.int64]]:
    """Means of the clusters, shape (k, d), and the cluster of each item."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import

    with expected_warnings():
        found = KMeans(k, init="random", n_init=1, max_iter=rounds, random_state=0).fit(items)
    return found.cluster_centers_.astype(np.float32), found.labels_.astype(np.int64)


def _nearest(items: Floats, centres: Floats) -> NDArray[np.int64]:
    squares = 0.5 * (centres**2).sum(axis=1)
    return np.asarray((items @ centres.T - squares).argmax(axis=1), np.int64)


def _means(cluster: NDArray[np.int64], counts: NDArray[np.int64], values: Floats) -> Floats:
    sums = np.bincount(cluster, values, minlength=len(counts))
    return (sums / np.maximum(counts, 1)).astype(np.float32)


def _between(cluster: NDArray[np.int64], counts: NDArray[np.int64], values: Floats) -> float:
    """Share of the variance that lies between clusters, 0 to 1."""
    spread = float(((_means(cluster, counts, values) - values.mean()) ** 2 * counts).sum() / counts.sum())
    return spread / max(float(values.var()), 1e-9)


def _divide(means: Floats, counts: NDArray[np.int64]) -> float:
    """The value that parts clusters in two with the most variance between (Otsu, IEEE Trans. SMC 9, 1979)."""
    order = np.argsort(means)
    values, weights = means[order].astype(np.float64), counts[order].astype(np.float64)
    below, sums = np.cumsum(weights)[:-1], np.cumsum(weights * values)[:-1]
    above = weights.sum() - below
    apart = below * above * (sums / np.maximum(below, 1) - (values @ weights - sums) / np.maximum(above, 1)) ** 2
    at = int(apart.argmax())
    return float((values[at] + values[at + 1]) / 2)
