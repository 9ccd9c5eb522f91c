"""The lexical part of scores: which n-grams an item shares with each class, weighted as the active learner says."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..encoders.background import BACKGROUND
from ..learn.lexical import COLUMNS, class_terms, weighted
from ..learn.resolve import EvidenceText, digest, evidence_texts
from ..schemas.learning import LEXICAL_WEIGHT
from ..schemas.taxonomy import Taxonomy
from ..store.learned import Learned

if TYPE_CHECKING:  # scipy takes a third of a second to import
    from scipy.sparse import csr_matrix

__all__ = ["LexicalIndex", "LexicalReader"]


class LexicalIndex:
    """Lexical scores of classes.

    Attributes:
        class_ids: The classes, sorted.
    """

    def __init__(self, class_ids: Sequence[str], weights: "csr_matrix") -> None:
        """Give each class its row of ``weights``, shape (classes, ``COLUMNS``), float32."""
        order = sorted(range(len(class_ids)), key=lambda row: class_ids[row])
        self.class_ids = [class_ids[row] for row in order]
        self._rows = weights[order]
        self._columns = self._rows.T.tocsr()

    def scores(self, features: "csr_matrix") -> "csr_matrix":
        """What each class adds to the score of each item.

        Args:
            features: Shape (n, ``COLUMNS``), float32, as ``learn.lexical.features`` gives them.

        Returns:
            Shape (n, classes), float32, columns in the order of ``class_ids``.
        """
        return features @ self._columns

    def only(self, class_ids: Sequence[str]) -> "LexicalIndex":
        """The same for just these classes; one that is not known scores 0."""
        from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - see above

        if sorted(class_ids) == self.class_ids:
            return self
        place = {class_id: row for row, class_id in enumerate(self.class_ids)}
        nothing = csr_matrix((1, COLUMNS), dtype=np.float32)
        rows = vstack([self._rows, nothing], format="csr")
        return LexicalIndex(class_ids, rows[[place.get(class_id, len(place)) for class_id in class_ids]])


class LexicalReader:
    """Builds the index of a text space; keeps the n-grams of classes, so that one changed class costs little."""

    def __init__(self, learned: Learned) -> None:
        """Take learnt weights from ``learned``."""
        self._learned = learned
        self._kept: dict[tuple[EvidenceText, ...], int] = {}
        self._terms: csr_matrix | None = None

    def read(self, taxonomy: Taxonomy) -> LexicalIndex | None:
        """The index of every class that can be answered, with what the active learner gives those it knows.

        Returns:
            None where no class can be answered.
        """
        texts = {class_id: tuple(evidence_texts(taxonomy, class_id)) for class_id in sorted(taxonomy.assignable())}
        if not texts:
            return None
        learner = self._learned.active()
        weights = weighted(self._terms_of(list(texts.values())), BACKGROUND)
        weights.data *= np.float32(LEXICAL_WEIGHT if learner is None else learner.lexical_weight)
        if learner is not None:
            weights = weights + self._learnt(learner.version, texts)
        return LexicalIndex(list(texts), weights)

    def _terms_of(self, texts: Sequence[tuple[EvidenceText, ...]]) -> "csr_matrix":
        """The n-grams of classes; only texts that were not there the last time are read."""
        from scipy.sparse import vstack  # noqa: PLC0415 - see above

        fresh = [one for one in dict.fromkeys(texts) if one not in self._kept]
        terms = class_terms(fresh)
        place = {**self._kept, **{one: row for row, one in enumerate(fresh, len(self._kept))}}
        if self._terms is not None:
            terms = vstack([self._terms, terms], format="csr")
        distinct = list(dict.fromkeys(texts))
        self._terms = terms[[place[one] for one in distinct]]
        self._kept = {one: row for row, one in enumerate(distinct)}
        return self._terms[[self._kept[one] for one in texts]]

    def _learnt(self, version: int, texts: Mapping[str, Sequence[EvidenceText]]) -> "csr_matrix":
        """Learnt weights, in the order of ``texts``; none for a class whose texts have changed since."""
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - see above

        place = {class_id: row for row, class_id in enumerate(texts)}
        known = [
            one
            for one in self._learned.classes(version)
            if len(one.features) and one.class_id in texts and one.digest == digest(texts[one.class_id])
        ]
        size = (len(texts), COLUMNS)
        if not known:
            return csr_matrix(size, dtype=np.float32)
        rows = np.repeat([place[one.class_id] for one in known], [len(one.features) for one in known])
        columns = np.concatenate([one.features for one in known])
        values = np.concatenate([one.weights for one in known]).astype(np.float32)
        return csr_matrix((values, (rows, columns)), size, np.float32)
