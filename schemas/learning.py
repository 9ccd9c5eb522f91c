"""What learning leaves behind: a version, the vectors it gives classes, and how classes it has not seen join in."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEXICAL_WEIGHT", "Landmarks", "LearnedClass", "Learner", "Newcomers"]

LEXICAL_WEIGHT: Final = 0.15
"""What lexical evidence counts beside the cosine before anything is learnt. Measured with MiniLM, accuracy in % at 0,
0.15 and 0.3: bank questions 62.4, 62.5, 61.3; assistant requests 69.2, 69.2, 67.7; grocery shop 29.9, 33.4, 33.3;
hand-labelled offers 28.1, 33.4, 36.2; short grocery names 41.7, 43.1, 42.0; fashion titles 74.3, 82.6, 84.3."""


@dataclass(frozen=True, slots=True)
class Newcomers:
    """How the text vector t of a class that was not there at learning becomes a class vector and a bias.

    The class is put on the scale of the learnt ones: with u = (t - text_centre) / |t - text_centre|, its vector is
    ``scale`` * u and its bias ``shift`` - ``scale`` * (item_centre . u).

    Attributes:
        item_centre: Shape (dim,), float32; subtracted from items.
        text_centre: Shape (dim,), float32; subtracted from class texts.
        scale: Factor of the unit vector.
        shift: Added to the bias.
    """

    item_centre: NDArray[np.float32]
    text_centre: NDArray[np.float32]
    scale: float
    shift: float

    def place(self, texts: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors, shape (n, dim), and biases, shape (n,), of classes with text vectors of shape (n, dim)."""
        moved = texts - self.text_centre
        units = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        biases = self.shift - self.scale * (units @ self.item_centre)
        return (self.scale * units).astype(np.float32), biases.astype(np.float32)


_AROUND: Final = 0.05
"""Landmarks whose cosine is less by this count less by a factor e."""
_FIT_COUNTS: Final = 4.0
"""What the fit around an item counts beside its best score. AUROC over 14 sets and mixes, half of them with a
quarter or more of strangers: 0.924 with 4, as with 8; 0.75 with the best score alone."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where the items lay that were learnt from, and how well class texts fit there.

    Where all of them belong, an item is the more likely to belong the nearer it is to them. Where strangers are among
    them, being near says nothing, and how well class texts fit the items nearby says it all.

    Attributes:
        vectors: Means of items that lie together, shape (L, dim), float32, each shorter than 1.
        fits: Mean cosine of those items to the nearest class text, shape (L,), float32.
        strangeness: How surely there are strangers in bulk, from 0 to 1.
        least: Cosine to the nearest class text below which an item seems to fit no class.
    """

    vectors: NDArray[np.float32]
    fits: NDArray[np.float32]
    strangeness: float
    least: float

    def fit(self, items: NDArray[np.float32], best: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well any class fits each item; higher is better, and 0.1 of cosine makes a difference of about 0.1.

        Args:
            items: Unit vectors, shape (n, dim).
            best: The best score of each, shape (n,).
        """
        units = self.vectors / np.maximum(np.linalg.norm(self.vectors, axis=1, keepdims=True), 1e-9)
        near = items @ units.T
        nearest = near.max(axis=1)
        found = (1 - self.strangeness) * (best + nearest)
        if self.strangeness:
            weights = np.exp((near - nearest[:, None]) / np.float32(_AROUND))
            found += self.strangeness * _FIT_COUNTS * (weights @ self.fits) / weights.sum(axis=1)
        return np.asarray(found, np.float32)

    def threshold(self, unrelated: NDArray[np.float32], best: NDArray[np.float32], quantile: float) -> float:
        """The fit below which an item is novel, without labels.

        Args:
            unrelated: Unit vectors of texts that have to do with no class, shape (n, dim).
            best: The best score of each, shape (n,).
            quantile: Share of them that score less; among strangers, ``least`` parts them from others.
        """
        usual = float(np.quantile(replace(self, strangeness=0.0).fit(unrelated, best), quantile))
        return (1 - self.strangeness) * usual + self.strangeness * _FIT_COUNTS * self.least

    def joined_by(self, texts: NDArray[np.float32]) -> "Landmarks":
        """The landmarks once classes with these text vectors, shape (n, dim), are there as well."""
        if not len(texts):
            return self
        return replace(self, fits=np.maximum(self.fits, (self.vectors @ texts.T).max(axis=1)))


@dataclass(frozen=True, slots=True)
class LearnedClass:
    """What one version of a learner gives one class.

    Attributes:
        class_id: The class.
        digest: Of the evidence it was learnt with; a class edited since is a newcomer again.
        vector: Shape (dim,), float32; not of unit length.
        bias: Added to the inner product.
        features: Columns of the lexical weights, int64, rising.
        weights: Their values, float32.
    """

    class_id: str
    digest: str
    vector: NDArray[np.float32]
    bias: float
    features: NDArray[np.int64]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learner:
    """One version of what a space has learnt.

    Attributes:
        version: From 1.
        method: ``adapted`` (from items without labels) or ``trained`` (with labels).
        lexical_weight: Weight of the label-free lexical evidence in the score.
        newcomers: Places classes that are not among its vectors.
        strangeness: Of its landmarks.
        least: Of its landmarks.
        report: What it was learnt from and what it changed, for people.
    """

    version: int
    method: str
    lexical_weight: float
    newcomers: Newcomers
    strangeness: float = 0.0
    least: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The learner as JSON-able data."""
        return {
            "version": self.version,
            "method": self.method,
            "lexical_weight": self.lexical_weight,
            "item_centre": _packed(self.newcomers.item_centre),
            "text_centre": _packed(self.newcomers.text_centre),
            "scale": self.newcomers.scale,
            "shift": self.newcomers.shift,
            "strangeness": self.strangeness,
            "least": self.least,
            "report": dict(self.report),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Learner":
        """The learner that ``to_dict`` gave."""
        newcomers = Newcomers(
            _unpacked(data["item_centre"]), _unpacked(data["text_centre"]), float(data["scale"]), float(data["shift"])
        )
        return cls(
            int(data["version"]),
            str(data["method"]),
            float(data["lexical_weight"]),
            newcomers,
            float(data.get("strangeness", 0.0)),
            float(data.get("least", 0.0)),
            data.get("report", {}),
        )


def _packed(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode("ascii")


def _unpacked(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
