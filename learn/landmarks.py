"""What stored items say of whether any class fits: where they lie, and whether there are strangers among them in bulk.

The best score alone misleads once classes have moved towards the items: where many of these fit no class, some class
has moved towards them too. Strangers show in how the fit of items to the class texts is spread: among items that
belong, near ones fit now well, now badly; strangers lie together and fit badly together. So items are clustered, and
what of the variance of their fit lies between the clusters tells the two apart: 0.20 to 0.33 on six sets where all
items belong, 0.45 to 0.82 on seven where a quarter or more do not (0.31 on one).

The same share cannot say what to learn from: where some classes are described worse than others it is as high, and to
leave out the items of those, or to let them count less, costs up to 25 points there.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import Landmarks
from .arrays import evenly
from .quiet import expected_warnings

if TYPE_CHECKING:
    from .adapt import Material

__all__ = ["landmarks"]

_FEWEST_ITEMS: Final = 200
"""Of fewer items nothing is said: their clusters would be single items."""
_CLUSTERS: Final = 50
_ITEMS_A_CLUSTER: Final = 20
_SURVEYED: Final = 20_000
_LANDMARKS: Final = 1000
_ITEMS_A_LANDMARK: Final = 10
_BETWEEN: Final = (0.3, 0.5)
"""Share of the variance up to which no item is taken for a stranger, and from which how texts fit counts alone."""
_SCORES_AT_ONCE: Final = 4_000_000

Floats = NDArray[np.float32]


def landmarks(material: "Material", least: float) -> Landmarks | None:
    """The landmarks of the items of a lesson; None where there are too few items.

    Args:
        material: What is learnt from.
        least: Cosine to the nearest class text below which an item seems to fit no class.
    """
    if len(material.items) < _FEWEST_ITEMS:
        return None
    some = evenly(len(material.items), _SURVEYED)
    items, fits = material.items[some], material.fits[some]
    best = _best(items, material.texts)
    _, cluster = _clusters(items, min(_CLUSTERS, len(items) // _ITEMS_A_CLUSTER), rounds=20)
    low, high = _BETWEEN
    strangeness = float(np.clip((_between(cluster, fits) - low) / (high - low), 0, 1))
    centres, near = _clusters(items, min(_LANDMARKS, len(items) // _ITEMS_A_LANDMARK), rounds=8)
    there = np.unique(near)
    return Landmarks(centres[there], _means(near, best)[there], strangeness, least)


def _best(items: Floats, texts: Floats) -> Floats:
    """Cosine of each item to the nearest class text, shape (n,)."""
    step = max(1, _SCORES_AT_ONCE // len(texts))
    return np.concatenate([(items[at : at + step] @ texts.T).max(axis=1) for at in range(0, len(items), step)])


def _clusters(items: Floats, k: int, rounds: int) -> tuple[Floats, NDArray[np.int64]]:
    """Means of the clusters, shape (k, d), and the cluster of each item."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import

    with expected_warnings():
        found = KMeans(k, init="random", n_init=1, max_iter=rounds, random_state=0).fit(items)
    return found.cluster_centers_.astype(np.float32), found.labels_.astype(np.int64)


def _means(cluster: NDArray[np.int64], values: Floats) -> Floats:
    """Mean of the values in each cluster, by its number; 0 for an empty one."""
    return (np.bincount(cluster, values) / np.maximum(np.bincount(cluster), 1)).astype(np.float32)


def _between(cluster: NDArray[np.int64], values: Floats) -> float:
    """Share of the variance that lies between clusters, 0 to 1."""
    return float(_means(cluster, values)[cluster].var()) / max(float(values.var()), 1e-9)
