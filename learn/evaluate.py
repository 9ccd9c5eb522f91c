"""How good the answers are on labelled items; pure computation."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..schemas.records import Decision
from ..schemas.taxonomy import Taxonomy
from . import metrics
from .judged import Judged

__all__ = ["Evaluation", "Judged", "evaluate"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a labelled set.

    Attributes:
        n: Items in scope.
        n_oos: Items out of scope.
        classes: Classes that could be answered.
        accuracy: Share of items in scope whose best candidate is right, whatever the decision.
        accuracy_low: Lower end of the 95 % Wilson interval of the accuracy.
        accuracy_high: Upper end.
        top5: Share of items in scope with a right class among the first five candidates.
        macro_f1: Mean F1 over the classes that occur as truth.
        hierarchical_f1: F1 over the sets of ancestors, micro-averaged.
        coverage: Share of all items decided as ``assigned``.
        precision: Share of the assigned ones that are right; None where none was assigned.
        ece: Expected calibration error of the best candidates of all items, in 15 bins of equal width; an item out of
            scope counts as wrong. None until there is a calibration.
        oos_auroc: How well the fit tells items in scope from those out of scope, or None without the latter.
        seen: Mean accuracy of the classes that learning had labels of; None where it had of none, or of all that occur.
        unseen: The same of the other classes.
        harmonic: Harmonic mean of the two.
        decisions: Number of items by decision.
        items_per_s: Items answered in a second, encoding included.
    """

    n: int
    n_oos: int
    classes: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    top5: float | None
    macro_f1: float | None
    hierarchical_f1: float | None
    coverage: float
    precision: float | None
    ece: float | None
    oos_auroc: float | None
    seen: float | None
    unseen: float | None
    harmonic: float | None
    decisions: dict[str, int]
    items_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able data."""
        return asdict(self)


def evaluate(
    judged: Sequence[Judged], taxonomy: Taxonomy, *, classes: int, items_per_s: float, told: Collection[str] = ()
) -> Evaluation:
    """The figures of a labelled set.

    Args:
        judged: Answers with at least five candidates each where there are as many classes, beside the truth.
        taxonomy: For the ancestors.
        classes: How many classes could be answered.
        items_per_s: Measured by the caller.
        told: Ids of the classes that learning had labels of.
    """
    scoped = [one for one in judged if one.truth]
    outside = [one for one in judged if not one.truth]
    predicted = [one.answer.candidates[0].class_id for one in scoped]
    truths = [one.truth for one in scoped]
    ranked = [[candidate.class_id for candidate in one.answer.candidates] for one in scoped]
    assigned = [one for one in judged if one.answer.decision is Decision.ASSIGNED]
    right = sum(one.answer.class_id in one.truth for one in assigned)
    hits = sum(one.right for one in scoped)
    sides = metrics.seen_unseen(judged, told)
    both = sides.harmonic is not None
    low, high = metrics.wilson_interval(hits, len(scoped)) if scoped else (None, None)
    decisions = {decision.value: 0 for decision in Decision}
    for one in judged:
        decisions[one.answer.decision.value] += 1
    return Evaluation(
        n=len(scoped),
        n_oos=len(outside),
        classes=classes,
        accuracy=hits / len(scoped) if scoped else None,
        accuracy_low=low,
        accuracy_high=high,
        top5=metrics.top_k_accuracy(ranked, truths, 5) if scoped else None,
        macro_f1=metrics.macro_f1(predicted, truths) if scoped else None,
        hierarchical_f1=metrics.hierarchical_f1(predicted, truths, taxonomy.ancestors) if scoped else None,
        coverage=len(assigned) / len(judged) if judged else 0.0,
        precision=right / len(assigned) if assigned else None,
        ece=_calibration_error(judged),
        oos_auroc=(
            metrics.auroc([one.answer.fit for one in scoped], [one.answer.fit for one in outside])
            if scoped and outside
            else None
        ),
        seen=sides.seen if both else None,
        unseen=sides.unseen if both else None,
        harmonic=sides.harmonic,
        decisions=decisions,
        items_per_s=items_per_s,
    )


def _calibration_error(judged: Sequence[Judged]) -> float | None:
    given = [(one.confidence, one.right) for one in judged if one.confidence is not None]
    if not given:
        return None
    return metrics.expected_calibration_error([each for each, _ in given], [right for _, right in given])
