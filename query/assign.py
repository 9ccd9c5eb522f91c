"""Vectors of items to assignments: search, decide, explain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from ..errors import EmptyTaxonomyError
from ..learn.adapt import TEMPERATURE
from ..learn.lexical import features
from ..schemas.calibration import Calibration
from ..schemas.learning import Landmarks
from ..schemas.records import Assignment, Candidate, Evidence
from ..schemas.rules import Rules
from ..schemas.taxonomy import Taxonomy
from .decide import CalibratedDecider, Verdict, decide
from .explain import EvidenceReader, NoEvidence
from .search import ClassSearch

__all__ = ["STALE_SPARE", "Assigner", "Judgement"]

STALE_SPARE = 4
"""Candidates beyond k, in case some were retired by another process a moment ago."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is decided on an item, and what from.

    Attributes:
        ranked: Answerable classes with their scores, best first, at least one.
        verdict: The decision.
        fit: How well any class fits.
    """

    ranked: Sequence[tuple[str, float]]
    verdict: Verdict
    fit: float

    @property
    def score(self) -> float:
        """Score of the best candidate, as answers give it."""
        return round(self.ranked[0][1], 6)

    @property
    def margin(self) -> float | None:
        """What it has more than the next one; None where it is alone."""
        return round(self.ranked[0][1] - self.ranked[1][1], 6) if len(self.ranked) > 1 else None


@dataclass(frozen=True, slots=True)
class Assigner:
    """Everything an answer needs, at one revision of the taxonomy.

    Attributes:
        space: Name of the space.
        taxonomy: For paths and ancestors.
        answerable: Ids of the classes that may be answered.
        search: Finds the nearest classes.
        rules: Thresholds.
        evidence: Where explanations come from.
        calibration: Makes the confidences and the thresholds, in the place of ``rules``; None until there is one.
        landmarks: Say how well any class fits; None until something was learnt from items.
        temperature: Difference of scores at which the odds of two classes differ by e, before anything is calibrated.
        learner: Version of what the space has learnt, 0 for nothing.
    """

    space: str
    taxonomy: Taxonomy
    answerable: frozenset[str]
    search: ClassSearch
    rules: Rules
    evidence: EvidenceReader | NoEvidence
    calibration: Calibration | None = None
    landmarks: Landmarks | None = None
    temperature: float = TEMPERATURE
    learner: int = 0
    _decider: CalibratedDecider | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the branches once for all answers."""
        made = self.calibration
        decider = None if made is None else CalibratedDecider(made, self.taxonomy, self.answerable)
        object.__setattr__(self, "_decider", decider)

    def assign(
        self,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        truncated: Sequence[bool],
        *,
        texts: Sequence[str] | None = None,
        k: int = 5,
        explain: bool = True,
    ) -> list[Assignment]:
        """The answer for each item, in the order given.

        Args:
            ids: Ids of the items.
            vectors: Their unit vectors, shape (n, dim), float32.
            truncated: Whether their texts were cut.
            texts: Their canonical texts, whose words count beside the vectors; None in a space of given vectors.
            k: How many candidates to name, at least one.
            explain: Whether to look up the evidence of the best candidate.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        judged = self.judge(ids, vectors, texts=texts, k=k)
        best = [one.ranked[0][0] for one in judged]
        evidence = self.evidence.nearest(best, vectors) if explain else [()] * len(judged)
        return [self.answer(*one, k=k) for one in zip(ids, judged, evidence, truncated, strict=True)]

    def judge(
        self, ids: Sequence[str], vectors: NDArray[np.float32], *, texts: Sequence[str] | None = None, k: int = 5
    ) -> list[Judgement]:
        """What is decided on each item, in the order given, without the words around it; arguments as ``assign``.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        self.check()
        if not ids:
            return []
        # At least two, for the margin; with a calibration, all that share the mass.
        width = max(k, 2 if self.calibration is None else self.calibration.candidates)
        hits = self.search.search(vectors, width + STALE_SPARE, None if texts is None else features(texts))
        ranked = [
            self._live(class_ids, scores)
            for class_ids, scores in zip(hits.class_ids, hits.scores.tolist(), strict=True)
        ]
        self._check_found(ids, ranked)
        best_scores = np.asarray([pairs[0][1] for pairs in ranked], np.float32)
        return self.judgements(ranked, self.fits(vectors, best_scores).tolist())

    def judgements(self, ranked: Sequence[Sequence[tuple[str, float]]], fits: Sequence[float]) -> list[Judgement]:
        """What is decided on each item whose candidates are known, in the order given.

        Args:
            ranked: Answerable classes of each with their scores, best first, at least one.
            fits: How well any class fits each.
        """
        return [Judgement(*one) for one in zip(ranked, self._decide(ranked, fits), fits, strict=True)]

    def fits(self, vectors: NDArray[np.float32], best: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well any class fits items with these unit vectors, shape (n, dim), and best scores, shape (n,)."""
        return best if self.landmarks is None else self.landmarks.fit(vectors, best)

    def check(self) -> None:
        """Refuse to answer from nothing.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        if self.answerable:
            return
        have = (
            f"all {len(self.taxonomy)} classes are retired or only group others" if len(self.taxonomy) else "no class"
        )
        message = f"nothing can be assigned: the catalogue has {have}"
        raise EmptyTaxonomyError(message, hint="Add one with `nearclass classes add NAME`, or `classes import FILE`.")

    def _live(self, class_ids: Sequence[str], scores: Sequence[float]) -> list[tuple[str, float]]:
        return [
            (class_id, score) for class_id, score in zip(class_ids, scores, strict=False) if class_id in self.answerable
        ]

    def _check_found(self, ids: Sequence[str], ranked: Sequence[Sequence[tuple[str, float]]]) -> None:
        lost = next((item_id for item_id, pairs in zip(ids, ranked, strict=True) if not pairs), None)
        if lost is not None:
            message = f"the search found no class for item {lost!r}"
            raise EmptyTaxonomyError(
                message,
                hint="No class has a vector in this space: import the classes for it, or choose another with --space.",
            )

    def _decide(self, ranked: Sequence[Sequence[tuple[str, float]]], fits: Sequence[float]) -> list[Verdict]:
        class_ids = [[class_id for class_id, _ in pairs] for pairs in ranked]
        scores = [[score for _, score in pairs] for pairs in ranked]
        if self._decider is not None:
            return self._decider.decide(class_ids, scores, fits)
        return [decide(*one, self.rules, self.taxonomy) for one in zip(class_ids, scores, fits, strict=True)]

    def answer(
        self,
        item_id: str,
        judged: Judgement,
        evidence: tuple[Evidence, ...] = (),
        truncated: bool = False,  # noqa: FBT001, FBT002 - a field of the record
        *,
        k: int = 5,
    ) -> Assignment:
        """What is decided on an item, as its whole answer.

        Args:
            item_id: Its id.
            judged: What is decided.
            evidence: What speaks for the best candidate.
            truncated: Whether its text was cut.
            k: How many candidates to name.
        """
        path = self.taxonomy.path
        ranked, verdict = judged.ranked, judged.verdict
        return Assignment(
            id=item_id,
            decision=verdict.decision,
            class_id=verdict.class_id,
            path=path(verdict.class_id) if verdict.class_id is not None else (),
            score=judged.score,
            confidence=verdict.confidence,
            margin=judged.margin,
            candidates=tuple(
                Candidate(class_id, path(class_id), round(score, 6), confidence)
                for (class_id, score), confidence in zip_longest(ranked[:k], verdict.confidences[:k])
            ),
            evidence=evidence,
            truncated=bool(truncated),
            space=self.space,
            revision=self.taxonomy.revision,
            rule=verdict.rule,
            fit=round(judged.fit, 6),
        )
