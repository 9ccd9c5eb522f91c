"""Lexical evidence: character n-grams of items and of the texts that speak for classes; pure computation.

A class vector says what a text means; the n-grams say which words, brands and spellings it shares with a class. Both
sides are hashed into the same columns, in the same way in every process, so nothing has to be fitted or stored, and
what is computed for an item does not depend on the classes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .ngrams import counts
from .resolve import EvidenceText
from .speech import content_share

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["COLUMNS", "ITEM_CHARS", "class_terms", "features", "placed", "profiles", "stacked", "strongest", "weighted"]

COLUMNS: Final = 2**18
"""Columns that n-grams are hashed into. A large shop has some 100,000 distinct n-grams in its class texts."""

ITEM_CHARS: Final = 2000
"""Characters of an item that are read; encoders read about as many. Whole articles would cost more than embedding."""

_LENGTH_POWER: Final = 0.5
"""Profiles are divided by this power of their length: 1 would favour classes of few words, 0 those of many. Half was
measured best, by ``bench/accuracy.py``."""

_SCALE: Final = 12.7
"""Three times the root of 18, the length of a typical profile: puts a good match near 0.6, about where the cosine of a
good match lies, so that one weight serves most catalogues."""


_ITEMS_AT_ONCE: Final = 4096
_STRONGEST: Final = 32
"""Scores kept for each item while learning: the rest are near 0, and a hundred thousand items would not fit."""


def features(texts: Sequence[str]) -> "csr_matrix":
    """The n-grams of items: 1 + ln(count), each row scaled to the share of its words that are not speech, at most 1.

    A text without letters gives a row of zeros.

    Args:
        texts: Canonical texts; of each the first ``ITEM_CHARS`` characters are read.

    Returns:
        Shape (len(texts), ``COLUMNS``), float32.

    >>> features(["kettle", ""]).shape
    (2, 262144)
    """
    read = [text[:ITEM_CHARS] for text in texts]
    found = _log_counts(read)
    shares = np.array([content_share(text) for text in read], np.float32)
    return _scaled(found, shares / np.maximum(_lengths(found), 1e-9))


def stacked(*parts: "csr_matrix") -> "csr_matrix":
    """Features of several lists of items as those of one."""
    from scipy.sparse import vstack  # noqa: PLC0415 - see above

    return vstack(parts, format="csr")


def placed(rows: "csr_matrix", places: NDArray[np.int64], n: int) -> "csr_matrix":
    """Rows put at these places among n, the others empty."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above

    put = (np.ones(len(places), np.float32), (places, np.arange(len(places))))
    return (csr_matrix(put, shape=(n, len(places))) @ rows).tocsr()


def class_terms(texts_of_classes: Sequence[Sequence[EvidenceText]]) -> "csr_matrix":
    """The n-grams of classes: the sum over the kinds of evidence of 1 + ln(count in all texts of that kind).

    A class's row depends on its own texts alone, so it can be kept when other classes change.

    Returns:
        Shape (classes, ``COLUMNS``), float32.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above

    joined: list[str] = []
    owners: list[int] = []
    for owner, texts in enumerate(texts_of_classes):
        of_kind: dict[str, list[str]] = {}
        for one in texts:
            of_kind.setdefault(one.kind, []).append(one.text)
        joined.extend(" ".join(parts) for parts in of_kind.values())
        owners.extend([owner] * len(of_kind))
    size = (len(texts_of_classes), len(joined))
    adding = csr_matrix((np.ones(len(joined), np.float32), (owners, range(len(joined)))), size, np.float32)
    return adding @ _log_counts(joined)


def weighted(terms: "csr_matrix", background: Sequence[str]) -> "csr_matrix":
    """Profiles from the n-grams of classes: what is rare among classes and in everyday texts counts most.

    With t the terms of a class and idf = ln((1 + N) / (1 + df)) + 1 over N classes and background texts, the profile
    is idf * idf * t / sqrt(norm of idf * t) / 12.7. The idf stands squared because items carry none.

    Args:
        terms: Of all classes, as ``class_terms`` gives them.
        background: Texts about nothing in particular, so that idf means something where there are few classes.

    Returns:
        Shape of ``terms``, float32.
    """
    everyday = _log_counts(background)
    found = np.bincount(terms.indices, minlength=COLUMNS) + np.bincount(everyday.indices, minlength=COLUMNS)
    total = terms.shape[0] + len(background)
    idf = (np.log((1 + total) / (1 + found)) + 1).astype(np.float32)
    once = _columns_times(terms, idf)
    lengths = np.maximum(_lengths(once), 1e-9) ** _LENGTH_POWER
    return _scaled(_columns_times(once, idf), 1.0 / (lengths * _SCALE))


def profiles(texts_of_classes: Sequence[Sequence[EvidenceText]], background: Sequence[str]) -> "csr_matrix":
    """The label-free lexical profile of each class, from its texts; see ``weighted``.

    The product of an item's features and a profile is the lexical similarity of the two: 0 where they share nothing,
    about 0.6 for a good match.

    Returns:
        Shape (classes, ``COLUMNS``), float32.
    """
    return weighted(class_terms(texts_of_classes), background)


def strongest(found: "csr_matrix", weights: "csr_matrix") -> "csr_matrix":
    """Lexical scores of items, of each those of the classes that it shares most with; the others are left at 0.

    Args:
        found: Features of the items, shape (n, ``COLUMNS``).
        weights: Profiles of the classes, shape (classes, ``COLUMNS``).

    Returns:
        Shape (n, classes), float32, sparse.
    """
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - see above

    columns = weights.T.tocsr()
    parts: list[csr_matrix] = []
    for start in range(0, found.shape[0], _ITEMS_AT_ONCE):
        scores = (found[start : start + _ITEMS_AT_ONCE] @ columns).toarray()
        if scores.shape[1] > _STRONGEST:
            least = np.partition(scores, -_STRONGEST, axis=1)[:, -_STRONGEST][:, None]
            scores[scores < least] = 0
        parts.append(csr_matrix(scores))
    return vstack(parts, format="csr") if parts else csr_matrix((0, weights.shape[0]), dtype=np.float32)


def _log_counts(texts: Sequence[str]) -> "csr_matrix":
    found = counts(texts, COLUMNS)
    np.log(found.data, out=found.data)
    found.data += 1
    return found


def _lengths(rows: "csr_matrix") -> NDArray[np.float32]:
    return np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), np.float32)).ravel()


def _columns_times(rows: "csr_matrix", factors: NDArray[np.floating]) -> "csr_matrix":
    made = rows.copy()
    made.data *= factors[made.indices]
    return made


def _scaled(rows: "csr_matrix", factors: NDArray[np.floating]) -> "csr_matrix":
    made = rows.copy()
    made.data *= np.repeat(factors, np.diff(rows.indptr)).astype(np.float32)
    return made
