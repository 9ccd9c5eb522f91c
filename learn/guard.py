"""Where adaptation to unlabelled items is given up: do its answers bear out what it supposed of the sizes of classes?

Where few classes hold most items, the size of a class speaks for it, and more items should come together in big classes
than by class texts alone. If a big class is broken up among small ones instead, their texts happened to lie nearer to
parts of it: titles of T-shirts, shirts and jackets are "Topwear", and some lie nearer to "Apparel Set". Then the texts
alone are better. What comes of it is measured by ``bench/adaptation.py``.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import LEXICAL_WEIGHT, Newcomers
from .adapt import Adaptation, Material
from .arrays import chunks, evenly
from .lesson import Learnt

__all__ = ["breaks_up", "by_texts"]

_UNEVEN: Final = 0.75
"""Evenness below which the size of a class speaks for it most; see ``adapt``."""
_LEAST_TOGETHER: Final = 0.9
"""Of what is together by texts. Chosen on 29 mixes of products and requests below that evenness, others than those of
``bench/adaptation.py``, in half of which one class has 50 to 70 % of the items. Seven have less together: five lose 2
to 33 points by adaptation, two gain 1 and 3. Of the other 22 one loses 8, one loses 1, and 18 gain up to 19."""
_ITEMS: Final = 10_000

Floats = NDArray[np.float32]


def breaks_up(material: Material, adapted: Adaptation) -> bool:
    """Whether few classes hold most items, and adaptation takes these apart."""
    if adapted.evenness >= _UNEVEN:
        return False
    flat = np.zeros(len(material.texts), np.float32)
    before = _together(material, material.texts, flat)
    return _together(material, adapted.vectors, adapted.biases) < _LEAST_TOGETHER * before


def by_texts(material: Material, learnt: Learnt) -> Learnt:
    """Class texts as they are, in place of what was learnt."""
    nowhere = np.zeros(material.texts.shape[1], np.float32)
    return replace(
        learnt,
        vectors=material.texts,
        biases=np.zeros(len(material.texts), np.float32),
        lexical=None,
        lexical_weight=LEXICAL_WEIGHT,
        newcomers=Newcomers(nowhere, nowhere, 1.0, 0.0),
    )


def _together(material: Material, vectors: Floats, biases: Floats) -> float:
    """Chance that two items are answered with the same class (Simpson, Nature 163, 1949), by how far items fit any."""
    rows = evenly(len(material.items), _ITEMS)
    sizes = np.zeros(len(vectors))
    for chunk in chunks(len(rows), len(vectors)):
        some = rows[chunk]
        scores = material.scores(some, vectors, biases)
        sizes += np.bincount(scores.argmax(axis=1), material.fits[some], len(vectors))
    return float(((sizes / max(float(sizes.sum()), 1e-9)) ** 2).sum())
