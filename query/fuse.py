"""Answers from two spaces at once: what a text says and what a picture shows, each in its own space, fused late.

Vectors of two spaces are never compared. Scores are added: a softmax over the scores of a space, with its temperature,
says how probable the space finds each class, and if text and picture err independently, the product of the two is what
they say together. The logarithm of that product is the sum of the scores, each through its temperature; it is given as
the mean of the scores with those weights, which lies between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EmptyTaxonomyError, UsageError
from ..learn.lexical import features
from ..schemas.fusion import Fusion
from ..schemas.records import Assignment, Evidence
from ..schemas.rules import Rules
from .assign import STALE_SPARE, Assigner, Judgement

__all__ = ["FusedAssigner", "Half", "SpaceScores"]

_PIECES: Final = 2
"""Of evidence from each space."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Half:
    """What one space knows of some items.

    Attributes:
        rows: Places of these items among all, rising, shape (m,), int64.
        vectors: Their unit vectors, shape (m, dim), float32.
        truncated: Whether the text of each was cut; never for pictures.
        texts: Their canonical texts, whose words count beside the vectors; None for pictures.
    """

    rows: NDArray[np.int64]
    vectors: Floats
    truncated: Sequence[bool]
    texts: Sequence[str] | None = None

    def only(self, rows: NDArray[np.int64], *, others: bool = False) -> "Half":
        """Just the items at these places among all, or just the others."""
        at = np.flatnonzero(np.isin(self.rows, rows, invert=others)).tolist()
        texts = None if self.texts is None else [self.texts[one] for one in at]
        return Half(self.rows[at], self.vectors[at], [self.truncated[one] for one in at], texts)


@dataclass(frozen=True, slots=True)
class SpaceScores:
    """Exact scores of items in both spaces.

    Attributes:
        class_ids: For each item the classes that are near in either space, sorted.
        text: For each item their scores by text; nan for a class that has no vector there.
        image: The same by picture.
    """

    class_ids: list[list[str]]
    text: list[Floats]
    image: list[Floats]


@dataclass(frozen=True, slots=True)
class FusedAssigner:
    """Answers items by their texts, their pictures, or both; at one revision of the taxonomy.

    Attributes:
        text: Answers by texts; None without a text space.
        image: Answers by pictures; None without an image space.
        fusion: What is known of the two together; None where nothing was measured.
    """

    text: Assigner | None
    image: Assigner | None
    fusion: Fusion | None = None
    _both: "_Both | None" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what decides on items with both."""
        both = None if self.text is None or self.image is None else _Both.of(self.text, self.image, self.fusion)
        object.__setattr__(self, "_both", both)

    def assign(
        self, ids: Sequence[str], text: Half | None, image: Half | None, *, k: int = 5, explain: bool = False
    ) -> list[Assignment]:
        """The answer for each item, in the order given.

        An item of one space has exactly that space's answer.

        Args:
            ids: Ids of the items; each is in one of the halves or in both.
            text: The items with a text; None for none.
            image: The items with a picture; None for none.
            k: How many candidates to name, at least one.
            explain: Whether to look up the evidence of the best candidate.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
            UsageError: There is a half for which the catalogue has no space.
        """
        judged = self.judge(ids, text, image, k=k)
        evidence = self._evidence(judged, text, image) if explain else [()] * len(ids)
        cut = [False] * len(ids)
        for row, is_cut in zip(text.rows.tolist(), text.truncated, strict=True) if text is not None else ():
            cut[row] = is_cut
        rows = zip(ids, judged, evidence, cut, strict=True)
        return [decider.answer(item_id, one, pieces, is_cut, k=k) for item_id, (decider, one), pieces, is_cut in rows]

    def judge(
        self, ids: Sequence[str], text: Half | None, image: Half | None, *, k: int = 5
    ) -> list[tuple[Assigner, Judgement]]:
        """What is decided on each item and what makes answers of that, in the order given; arguments as ``assign``.

        Raises:
            EmptyTaxonomyError: There is no class to assign to.
            UsageError: There is a half for which the catalogue has no space.
        """
        judged: dict[int, tuple[Assigner, Judgement]] = {}
        shared = _shared(text, image)
        for name, assigner, half in (("text", self.text, text), ("image", self.image, image)):
            if half is None or not len(half.rows):
                continue
            if assigner is None:
                message = f"the catalogue has no {name} space"
                raise UsageError(message, hint="Name its encoder in the settings.")
            alone = half.only(shared, others=True)
            names = [ids[row] for row in alone.rows.tolist()]
            found = assigner.judge(names, alone.vectors, texts=alone.texts, k=k)
            judged.update(zip(alone.rows.tolist(), ((assigner, one) for one in found), strict=True))
        if self._both is not None and text is not None and image is not None and len(shared):
            names = [ids[row] for row in shared.tolist()]
            found = self._both.judge(names, text.only(shared), image.only(shared), k=k)
            judged.update(zip(shared.tolist(), ((self._both.decider, one) for one in found), strict=True))
        return [judged[row] for row in range(len(ids))]

    def _evidence(
        self, judged: Sequence[tuple[Assigner, Judgement]], text: Half | None, image: Half | None
    ) -> list[tuple[Evidence, ...]]:
        """What speaks for the best candidate of each item: three pieces, or two of each space where both spoke."""
        shared = set(_shared(text, image).tolist())
        found: list[tuple[Evidence, ...]] = [()] * len(judged)
        for assigner, half in ((self.text, text), (self.image, image)):
            if assigner is None or half is None or not len(half.rows):
                continue
            rows = half.rows.tolist()
            best = [judged[row][1].ranked[0][0] for row in rows]
            for row, pieces in zip(rows, assigner.evidence.nearest(best, half.vectors), strict=True):
                found[row] += pieces[:_PIECES] if row in shared else pieces
        return found

    @property
    def text_weight(self) -> float:
        """What the score of the text counts in an item with both."""
        return 1.0 if self._both is None else self._both.weight

    def decider(self, space: str) -> Assigner:
        """What decides on items whose answers are of this space, or of both with a + between them.

        Raises:
            KeyError: There is none.
        """
        both = None if self._both is None else self._both.decider
        return {one.space: one for one in (self.text, self.image, both) if one is not None}[space]

    def scores(self, ids: Sequence[str], text: Half, image: Half, width: int) -> SpaceScores:
        """Scores in both spaces of items that have both, of the ``width`` classes nearest in either.

        Raises:
            EmptyTaxonomyError: No class was found for an item.
            UsageError: The catalogue has not both spaces.
        """
        if self._both is None:
            message = "the catalogue has not both a text space and an image space"
            raise UsageError(message, hint="Name both encoders in the settings.")
        return self._both.scores(ids, text, image, width)


@dataclass(frozen=True, slots=True)
class _Both:
    """Answers items that have both; ``decider`` turns candidates into answers, and searches nothing."""

    text: Assigner
    image: Assigner
    weight: float
    decider: Assigner

    @classmethod
    def of(cls, text: Assigner, image: Assigner, fusion: Fusion | None) -> "_Both":
        sure = (1 / text.temperature, 1 / image.temperature)
        weight = sure[0] / sum(sure) if fusion is None else fusion.text_weight
        rules = Rules(
            weight * text.rules.novel_below + (1 - weight) * image.rules.novel_below,
            # Scores that have nothing to do with each other spread as the root of the sum of squares.
            float(np.hypot(weight * text.rules.margin_below, (1 - weight) * image.rules.margin_below)),
            f"{weight:.0%} text ({text.rules.basis}) and {1 - weight:.0%} picture ({image.rules.basis}), "
            + ("weighted by their temperatures" if fusion is None else fusion.basis),
        )
        decider = Assigner(
            f"{text.space}+{image.space}",
            text.taxonomy,
            text.answerable & image.answerable,
            text.search,
            rules,
            text.evidence,
            None if fusion is None else fusion.calibration,
        )
        return cls(text, image, weight, decider)

    def judge(self, ids: Sequence[str], text: Half, image: Half, *, k: int) -> list[Judgement]:
        self.decider.check()
        made = self.decider.calibration
        scores = self.scores(ids, text, image, max(k, 2 if made is None else made.candidates) + STALE_SPARE)
        rows = list(zip(scores.class_ids, scores.text, scores.image, strict=True))
        mixed = [self._mixed(said, shown) for _, said, shown in rows]
        orders = [np.argsort(-total, kind="stable") for _, _, total in mixed]
        ranked = [
            [(class_ids[at], float(total[at])) for at in order.tolist()]
            for class_ids, (_, _, total), order in zip(scores.class_ids, mixed, orders, strict=True)
        ]
        best_text, best_image = (
            np.asarray([one[side][order[0]] for one, order in zip(mixed, orders, strict=True)], np.float32)
            for side in (0, 1)
        )
        fits = self.weight * self.text.fits(text.vectors, best_text)
        fits += (1 - self.weight) * self.image.fits(image.vectors, best_image)
        return self.decider.judgements(ranked, fits.tolist())

    def scores(self, ids: Sequence[str], text: Half, image: Half, width: int) -> SpaceScores:
        words = None if text.texts is None else features(text.texts)
        near = (
            self.text.search.search(text.vectors, width, words).class_ids,
            self.image.search.search(image.vectors, width).class_ids,
        )
        union = [sorted({*one, *other} & self.decider.answerable) for one, other in zip(*near, strict=True)]
        said = self.text.search.scores(text.vectors, union, words)
        shown = self.image.search.scores(image.vectors, union)
        for item_id, one, other in zip(ids, said, shown, strict=True):
            if np.isnan(one).all() or np.isnan(other).all():
                message = f"the search found no class for item {item_id!r} in one of the spaces"
                raise EmptyTaxonomyError(message, hint="The classes have no vectors there: import them again.")
        return SpaceScores(union, said, shown)

    def _mixed(self, said: Floats, shown: Floats) -> tuple[Floats, Floats, Floats]:
        """Scores by text, by picture, and both; a class that one space lacks stands there as it does in the other."""
        ratio = self.image.temperature / self.text.temperature
        from_shown = np.nanmax(said) + (shown - np.nanmax(shown)) / ratio
        from_said = np.nanmax(shown) + (said - np.nanmax(said)) * ratio
        said, shown = np.where(np.isnan(said), from_shown, said), np.where(np.isnan(shown), from_said, shown)
        return said, shown, np.asarray(self.weight * said + (1 - self.weight) * shown, np.float32)


def _shared(text: Half | None, image: Half | None) -> NDArray[np.int64]:
    """Places of the items that have both."""
    if text is None or image is None:
        return np.empty(0, np.int64)
    return np.asarray(np.intersect1d(text.rows, image.rows), np.int64)
