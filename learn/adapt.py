"""Class vectors refined by the items themselves, with labels or without, in a way that cannot run off.

Items vote softly for classes, and each class vector moves from its texts towards the mean of its voters. Done plainly
this gains much where classes are of like size and loses more where a few classes hold most items, since small classes
are then filled up with their neighbours' items. So first the evenness of the class sizes is estimated (entropy under
an adaptive prior), and from it follow how far vectors may move, how far the size of a class speaks for it, and whether
sizes are levelled (Sinkhorn). Items that seem to fit no class count less.

Related methods, of which this takes parts: label propagation to zero-shot classes (ZLaP, arXiv 2404.04072), balancing
by optimal transport (Sinkhorn; dual bank, arXiv 2508.02538), expectation-maximisation with adapting priors (Saerens et
al., Neural Computation 14, 2002). Propagation over a graph of neighbours was measured too, and added nothing.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.learning import LEXICAL_WEIGHT, Newcomers
from .arrays import chunks, evenly, softmax
from .side_by_side import side_by_side

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["CENTRING", "TEMPERATURE", "Adaptation", "Material", "adapt"]

TEMPERATURE: Final = 0.05
"""Cosines differ by this where the odds of two classes differ by e. Between 0.03 and 0.1 little changes."""

_ROUNDS: Final = 10
"""More change nothing: 30 rounds on the bank questions give the accuracy of 10."""

CENTRING: Final = 0.85
"""Share of the centre that is subtracted. Of items all of one kind, 1 takes away what says that they are: between
0.75 and 1 the gain is alike on most of 31 mixes, and the worst loss the least at 0.85."""

_VOTES: Final = 5.0
"""Voters that a class needs to move half of the way it may: with fewer its texts say more than they do."""

_LABEL_VOTES: Final = 10.0
"""Most votes of an item with a label, against at most one of an item without; fewer where texts say more than items."""

_COMPARED_LABELS: Final = 600
"""Labelled items whose cosines to each other are looked at."""

_SCHEDULE: Final = np.array(
    [
        # evenness, prior strength, weight of class sizes, most movement, levelling
        (0.60, 4.00, 0.8, 0.5, 0.0),
        (0.68, 3.00, 0.8, 0.6, 0.0),
        (0.75, 2.00, 0.7, 0.7, 0.0),
        (0.80, 1.00, 0.5, 0.7, 0.0),
        (0.85, 0.25, 0.0, 0.7, 0.0),
        (0.90, 0.00, 0.0, 0.7, 0.0),
        (0.92, 0.00, 0.0, 0.8, 0.2),
        (1.00, 0.00, 0.0, 0.8, 0.2),
    ]
)
"""By the evenness of class sizes: strength of the text in multiples of the mean class size, exponent of the class
sizes as prior, most that voters may move a class, exponent of the levelling of sizes. Measured on 31 mixes of products
and requests (long tails, absent classes, few items, more than half out of scope): `bench/adaptation.py`."""

_SIZED_ITEMS: Final = 20_000
"""Items that sizes of classes are looked at by, of more every second or third."""
_LEVELLINGS: Final = 8

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from: n items and K classes in one space of dimension d.

    Attributes:
        items: Unit vectors, shape (n, d), float32.
        texts: Class vectors made of texts alone, unit rows, shape (K, d), float32.
        lexical: Label-free lexical scores of the items, sparse, shape (n, K), or None.
        fits: How far each item seems to fit any class, from 0 to 1, shape (n,).
        labels: Index of the class of each item, -1 where nobody said; shape (n,), int64.
    """

    items: Floats
    texts: Floats
    lexical: "csr_matrix | None"
    fits: Floats
    labels: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of items and of classes."""
        return len(self.items), len(self.texts)

    def scores(
        self,
        rows: NDArray[np.int64],
        vectors: Floats,
        biases: Floats | float = 0.0,
        lexical_weight: float = LEXICAL_WEIGHT,
    ) -> Floats:
        """Scores of some items for classes of these vectors, shape (K, d), and biases, shape (K,): shape (rows, K)."""
        scores: Floats = self.items[rows] @ vectors.T + biases
        if self.lexical is not None:
            scores += lexical_weight * self.lexical[rows].toarray()
        return scores


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Class vectors after adaptation; the score of an item x is x . vector + bias + lexical weight * lexical score.

    Attributes:
        vectors: Shape (K, d), float32.
        biases: Shape (K,), float32.
        newcomers: Places classes that were not there.
        sizes: Soft number of items of each class, shape (K,).
        prior: Log of the share of each class, as far as it counts, shape (K,).
        evenness: Entropy of the class sizes over that of equal ones, 0 to 1.
        label_weight: What one label counted beside the text of its class, from 0 to 1; 0 without labels.
    """

    vectors: Floats
    biases: Floats
    newcomers: Newcomers
    sizes: Floats
    prior: Floats
    evenness: float
    label_weight: float


def adapt(material: Material) -> Adaptation:
    """Refine class vectors by the items; at least one item and one class."""
    # Never the mean of all items: where most are of one class it is that class, and what remains of it is noise.
    nowhere = np.zeros(material.items.shape[1], np.float32)
    rough = _centred(material, *_centres(_centred(material, nowhere, nowhere), material))
    even = _evenness(rough)
    task = _centred(material, *_centres(rough, material))
    strength, sizes_count, movement, levelling = (
        float(np.interp(even, _SCHEDULE[:, 0], _SCHEDULE[:, column])) for column in (1, 2, 3, 4)
    )
    units, sizes, prior = _rounds(task, strength, sizes_count, movement, levelling)
    # The length of a centred item varies little, and its mean turns the whole into one vector and one bias.
    length = max(float(np.linalg.norm(material.items - task.item_shift, axis=1).mean()), 1e-6)
    newcomers = Newcomers(task.item_shift, task.text_shift, 1 / length, 0.0)
    vectors = (units / length).astype(np.float32)
    return Adaptation(vectors, -(vectors @ task.item_shift), newcomers, sizes, prior, even, task.label_weight)


@dataclass(frozen=True, slots=True)
class _Centred:
    """The material with the centres taken away; unit rows again."""

    items: Floats
    anchors: Floats
    lexical: "csr_matrix | None"
    weights: Floats
    labels: NDArray[np.int64]
    label_weight: float
    item_shift: Floats
    text_shift: Floats


def _centred(material: Material, item_centre: Floats, text_centre: Floats) -> _Centred:
    item_shift, text_shift = (CENTRING * item_centre).astype(np.float32), (CENTRING * text_centre).astype(np.float32)
    items = _units(material.items - item_shift)
    texts = _units(material.texts - text_shift)
    known = material.labels >= 0
    weights = np.where(known, np.float32(1), material.fits).astype(np.float32)
    nobody = np.full(len(items), -1)
    task = _Centred(items, texts, material.lexical, weights, nobody, 0.0, item_shift, text_shift)
    if not known.any():
        return task
    label_weight = _label_weight(task, material.labels)
    anchors = texts.copy()
    np.add.at(anchors, material.labels[known], np.float32(label_weight) * items[known])
    return replace(task, anchors=_units(anchors), labels=material.labels, label_weight=label_weight)


def _label_weight(task: _Centred, labels: NDArray[np.int64]) -> float:
    """What one labelled item counts beside the text of its class, from 0 to 1.

    How near texts lie to items does not say: labelled items count little where they err as the text does and by more,
    as photos do that are alike for other reasons than their class. The cosine to another item of the class is taken
    from the votes by text, as there may be one label a class.
    """
    known = np.flatnonzero(labels >= 0)
    told, place, sizes = np.unique(labels[known], return_inverse=True, return_counts=True)
    if len(told) < 2:  # nothing to tell apart
        return 0.0
    means = np.zeros((len(told), task.items.shape[1]), np.float32)
    np.add.at(means, place, task.items[known])
    means /= sizes[:, None]
    some = evenly(len(known), _COMPARED_LABELS)
    items, place = task.items[known[some]], place[some]
    flat = np.zeros(len(task.anchors), np.float32)
    total, votes = _vote(task, task.anchors, flat, flat)
    voters = (total / np.maximum(votes, 1e-6)[:, None])[told[place]]
    to_texts, to_means = items @ task.anchors[told].T, items @ means.T
    right = to_texts[np.arange(len(place)), place], (items * voters).sum(axis=1)
    text, labelled = _discriminant((to_texts, to_means), right, place)
    return float(np.clip(labelled / max(text, 1e-6) / sizes.mean(), 0, 1))


def _discriminant(
    cosines: tuple[Floats, Floats], right: tuple[Floats, Floats], place: NDArray[np.int64]
) -> tuple[float, float]:
    """What each of two cosines counts in telling the right class of an item from wrong ones.

    The weights of Fisher's linear discriminant (Annals of Eugenics 7, 1936): the inverse of their covariance over wrong
    classes times how much higher each is for the right one.

    Args:
        cosines: Both of each item to each class, shape (n, K).
        right: Both of each item to its class, shape (n,).
        place: Of the right class among the K, shape (n,).
    """
    classes = cosines[0].shape[1]
    wrong = place[:, None] != np.arange(classes)
    usual = [(one * wrong).sum(axis=1) / (classes - 1) for one in cosines]
    errors = np.cov([(one - mean[:, None])[wrong] for one, mean in zip(cosines, usual, strict=True)])
    higher = [float((one - mean).mean()) for one, mean in zip(right, usual, strict=True)]
    first, second = np.linalg.solve(errors + 1e-6 * np.eye(2), higher)
    return float(first), float(second)


def _centres(rough: _Centred, material: Material) -> tuple[Floats, Floats]:
    """Centre of the items in which each class that has some counts alike, and centre of the class texts."""
    classes = len(rough.anchors)
    flat = np.zeros(classes, np.float32)
    total, sizes = _vote(rough, rough.anchors, flat, flat, items=material.items)
    means = total / np.maximum(sizes, 1e-6)[:, None]
    share = sizes / (sizes + _VOTES)
    centre = (means * share[:, None]).sum(axis=0) / max(float(share.sum()), 1e-6)
    return centre.astype(np.float32), material.texts.mean(axis=0)


def _evenness(task: _Centred) -> float:
    """Entropy of the class sizes that an adaptive prior finds, over that of equal sizes; 1 where all are alike.

    The prior makes big classes bigger, so that a long tail shows. Of many items a fair sample is looked at.
    """
    some = _sample(len(task.items))
    items, nobody = task.items[some], np.full(len(task.items), -1)[some]
    bare = replace(task, items=items, weights=task.weights[some], lexical=None, labels=nobody)
    _, sizes, _ = _rounds(bare, 0.5, 1.0, 0.5, 0.0, votes=0.0)
    shares = sizes / max(float(sizes.sum()), 1e-6)
    entropy = float(-(shares * np.log(shares + 1e-9)).sum())
    return entropy / float(np.log(max(len(sizes), 2)))


def _rounds(
    task: _Centred, strength: float, sizes_count: float, movement: float, levelling: float, votes: float = _VOTES
) -> tuple[Floats, Floats, Floats]:
    """Units of the classes, their soft sizes and log prior, after all rounds."""
    classes = len(task.anchors)
    pool = float(task.weights.sum()) / classes
    units, sizes = task.anchors, np.zeros(classes, np.float32)
    prior = np.full(classes, -np.log(classes), np.float32)
    for _ in range(_ROUNDS):
        level = _levels(task, units, prior, levelling) if levelling > 0 else np.zeros(classes, np.float32)
        total, sizes = _vote(task, units, prior, level)
        shares = ((sizes + 1) / (sizes.sum() + classes)) ** sizes_count
        prior = np.log(shares / shares.sum()).astype(np.float32)
        share = (movement * sizes / (sizes + strength * pool + votes + 1e-9)).astype(np.float32)[:, None]
        units = _units(share * _units(total) + (1 - share) * task.anchors)
    return units, sizes, prior


def _vote(
    task: _Centred, units: Floats, prior: Floats, level: Floats, items: Floats | None = None
) -> tuple[Floats, Floats]:
    """Sum of the items of each class by their votes, shape (K, d), and the votes, shape (K,)."""
    given = task.items if items is None else items

    def of_rows(rows: slice) -> tuple[Floats, Floats]:
        votes = _posterior(task, rows, units, prior, level)
        labels = task.labels[rows]
        known = np.flatnonzero(labels >= 0)
        votes *= task.weights[rows, None]
        votes[known] = 0
        votes[known, labels[known]] = max(1.0, _LABEL_VOTES * task.label_weight)
        return votes.T @ given[rows], votes.sum(axis=0)

    total, sizes = np.zeros((len(units), given.shape[1]), np.float32), np.zeros(len(units), np.float32)
    for of_some, votes in side_by_side(of_rows, chunks(len(given), len(units))):
        total += of_some
        sizes += votes
    return total, sizes


def _posterior(task: _Centred, rows: slice, units: Floats, prior: Floats, level: Floats) -> Floats:
    scores = task.items[rows] @ units.T
    if task.lexical is not None:
        scores += LEXICAL_WEIGHT * task.lexical[rows].toarray()
    scores /= TEMPERATURE
    scores += prior + level
    return softmax(scores)


def _levels(task: _Centred, units: Floats, prior: Floats, levelling: float) -> Floats:
    """Log factors of the classes that bring their sizes nearer to the prior: Sinkhorn's column scaling, damped."""
    some = _sample(len(task.items))
    level = np.zeros(len(units), np.float32)
    votes = _posterior(task, some, units, prior, level)
    weights = task.weights[some, None]
    wanted = np.exp(prior) * weights.sum()
    for _ in range(_LEVELLINGS):
        step = levelling * np.log(wanted / np.maximum((votes * weights).sum(axis=0), 1e-6))
        level += step
        votes *= np.exp(step)
        votes /= votes.sum(axis=1, keepdims=True)
    return level


def _sample(items: int) -> slice:
    return slice(0, items, -(-items // _SIZED_ITEMS))


def _units(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), np.float32)
