"""Answers from two spaces at once: what a text says and what a picture shows, each in its own space, fused late.

Vectors of two spaces are never compared. Their scores are: those of the picture are brought to the scale of the text,
on which classes that have nothing to do with an item spread alike, and the two are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EmptyTaxonomyError
from ..learn.lexical import features
from ..schemas.records import Assignment, Evidence
from ..schemas.rules import Rules
from .assign import STALE_SPARE, Assigner

__all__ = ["FusedAssigner", "Half"]

_TEXT_WEIGHT: Final = 0.5
"""What the text counts; the picture has the rest."""

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

    def only(self, places: NDArray[np.int64]) -> "Half":
        """Just the items at these places of ``rows``."""
        at = places.tolist()
        texts = None if self.texts is None else [self.texts[one] for one in at]
        return Half(self.rows[places], self.vectors[places], [self.truncated[one] for one in at], texts)


@dataclass(frozen=True, slots=True)
class FusedAssigner:
    """Answers items by their texts, their pictures, or both; at one revision of the taxonomy.

    Attributes:
        text: Answers by texts; None without a text space.
        image: Answers by pictures; None without an image space.
    """

    text: Assigner | None
    image: Assigner | None
    _both: Assigner | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what decides on items with both."""
        both = None if self.text is None or self.image is None else _joined(self.text, self.image)
        object.__setattr__(self, "_both", both)

    def assign(
        self, ids: Sequence[str], text: Half | None, image: Half | None, *, k: int = 5, explain: bool = False
    ) -> list[Assignment]:
        """The answer for each item, in the order given.

        An item of one space has exactly that space's answer.

        Args:
            ids: Ids of the items; each is in one of the halves or in both.
            text: The items with a text; None without any.
            image: The items with a picture; None without any.
            k: How many candidates to name, at least one.
            explain: Whether to look up the evidence of the best candidate.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        answers: dict[int, Assignment] = {}
        shared = _shared(text, image)
        for assigner, half, other in ((self.text, text, image), (self.image, image, text)):
            if assigner is None or half is None:
                continue
            alone = half if other is None else half.only(np.flatnonzero(~np.isin(half.rows, shared)))
            names = [ids[row] for row in alone.rows.tolist()]
            found = assigner.assign(names, alone.vectors, alone.truncated, texts=alone.texts, k=k, explain=explain)
            answers.update(zip(alone.rows.tolist(), found, strict=True))
        if len(shared) and text is not None and image is not None:
            halves = tuple(one.only(np.flatnonzero(np.isin(one.rows, shared))) for one in (text, image))
            names = [ids[row] for row in shared.tolist()]
            found = self._fused(names, halves[0], halves[1], k=k, explain=explain)
            answers.update(zip(shared.tolist(), found, strict=True))
        return [answers[row] for row in range(len(ids))]

    def _fused(self, ids: Sequence[str], text: Half, image: Half, *, k: int, explain: bool) -> list[Assignment]:
        both, sides = self._both, [(self.text, text), (self.image, image)]
        if both is None or self.text is None or self.image is None:
            message = "items with text and picture need both spaces"
            raise EmptyTaxonomyError(message)
        both.check()
        width = max(k, 2 if both.calibration is None else both.calibration.candidates) + STALE_SPARE
        words = [None if half.texts is None else features(half.texts) for half in (text, image)]
        pairs = [(side, half, word) for (side, half), word in zip(sides, words, strict=True) if side is not None]
        found = [side.search.search(half.vectors, width, word).class_ids for side, half, word in pairs]
        union = [sorted({*one, *other} & both.answerable) for one, other in zip(*found, strict=True)]
        _check_found(ids, union)
        scores = [side.search.scores(half.vectors, union, word) for side, half, word in pairs]
        ranked = [
            _ranked(class_ids, _mixed(one, other, self.text.rules, self.image.rules))
            for class_ids, one, other in zip(union, *scores, strict=True)
        ]
        fits = self._fits(text, image, scores)
        evidence = self._evidence([one[0][0] for one in ranked], text, image) if explain else [()] * len(ids)
        return both.answers(ids, ranked, fits.tolist(), evidence, text.truncated, k=k)

    def _fits(self, text: Half, image: Half, scores: Sequence[Sequence[Floats]]) -> Floats:
        """How far each item is above what both spaces take for novel; see ``_joined``."""
        total = np.zeros(len(text.rows), np.float32)
        for side, half, of_side, weight in (
            (self.text, text, scores[0], _TEXT_WEIGHT),
            (self.image, image, scores[1], 1 - _TEXT_WEIGHT),
        ):
            if side is not None:
                best = np.asarray([np.nanmax(one) for one in of_side], np.float32)
                above = side.fits(half.vectors, best) - side.rules.novel_below
                total += weight * above / _spread(side.rules)
        return total

    def _evidence(self, best: Sequence[str], text: Half, image: Half) -> list[tuple[Evidence, ...]]:
        """What speaks for the best class in both spaces, two pieces of each."""
        found = [
            side.evidence.nearest(best, half.vectors)
            for side, half in ((self.text, text), (self.image, image))
            if side is not None
        ]
        return [(*one[:2], *other[:2]) for one, other in zip(*found, strict=True)]


def _shared(text: Half | None, image: Half | None) -> NDArray[np.int64]:
    if text is None or image is None:
        return np.empty(0, np.int64)
    return np.intersect1d(text.rows, image.rows)


def _spread(rules: Rules) -> float:
    return max(rules.margin_below, 1e-6)


def _joined(text: Assigner, image: Assigner) -> Assigner:
    """What decides on items with both; its search and its evidence are not used."""
    rules = Rules(0.0, text.rules.margin_below, f"text: {text.rules.basis}; picture: {image.rules.basis}")
    answerable = text.answerable & image.answerable
    return Assigner(f"{text.space}+{image.space}", text.taxonomy, answerable, text.search, rules, text.evidence)


def _mixed(text: Floats, image: Floats, text_rules: Rules, image_rules: Rules) -> Floats:
    """Scores of an item's classes in both spaces as one; a class that one space lacks stands as in the other."""
    scale = _spread(text_rules) / _spread(image_rules)
    shown = scale * image
    text_best, image_best = np.nanmax(text), np.nanmax(shown)
    said = np.where(np.isnan(text), shown - image_best + text_best, text)
    shown = np.where(np.isnan(shown), text - text_best + image_best, shown)
    return np.asarray(_TEXT_WEIGHT * said + (1 - _TEXT_WEIGHT) * shown, np.float32)


def _ranked(class_ids: Sequence[str], scores: Floats) -> list[tuple[str, float]]:
    order = np.argsort(-scores, kind="stable").tolist()
    return [(class_ids[at], float(scores[at])) for at in order]


def _check_found(ids: Sequence[str], found: Sequence[Sequence[str]]) -> None:
    lost = next((item_id for item_id, class_ids in zip(ids, found, strict=True) if not class_ids), None)
    if lost is not None:
        message = f"the search found no class for item {lost!r}"
        raise EmptyTaxonomyError(message, hint="No class has a vector: import the classes again.")
