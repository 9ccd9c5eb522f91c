"""What an encoder is trained and judged on: labels in two parts, and how many of one part are right by the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .encoders.background import BACKGROUND
from .encoders.base import Encoder
from .encoders.tuning import Examples
from .errors import EmptyTaxonomyError, UsageError
from .ingest.labelled import Labelled
from .learn.adapt import Material
from .learn.learner import Lesson, fits, held_out, learn
from .learn.lexical import features, profiles, strongest
from .learn.resolve import EvidenceText, class_vector, evidence_texts, evidence_vectors
from .learn.thresholds import NOVEL_QUANTILE
from .schemas.records import EvidenceKind, Item, Role
from .schemas.taxonomy import Taxonomy
from .schemas.text import item_text
from .store import Store

__all__ = ["Given", "spoken", "stored_texts"]

_MOST_ITEMS: Final = 2000
"""Items without a label that take part; each is embedded twice."""
_FEWEST_HELD_OUT: Final = 20
"""As in ``learner.held_out``."""
_SPEAKING: Final = (EvidenceKind.NAME, EvidenceKind.DESCRIPTION, EvidenceKind.TERM, EvidenceKind.SYNONYM)
"""Evidence that says what a class is. The name of its parent says it of its sisters too, and examples are items."""


@dataclass(frozen=True, slots=True)
class Given:
    """What encoders learn from, and what they are judged on.

    Attributes:
        evidence: The texts that speak for each class.
        texts: Of the labelled items, then of others, all different.
        labels: Place of the class of each, -1 where nobody said; shape (n,).
        held: Rows whose label is held out.
    """

    evidence: list[list[EvidenceText]]
    texts: list[str]
    labels: NDArray[np.int64]
    held: NDArray[np.int64]

    @classmethod
    def of(cls, taxonomy: Taxonomy, labelled: Sequence[Labelled], items: Sequence[str]) -> "Given":
        """Hold every fourth label of a class out.

        Raises:
            EmptyTaxonomyError: There is no class to answer.
            UsageError: There are too few labels for it.
        """
        class_ids = sorted(taxonomy.assignable())
        if not class_ids:
            message = "an encoder cannot be trained: the catalogue has no class to answer"
            raise EmptyTaxonomyError(message, hint="Import some with `nearclass classes import FILE`.")
        place = {class_id: row for row, class_id in enumerate(class_ids)}
        # By text, so that none is on both sides; the last label counts.
        told = {item_text(one.item): place[class_id] for one in labelled if (class_id := _only(one)) in place}
        told.pop("", None)
        others = [text for text in dict.fromkeys(items) if text not in told][:_MOST_ITEMS]
        labels = np.array([*told.values(), *(-1 for _ in others)], np.int64)
        held = held_out(labels)
        if not len(held):
            raise _too_few(labels)
        return cls([evidence_texts(taxonomy, one) for one in class_ids], [*told, *others], labels, held)

    @property
    def trained(self) -> NDArray[np.int64]:
        """Rows with a label that is not held out."""
        return np.setdiff1d(np.flatnonzero(self.labels >= 0), self.held)

    def examples(self) -> Examples:
        """What the encoder is trained on."""
        texts = tuple(self.texts[row] for row in self.trained)
        return Examples(texts, self.labels[self.trained], spoken(self.evidence))

    def right(self, encoder: Encoder) -> NDArray[np.bool_]:
        """Which held-out items are right with class vectors learnt from everything else."""
        labels = self.labels.copy()
        labels[self.held] = -1
        items = encoder.encode(self.texts, Role.ITEM).vectors
        classes = self._class_vectors(encoder)
        background = encoder.encode(BACKGROUND, Role.ITEM).vectors @ classes.T
        threshold = float(np.quantile(background.max(axis=1), NOVEL_QUANTILE))
        found = features(self.texts)
        words = strongest(found, profiles(self.evidence, BACKGROUND))
        material = Material(items, classes, words, fits(items, classes, threshold), labels)
        joined = features([" ".join(one.text for one in texts) for texts in self.evidence])
        lesson = Lesson(material, found, joined)
        answers = learn(lesson).scores(lesson, self.held).argmax(axis=1)
        return np.asarray(answers == self.labels[self.held])

    def _class_vectors(self, encoder: Encoder) -> NDArray[np.float32]:
        every = (one for texts in self.evidence for one in texts)
        encoded = evidence_vectors(every, lambda texts: encoder.encode(texts, Role.CLASS).vectors)
        made = [
            class_vector([one.kind for one in texts], np.stack([encoded[one] for one in texts]))
            for texts in self.evidence
        ]
        return np.stack(made)


def _only(row: Labelled) -> str:
    return next(iter(row.truth)) if len(row.truth) == 1 else ""


def _too_few(labels: NDArray[np.int64]) -> UsageError:
    counts = np.bincount(labels[labels >= 0])
    counts = counts[counts > 0]
    could = int(np.ceil((counts - 1) / 4).sum())
    message = (
        f"an encoder cannot be trained on {counts.sum()} labels of {len(counts)} classes: "
        f"{could} can be held out to measure it, and {_FEWEST_HELD_OUT} are needed"
    )
    hint = "Every fourth label of a class is held out, of two to five labels one: 5 labels for each of 20 classes do."
    return UsageError(message, hint=hint)


def spoken(evidence: Sequence[Sequence[EvidenceText]]) -> tuple[tuple[str, ...], ...]:
    """Of the texts that speak for each class, those that say what it is."""
    return tuple(tuple(one.text for one in texts if one.kind in _SPEAKING) for texts in evidence)


def stored_texts(store: Store, collection: str) -> list[str]:
    """Canonical texts of stored items in the order of their keys, which are digests: the first are a fair sample."""
    texts: list[str] = []
    if store.resolve(collection) is None:
        return texts
    for page in store.scan(collection, fields=("item_id", "title", "description", "text")):
        rows = (Item(row["item_id"], row["title"], row["description"], row["text"]) for row in page)
        texts.extend(text for text in map(item_text, rows) if text)
        if len(texts) >= _MOST_ITEMS:
            break
    return texts[:_MOST_ITEMS]
