"""The report of an evaluation: how good the answers are, where they fail, and how they were decided."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..ingest.labelled import Labelled
from ..learn.evaluate import Evaluation, Judged
from ..learn.metrics import most_confused, per_class, wilson_interval
from ..learn.overlap import most_alike
from ..schemas.records import Assignment, Decision, Item
from ..schemas.taxonomy import Taxonomy
from . import charts
from .page import write_page

__all__ = ["EvaluationView", "view_of", "write_evaluation"]

_MOST_CLASSES: Final = 1000
_MOST_PAIRS: Final = 20
_EXAMPLES: Final = 3
_MOST_COMPARED: Final = 20_000
"""Classes that are compared with one another: of so many it takes some seconds."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of items with its 95 % Wilson interval."""

    name: str
    meaning: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the items with one decision; ``right`` is None where there were none."""

    name: str
    meaning: str
    count: int
    share: float
    right: int | None
    right_means: str
    rule: str


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well one class is answered; None where a figure has nothing to stand on.

    ``instead`` is what its items were most often answered with wrongly, or empty.
    """

    path: tuple[str, ...]
    support: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float
    instead: tuple[str, ...]
    instead_count: int


@dataclass(frozen=True, slots=True)
class Alike:
    """Two classes with like class vectors, and how many items of either were answered with the other."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    cosine: float
    confused: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two classes of which the one is right and the other was answered."""

    truth: tuple[str, ...]
    answer: tuple[str, ...]
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """Everything that the report shows.

    Attributes:
        figures: As they were measured.
        shares: Headline figures with intervals; empty where no item is in scope.
        decided: One for each decision.
        bases: Where the thresholds come from, in words.
        classes: Worst first.
        left_off: How many classes are not shown.
        confusions: Commonest first.
        wrong: Items whose best candidate is not right.
        answering: Coverage against precision, or None without answers.
        reliability: Confidence against truth, or None until there is a calibration.
        scope: Items out of scope against the others, or None without both kinds.
        alike: Pairs of classes, the most alike first; empty where class vectors were not given.
    """

    figures: Evaluation
    shares: Sequence[Share]
    decided: Sequence[Decided]
    bases: Sequence[str]
    classes: Sequence[ClassRow]
    left_off: int
    confusions: Sequence[Confusion]
    wrong: int
    answering: charts.Answering | None
    reliability: charts.Reliability | None
    scope: charts.Scope | None
    alike: Sequence[Alike]


def write_evaluation(
    path: str | Path,
    figures: Evaluation,
    judged: Sequence[Judged],
    labelled: Sequence[Labelled],
    taxonomy: Taxonomy,
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Write the report as one HTML file.

    Args:
        path: The file.
        figures: As they were measured.
        judged: Answers beside the truth.
        labelled: The items of the answers, in the same order.
        taxonomy: For the paths.
        vectors: The class vectors, shape (dim,), by class; without them nothing is said of classes that overlap.

    Raises:
        UsageError: The file cannot be written.
    """
    first = judged[0].answer if judged else None
    write_page(
        path,
        "evaluation.html",
        script="sort.js",
        view=view_of(figures, judged, labelled, taxonomy, vectors),
        space=first.space if first else "",
        revision=taxonomy.revision,
    )


def view_of(
    figures: Evaluation,
    judged: Sequence[Judged],
    labelled: Sequence[Labelled],
    taxonomy: Taxonomy,
    vectors: Mapping[str, NDArray[np.float32]] | None = None,
) -> EvaluationView:
    """What the report shows of labelled items and the answers for them, in the same order."""
    pairs = [(one, row.item) for one, row in zip(judged, labelled, strict=True) if one.truth]
    predicted = [one.answer.candidates[0].class_id for one, _ in pairs]
    truths = [one.truth for one, _ in pairs]
    mistakes = most_confused(predicted, truths, len(predicted))
    rows = _class_rows(predicted, truths, mistakes, taxonomy)
    return EvaluationView(
        figures=figures,
        shares=_shares(figures, judged),
        decided=[_decided(decision, judged, taxonomy) for decision in Decision],
        bases=sorted({_basis(one.answer) for one in judged} - {""}),
        classes=rows[:_MOST_CLASSES],
        left_off=max(0, len(rows) - _MOST_CLASSES),
        confusions=_confusions(pairs, predicted, truths, taxonomy),
        wrong=sum(answer not in truth for answer, truth in zip(predicted, truths, strict=True)),
        answering=charts.answering(judged),
        reliability=charts.confidence(judged),
        scope=charts.scope(judged),
        alike=_alike(vectors or {}, mistakes, taxonomy),
    )


def _shares(figures: Evaluation, judged: Sequence[Judged]) -> list[Share]:
    n = figures.n
    shares = []
    if n and figures.accuracy is not None and figures.top5 is not None:
        shares.append(_share("Right at first", "the nearest class is a right one", round(figures.accuracy * n), n))
        shares.append(_share("Right among five", "a right class is among the five nearest", round(figures.top5 * n), n))
    assigned = [one for one in judged if one.answer.decision is Decision.ASSIGNED]
    if assigned:
        right = sum(one.answer.class_id in one.truth for one in assigned)
        shares.append(
            _share("Precision", "of the items decided as assigned, those that are right", right, len(assigned))
        )
    if judged:
        meaning = "of all items, those decided as assigned"
        shares.append(_share("Coverage", meaning, len(assigned), len(judged)))
    return shares


def _share(name: str, meaning: str, hits: int, n: int) -> Share:
    return Share(name, meaning, hits / n, *wilson_interval(hits, n), n)


_MEANINGS: Final[Mapping[Decision, tuple[str, str]]] = {
    Decision.ASSIGNED: ("one class is clearly the nearest", "in a right class"),
    Decision.ANCESTOR: ("several fit alike, all under one parent, which is given", "under a right parent"),
    Decision.REVIEW: (
        "several fit alike in different branches: for a person",
        "with a right class among five",
    ),
    Decision.NOVEL: ("nothing fits well enough", "truly outside the classes"),
}


def _decided(decision: Decision, judged: Sequence[Judged], taxonomy: Taxonomy) -> Decided:
    those = [one for one in judged if one.answer.decision is decision]
    meaning, right_means = _MEANINGS[decision]
    rule = those[0].answer.rule.partition("; ")[0] if those else ""
    right = sum(_RIGHT[decision](one, taxonomy) for one in those) if those else None
    share = len(those) / len(judged) if judged else 0.0
    return Decided(decision.value, meaning, len(those), share, right, right_means, rule)


def _under_parent(one: Judged, taxonomy: Taxonomy) -> bool:
    class_id = one.answer.class_id
    return class_id is not None and not one.truth.isdisjoint(taxonomy.descendants(class_id))


_RIGHT: Final[Mapping[Decision, Callable[[Judged, Taxonomy], bool]]] = {
    Decision.ASSIGNED: lambda one, _: one.answer.class_id in one.truth,
    Decision.ANCESTOR: _under_parent,
    Decision.REVIEW: lambda one, _: any(each.class_id in one.truth for each in one.answer.candidates[:5]),
    Decision.NOVEL: lambda one, _: not one.truth,
}


def _basis(answer: Assignment) -> str:
    """Where the thresholds come from: the second half of a rule."""
    return answer.rule.partition("; ")[2]


def _class_rows(
    predicted: Sequence[str],
    truths: Sequence[frozenset[str]],
    mistakes: Sequence[tuple[str, str, int]],
    taxonomy: Taxonomy,
) -> list[ClassRow]:
    answered = Counter(predicted)
    instead: dict[str, tuple[tuple[str, ...], int]] = {}
    for truth, answer, count in mistakes:  # commonest first
        instead.setdefault(truth, (taxonomy.path(answer), count))
    rows = [
        ClassRow(
            taxonomy.path(one.class_id),
            one.support,
            answered[one.class_id],
            one.precision if answered[one.class_id] else None,
            one.recall if one.support else None,
            one.f1,
            *instead.get(one.class_id, ((), 0)),
        )
        for one in per_class(predicted, truths)
    ]
    return sorted(rows, key=lambda row: (not row.support, row.f1, -row.support, row.path))


def _confusions(
    pairs: Sequence[tuple[Judged, Item]],
    predicted: Sequence[str],
    truths: Sequence[frozenset[str]],
    taxonomy: Taxonomy,
) -> list[Confusion]:
    titles: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (_, item), answer, truth in zip(pairs, predicted, truths, strict=True):
        if answer not in truth:
            titles[min(truth), answer].append(item.title or item.text or item.description or item.id)
    return [
        Confusion(taxonomy.path(truth), taxonomy.path(answer), count, tuple(titles[truth, answer][:_EXAMPLES]))
        for truth, answer, count in most_confused(predicted, truths, _MOST_PAIRS)
    ]


def _alike(
    vectors: Mapping[str, NDArray[np.float32]], mistakes: Sequence[tuple[str, str, int]], taxonomy: Taxonomy
) -> list[Alike]:
    known = [class_id for class_id in vectors if class_id in taxonomy]
    if not 1 < len(known) <= _MOST_COMPARED:
        return []
    confused: Counter[frozenset[str]] = Counter()
    for truth, answer, count in mistakes:
        confused[frozenset((truth, answer))] += count
    return [
        Alike(taxonomy.path(first), taxonomy.path(second), cosine, confused[frozenset((first, second))])
        for first, second, cosine in most_alike(known, np.stack([vectors[class_id] for class_id in known]), _MOST_PAIRS)
    ]
