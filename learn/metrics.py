"""How good answers are: measures over answered and right classes, as pure functions.

A row may have several right labels. Where a measure needs one of them, it is the answered one if that is
right, else the first in sorted order.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .curves import BINS, bin_of
from .judged import Judged

__all__ = [
    "ClassReport",
    "SeenUnseen",
    "accuracy",
    "auroc",
    "expected_calibration_error",
    "hierarchical_f1",
    "macro_f1",
    "most_confused",
    "per_class",
    "seen_unseen",
    "top_k_accuracy",
    "wilson_interval",
]

Numbers = Sequence[float] | npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class ClassReport:
    """How well one class is answered.

    Attributes:
        class_id: The class.
        support: Number of rows whose right class it is.
        precision: Share of the rows answered with it that are right; 0 where it is never answered.
        recall: Share of its rows that are answered with it; 0 without such rows.
        f1: Harmonic mean of the two.
    """

    class_id: str
    support: int
    precision: float
    recall: float
    f1: float


def accuracy(predicted: Sequence[str], truths: Sequence[frozenset[str]]) -> float:
    """Gives the share of rows whose answer is one of the right labels; nan without rows.

    Example:
        >>> accuracy(["a", "b"], [frozenset({"a"}), frozenset({"a", "c"})])
        0.5
    """
    return _mean([answer in right for answer, right in zip(predicted, truths, strict=True)])


def top_k_accuracy(candidates: Sequence[Sequence[str]], truths: Sequence[frozenset[str]], k: int) -> float:
    """Gives the share of rows with a right label among the first k candidates (best first); nan without rows.

    Example:
        >>> top_k_accuracy([["a", "b"], ["a", "c"]], [frozenset({"b"}), frozenset({"b"})], k=2)
        0.5
    """
    return _mean([not right.isdisjoint(row[:k]) for row, right in zip(candidates, truths, strict=True)])


def macro_f1(predicted: Sequence[str], truths: Sequence[frozenset[str]]) -> float:
    """Gives the mean F1 over the classes that occur as the right one; nan without rows.

    Example:
        >>> round(macro_f1(["a", "a", "c"], [frozenset("a"), frozenset("b"), frozenset("b")]), 4)
        0.3333
    """
    return _mean([report.f1 for report in per_class(predicted, truths) if report.support])


def per_class(predicted: Sequence[str], truths: Sequence[frozenset[str]]) -> list[ClassReport]:
    """Gives a report for every class that is answered or right in some row, in the order of their ids.

    Raises:
        ValueError: The two differ in length, or a row has no right label.

    Example:
        >>> per_class(["a", "a"], [frozenset("a"), frozenset("b")])[0]
        ClassReport(class_id='a', support=1, precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    right = _one_truth(predicted, truths)
    hits = Counter(answer for answer, truth in zip(predicted, right, strict=True) if answer == truth)
    answered, support = Counter(predicted), Counter(right)
    return [
        ClassReport(
            class_id,
            support[class_id],
            _share(hits[class_id], answered[class_id]),
            _share(hits[class_id], support[class_id]),
            _share(2 * hits[class_id], answered[class_id] + support[class_id]),
        )
        for class_id in sorted(answered | support)
    ]


def most_confused(
    predicted: Sequence[str], truths: Sequence[frozenset[str]], top: int = 20
) -> list[tuple[str, str, int]]:
    """Gives the commonest mistakes as (right class, answered class, rows), commonest first, then by id.

    Example:
        >>> most_confused(["b", "b", "a"], [frozenset("a"), frozenset("a"), frozenset("a")])
        [('a', 'b', 2)]
    """
    right = _one_truth(predicted, truths)
    pairs = Counter((truth, answer) for truth, answer in zip(right, predicted, strict=True) if truth != answer)
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(truth, answer, count) for (truth, answer), count in ranked[:top]]


def hierarchical_f1(
    predicted: Sequence[str], truths: Sequence[frozenset[str]], ancestors: Callable[[str], Iterable[str]]
) -> float:
    """Gives the F1 between answered and right classes with all that is above them; nan without rows.

    Both sides of a row are a class and its ancestors; the counts of all rows are added up before the
    division. Of several right labels the one counts that fits the answer best.

    Args:
        predicted: The answered class of each row.
        truths: The right classes of each row.
        ancestors: Gives the classes above a class, in any order, without a virtual root over all of them.

    Source:
        Kiritchenko et al., Learning and evaluation in the presence of class hierarchies, 2006.

    Example:
        >>> above = {"a": [], "b": ["a"], "c": ["a"]}
        >>> hierarchical_f1(["b"], [frozenset("c")], above.__getitem__)
        0.5
    """
    lines: dict[str, frozenset[str]] = {}

    def line(class_id: str) -> frozenset[str]:
        if class_id not in lines:
            lines[class_id] = frozenset({class_id, *ancestors(class_id)})
        return lines[class_id]

    shared = total = 0
    for answer, right in zip(predicted, truths, strict=True):
        if not right:
            raise ValueError(_NO_LABEL.format(answer))
        fits = [(len(line(answer) & line(truth)), len(line(answer)) + len(line(truth))) for truth in sorted(right)]
        best = max(fits, key=lambda fit: fit[0] / fit[1])
        shared += best[0]
        total += best[1]
    return 2 * shared / total if total else math.nan


def auroc(scores_in: Numbers, scores_out: Numbers) -> float:
    """Gives the probability that a score from inside is above one from outside, ties counting half.

    It is the area under the ROC curve, as the Mann-Whitney statistic; nan where one side is empty.

    Raises:
        ValueError: A score is not a number.

    Example:
        >>> auroc([0.9, 0.5], [0.5, 0.1])
        0.875
    """
    inside, outside = np.asarray(scores_in, dtype=np.float64), np.asarray(scores_out, dtype=np.float64)
    if np.isnan(inside).any() or np.isnan(outside).any():
        message = "auroc got a score that is not a number"
        raise ValueError(message)
    if not inside.size or not outside.size:
        return math.nan
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    not_above = np.searchsorted(ordered, inside, side="right")
    return float((below.sum() + not_above.sum()) / (2 * inside.size * outside.size))


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Gives the range that a share of hits/n may lie in; (0, 1) where n is 0.

    Args:
        hits: Number of successes, from 0 to n.
        n: Number of trials.
        z: Half width in standard deviations; 1.96 covers 95 %.

    Source:
        Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    Example:
        >>> tuple(round(bound, 4) for bound in wilson_interval(8, 10))
        (0.4902, 0.9433)
    """
    if not 0 <= hits <= n:
        message = f"hits must be from 0 to n; got hits={hits}, n={n}"
        raise ValueError(message)
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the ends the bound is exact, but rounding would leave it a hair off.
    low = 0.0 if hits == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if hits == n else min(1.0, (middle + half) / scale)
    return low, high


def expected_calibration_error(confidences: Numbers, correct: Sequence[bool], bins: int = BINS) -> float:
    """Gives how far confidence is from the share of right answers, on average over bins; nan without rows.

    Bins have equal width, open below and closed above; each counts by its number of rows. ``curves.BINS`` says why
    there are fifteen.

    Args:
        confidences: Probability given to each answer, from 0 to 1.
        correct: Whether each answer is right.
        bins: Number of bins.

    Raises:
        ValueError: The two differ in length, or a confidence is not from 0 to 1.

    Source:
        Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, 2017, with its 15 bins.

    Example:
        >>> expected_calibration_error([0.75, 0.75], [True, False])
        0.25
    """
    given, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if given.shape != right.shape:
        message = f"{given.size} confidences for {right.size} answers"
        raise ValueError(message)
    where = bin_of(given, bins)
    if not given.size:
        return math.nan
    gaps = np.bincount(where, weights=right - given, minlength=bins)
    return float(np.abs(gaps).sum() / given.size)


@dataclass(frozen=True, slots=True)
class SeenUnseen:
    """Generalised zero-shot figures: how well classes are answered that had labels in training, and that had none.

    Attributes:
        n_seen: Items in scope of classes with labels.
        n_unseen: Items in scope of classes without.
        seen: Accuracy of the classes with labels, each class counting alike; None without such items.
        unseen: The same of the classes without.
        harmonic: Harmonic mean of the two; None where one of them is.
    """

    n_seen: int
    n_unseen: int
    seen: float | None
    unseen: float | None
    harmonic: float | None


def seen_unseen(judged: Sequence[Judged], seen: Collection[str]) -> SeenUnseen:
    """Gives the accuracy on classes that had labels in training and on those that had none.

    All classes are candidates for every item. Items out of scope do not count.

    Args:
        judged: Answers beside the truth.
        seen: Ids of the classes that had labels.

    Source:
        Xian, Lampert, Schiele and Akata, Zero-shot learning: a comprehensive evaluation of the good, the bad and
        the ugly, 2018, section 4.2: per-class averaged accuracies and their harmonic mean.
    """
    scoped = [one for one in judged if one.truth]
    answers = [one.answer.candidates[0].class_id for one in scoped]
    of_class: defaultdict[str, list[bool]] = defaultdict(list)
    for answer, truth in zip(answers, _one_truth(answers, [one.truth for one in scoped]), strict=True):
        of_class[truth].append(answer == truth)
    sides = [{key: hits for key, hits in of_class.items() if (key in seen) is side} for side in (True, False)]
    first, second = (_mean([_mean(hits) for hits in side.values()]) if side else None for side in sides)
    both = None if first is None or second is None else (2 * first * second / (first + second or 1.0))
    n_seen, n_unseen = (sum(map(len, side.values())) for side in sides)
    return SeenUnseen(n_seen, n_unseen, first, second, both)


_NO_LABEL = "the row answered with {!r} has no right label; leave such rows out"


def _one_truth(predicted: Sequence[str], truths: Sequence[frozenset[str]]) -> list[str]:
    found = []
    for answer, right in zip(predicted, truths, strict=True):
        if not right:
            raise ValueError(_NO_LABEL.format(answer))
        found.append(answer if answer in right else min(right))
    return found


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
