"""The measures against their definitions and against scikit-learn."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from nearclass.learn.judged import Judged
from nearclass.learn.metrics import (
    ClassReport,
    accuracy,
    auroc,
    expected_calibration_error,
    hierarchical_f1,
    macro_f1,
    most_confused,
    per_class,
    seen_unseen,
    top_k_accuracy,
    wilson_interval,
)
from nearclass.schemas.records import Assignment, Candidate, Decision

LABELS = st.sampled_from("abcde")
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40)
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]) | st.floats(-1, 1), min_size=1, max_size=30)
ABOVE: dict[str, list[str]] = {"r": [], "a": ["r"], "b": ["r"], "a1": ["r", "a"], "a2": ["r", "a"], "s": []}


def one_each(labels: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset({label}) for label in labels]


@given(PAIRS)
def test_accuracy_and_macro_f1_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    predicted, truths = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert accuracy(predicted, one_each(truths)) == pytest.approx(reference.accuracy_score(truths, predicted))
    expected = reference.f1_score(truths, predicted, labels=sorted(set(truths)), average="macro", zero_division=0)
    assert macro_f1(predicted, one_each(truths)) == pytest.approx(expected)


@given(PAIRS)
def test_the_report_per_class_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    predicted, truths = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted({*predicted, *truths})
    expected = reference.precision_recall_fscore_support(truths, predicted, labels=labels, zero_division=0)
    reports = per_class(predicted, one_each(truths))
    assert [report.class_id for report in reports] == labels
    found = [[report.precision, report.recall, report.f1, report.support] for report in reports]
    np.testing.assert_allclose(found, np.transpose(expected))


def test_any_of_several_right_labels_is_right() -> None:
    truths = [frozenset("ab"), frozenset("ab"), frozenset("bc")]
    assert accuracy(["a", "b", "a"], truths) == pytest.approx(2 / 3)
    assert per_class(["a", "b", "a"], truths) == [
        ClassReport("a", 1, 0.5, 1.0, pytest.approx(2 / 3)),
        ClassReport("b", 2, 1.0, 0.5, pytest.approx(2 / 3)),
    ]


def test_top_k_looks_at_the_first_k_candidates_only() -> None:
    candidates = [["a", "b", "c"], ["c"], []]
    truths = one_each(["c", "c", "c"])
    assert [top_k_accuracy(candidates, truths, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 1 / 3, 2 / 3])


@given(PAIRS)
def test_top_one_is_accuracy(pairs: list[tuple[str, str]]) -> None:
    predicted, truths = [pair[0] for pair in pairs], one_each([pair[1] for pair in pairs])
    assert top_k_accuracy([[answer] for answer in predicted], truths, 1) == accuracy(predicted, truths)


def test_hierarchical_f1_counts_shared_ancestors() -> None:
    above = ABOVE.__getitem__
    assert hierarchical_f1(["a1"], one_each(["a1"]), above) == 1
    assert hierarchical_f1(["a1"], one_each(["a2"]), above) == pytest.approx(2 / 3)
    assert hierarchical_f1(["a"], one_each(["a2"]), above) == pytest.approx(2 * 2 / (2 + 3))
    assert hierarchical_f1(["s"], one_each(["a2"]), above) == 0
    assert hierarchical_f1(["a1", "s"], one_each(["a2", "s"]), above) == pytest.approx(2 * 3 / (3 + 3 + 1 + 1))


def test_hierarchical_f1_takes_the_right_label_that_fits_best() -> None:
    truths = [frozenset({"s", "b", "a2"})]
    assert hierarchical_f1(["a1"], truths, ABOVE.__getitem__) == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.sampled_from(sorted(ABOVE)), st.sampled_from(sorted(ABOVE))), min_size=1, max_size=20))
def test_hierarchical_f1_is_micro_f1_over_the_ancestor_sets(pairs: list[tuple[str, str]]) -> None:
    names = sorted(ABOVE)

    def rows(labels: list[str]) -> list[list[bool]]:
        return [[name == label or name in ABOVE[label] for name in names] for label in labels]

    predicted, truths = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    expected = reference.f1_score(rows(truths), rows(predicted), average="micro", zero_division=0)
    assert hierarchical_f1(predicted, one_each(truths), ABOVE.__getitem__) == pytest.approx(expected)


@given(PAIRS)
def test_hierarchical_f1_without_a_hierarchy_is_accuracy(pairs: list[tuple[str, str]]) -> None:
    predicted, truths = [pair[0] for pair in pairs], one_each([pair[1] for pair in pairs])
    assert hierarchical_f1(predicted, truths, lambda _: ()) == pytest.approx(accuracy(predicted, truths))


@given(SCORES, SCORES)
def test_auroc_is_that_of_scikit_learn(inside: list[float], outside: list[float]) -> None:
    labels = [1] * len(inside) + [0] * len(outside)
    assert auroc(inside, outside) == pytest.approx(reference.roc_auc_score(labels, [*inside, *outside]))
    assert auroc(inside, outside) == pytest.approx(1 - auroc(outside, inside))


def test_auroc_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="not a number"):
        auroc([math.nan], [0.5])


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_holds_the_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert wilson_interval(n - hits, n) == pytest.approx((1 - high, 1 - low))
    for bound in (low, high):  # its bounds are the shares from which the observed one lies z deviations away
        assert (hits / n - bound) ** 2 == pytest.approx(1.96**2 * bound * (1 - bound) / n, abs=1e-9)


def test_the_wilson_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert (wilson_interval(0, 5)[0], wilson_interval(5, 5)[1]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="hits=6, n=5"):
        wilson_interval(6, 5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_error_is_the_gap_of_scikit_learns_curve(rows: list[tuple[float, bool]]) -> None:
    given_, correct = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    right, confidence = calibration_curve(correct, given_, n_bins=15)
    bins = np.searchsorted(np.linspace(0, 1, 16)[1:-1], given_)
    sizes = np.unique(bins, return_counts=True)[1]
    expected = float(np.abs(right - confidence) @ sizes / len(rows))
    assert expected_calibration_error(given_, list(correct)) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_knows_the_ends_and_the_edges() -> None:
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([0.0], [True]) == 1
    assert expected_calibration_error([0.5, 0.5 + 1e-9], [True, False], bins=2) == pytest.approx(0.5)
    for bad in (1.5, -0.1, math.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            expected_calibration_error([bad], [True])
    with pytest.raises(ValueError, match="2 confidences for 1"):
        expected_calibration_error([0.5, 0.5], [True])


def test_the_most_confused_pairs_come_commonest_first_and_then_by_id() -> None:
    predicted = ["b", "a", "b", "c", "a", "a"]
    truths = one_each(["a", "b", "a", "a", "a", "c"])
    assert most_confused(predicted, truths) == [("a", "b", 2), ("a", "c", 1), ("b", "a", 1), ("c", "a", 1)]
    assert most_confused(predicted, truths, top=1) == [("a", "b", 2)]


def test_no_rows_have_no_value_and_no_error() -> None:
    found = [
        accuracy([], []),
        top_k_accuracy([], [], 5),
        macro_f1([], []),
        hierarchical_f1([], [], ABOVE.__getitem__),
        auroc([], [0.5]),
        auroc([0.5], []),
        expected_calibration_error([], []),
    ]
    assert all(math.isnan(value) for value in found)
    assert (per_class([], []), most_confused([], [])) == ([], [])


def test_rows_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        accuracy(["a"], [])


@pytest.mark.parametrize("measure", [macro_f1, per_class, most_confused])
def test_a_row_without_a_right_label_is_refused_where_one_is_needed(measure) -> None:
    with pytest.raises(ValueError, match="'a' has no right label"):
        measure(["a"], [frozenset()])
    with pytest.raises(ValueError, match="'a' has no right label"):
        hierarchical_f1(["a"], [frozenset()], ABOVE.__getitem__)


def judged(*rows):
    """Judged answers of (answered, right) pairs; an empty right one is out of scope."""
    return [
        Judged(
            Assignment(
                id=str(place), decision=Decision.ASSIGNED, class_id=answer, path=(answer,), score=0.5, confidence=None,
                margin=None, candidates=(Candidate(answer, (answer,), 0.5),), evidence=(), truncated=False, space="s",
                revision=1, rule="", fit=0.5,
            ),
            frozenset(right),
        )
        for place, (answer, right) in enumerate(rows)
    ]  # fmt: skip


def test_seen_and_unseen_classes_count_alike_however_many_items_they_have():
    rows = [("a", "a")] * 9 + [("a", "b"), ("c", "c"), ("a", "c")]
    figures = seen_unseen(judged(*rows), {"a", "b"})
    assert (figures.n_seen, figures.n_unseen) == (10, 2)
    assert (figures.seen, figures.unseen) == (0.5, 0.5)
    assert figures.harmonic == 0.5


def test_the_harmonic_mean_is_drawn_to_the_worse_side():
    figures = seen_unseen(judged(("a", "a"), ("b", "b"), ("a", "b"), ("a", "b"), ("a", "b")), {"a"})
    assert (figures.seen, figures.unseen, figures.harmonic) == (1.0, 0.25, 0.4)


def test_unseen_classes_that_are_never_right_leave_nothing():
    assert seen_unseen(judged(("a", "a"), ("a", "b")), {"a"}).harmonic == 0
    assert seen_unseen(judged(("b", "a"), ("a", "b")), {"a"}).harmonic == 0


def test_a_side_without_items_has_no_accuracy():
    figures = seen_unseen(judged(("a", "a"), ("a", "")), {"a"})
    assert (figures.n_seen, figures.n_unseen, figures.seen, figures.unseen, figures.harmonic) == (1, 0, 1.0, None, None)


def test_of_several_right_classes_the_answered_one_counts():
    figures = seen_unseen(judged(("b", "ab"), ("c", "ab")), {"a"})
    assert (figures.n_seen, figures.n_unseen) == (1, 1)
    assert (figures.seen, figures.unseen) == (0.0, 1.0)
