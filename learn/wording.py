"""The words that items use: n-grams that the items of a class have more often than others; pure computation.

Class texts name a class in the words of whoever made the catalogue, items in those of shops and customers. Once class
vectors have been refined by the items, those that seem to belong to a class tell how it is spoken of, though nobody has
labelled one: one step of naive Bayes on the votes of items (Nigam, McCallum, Thrun and Mitchell, Machine Learning 39,
2000), beside the vectors. A vector blurs what is rare and an n-gram does not, so the two are wrong in different places.
"""

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .adapt import TEMPERATURE
from .arrays import chunks, evenly, softmax
from .lesson import Learnt, Lesson

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["worded"]

_WEIGHT: Final = 0.01
"""What a unit of log odds counts beside cosines, a fifth of what the odds of vectors count: n-grams of one word say the
same again. Twice as much is better for bank questions, upper classes and a big grocery shop, and costs up to two points
on long tails and on small catalogues whose titles are mostly right without."""
_EVERYDAY: Final = 3.0
"""Items of usual words that each class is given beforehand: with few items of its own it says little."""
_LEAST_VOTE: Final = 0.05
_LEAST_ITEMS: Final = 2
"""Items that an n-gram occurs in: those of one item say nothing of others."""
_ITEMS: Final = 20_000
_KEPT_WEIGHTS: Final = 1000
"""Of a class; with 500 learning gains a point less on small catalogues, with 2,000 no more."""
_KEPT_IN_ALL: Final = 1_000_000
"""They are stored with each version: a tree of 8,000 classes may keep 125 of each."""

Floats = NDArray[np.float32]


def worded(lesson: Lesson, learnt: Learnt) -> Learnt:
    """The same with the words that its own answers find in the items; unchanged where items have no texts.

    Items vote for classes as the answers say, those that seem to fit no class less, and those with a label for theirs
    alone. An n-gram j counts

        log((N_kj + M_k q_j) / ((N_k + M_k) q_j))

    for class k, where N_kj is what the voters of k have of it, N_k the sum over n-grams, q_j its share in all items,
    and M_k what three items have, and once more of each n-gram of k: the more words a class has shown, the more it may
    have beside them (Witten and Bell, IEEE Transactions on Information Theory 37, 1991). Of each class the n-grams are
    kept that say most, N_kj times the size of the above; all others count alike, as if they were one.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above

    if lesson.features is None:
        return learnt
    labels = lesson.material.labels
    rows = np.union1d(evenly(len(labels), _ITEMS), np.flatnonzero(labels >= 0))
    seen = lesson.features[rows]
    columns = np.flatnonzero(np.bincount(seen.indices, minlength=seen.shape[1]) >= _LEAST_ITEMS)
    if not len(columns):
        return learnt
    found = seen[:, columns]
    votes = _votes(lesson, learnt, rows)
    spoken = (votes.T @ found).tocsr()
    weights, others, own = _log_odds(spoken, found)
    # Items are about alike in the sum of their n-grams, so that what all others count turns into a bias.
    biases = others * (float(found.sum()) / len(rows))
    # What a new item gains for its own class is taken from all: newcomers, who have no words, lose nothing.
    theirs = np.asarray(votes.sum(axis=0)).ravel()
    level = (own + float(theirs @ biases)) / max(float(theirs.sum()), 1e-9)
    whole = (votes.shape[1], seen.shape[1])
    words = csr_matrix((_WEIGHT * weights.data, columns[weights.indices], weights.indptr), whole).astype(np.float32)
    return replace(
        learnt,
        biases=(learnt.biases + _WEIGHT * (biases - level)).astype(np.float32),
        lexical=words if learnt.lexical is None else (learnt.lexical + words).tocsr(),
    )


def _votes(lesson: Lesson, learnt: Learnt, rows: NDArray[np.int64]) -> "csr_matrix":
    """How likely each class is for some items, times how far they fit; without what is unlikely. Shape (rows, K)."""
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - see above

    labels, fits = lesson.material.labels, lesson.material.fits
    parts = []
    for chunk in chunks(len(rows), len(learnt.biases)):
        some = rows[chunk]
        votes = softmax(learnt.scores(lesson, some) / np.float32(TEMPERATURE))
        votes[votes < _LEAST_VOTE] = 0
        votes *= fits[some, None]
        known = np.flatnonzero(labels[some] >= 0)
        votes[known] = 0
        votes[known, labels[some[known]]] = 1
        parts.append(csr_matrix(votes))
    return vstack(parts, format="csr")


def _log_odds(spoken: "csr_matrix", found: "csr_matrix") -> "tuple[csr_matrix, NDArray[np.float64], float]":
    """How much more each n-gram kept counts than the others of its class, and what these count.

    Args:
        spoken: What the voters of each class have of each n-gram, shape (K, n-grams).
        found: The n-grams of the items, shape (n, n-grams).

    Returns:
        Sparse weights, shape (K, n-grams); what the others count, shape (K,); and what the weights count in all voters
        together, had each not spoken for itself.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above

    classes = spoken.shape[0]
    everywhere = np.asarray(found.sum(axis=0), np.float64).ravel()
    once = (everywhere / np.bincount(found.indices, minlength=len(everywhere)))[spoken.indices]
    share = (everywhere / everywhere.sum())[spoken.indices]
    owner = np.repeat(np.arange(classes), np.diff(spoken.indptr))
    prior = _EVERYDAY * everywhere.sum() / found.shape[0] + np.bincount(owner, np.minimum(spoken.data, once), classes)
    counted = np.bincount(owner, spoken.data, classes)
    total = counted + prior

    def odds(count: NDArray[np.floating], owner: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.log((count + prior[owner] * share) / (total[owner] * share))
        return found

    every = odds(spoken.data, owner, share)
    most = min(_KEPT_WEIGHTS, _KEPT_IN_ALL // classes)
    kept = _strongest(spoken.data * np.abs(every), spoken.indptr, max(most, 1))
    own, count, once, share = owner[kept], spoken.data[kept], once[kept], share[kept]
    left = np.maximum(counted - np.bincount(own, count, classes), 0)
    others = odds(left, np.arange(classes), np.maximum(1 - np.bincount(own, share, classes), 1e-6))
    weights = (every[kept] - others[own]).astype(np.float32)
    gained = float((count * (odds(np.maximum(count - once, 0), own, share) - others[own])).sum())
    return csr_matrix((weights, (own, spoken.indices[kept])), shape=spoken.shape), others, gained


def _strongest(values: NDArray[np.floating], ends: NDArray[np.integer], most: int) -> NDArray[np.bool_]:
    """Which values of each row are among its largest; rows end where ``indptr`` says."""
    kept = np.ones(len(values), np.bool_)
    for start, end in pairwise(ends.tolist()):
        if end - start > most:
            row = values[start:end]
            kept[start:end] = row >= np.partition(row, -most)[-most]
    return kept
