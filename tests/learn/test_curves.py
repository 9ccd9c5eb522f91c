"""Curves over thresholds."""

import math

import numpy as np
import pytest

from nearclass.learn.curves import bin_of, coverage_curve, reliability, scope_curve
from nearclass.learn.metrics import auroc, expected_calibration_error


def test_coverage_ends_with_everything_and_the_accuracy():
    curve = coverage_curve([0.1, 0.7, 0.3, 0.9], [False, True, False, True])
    assert (curve.coverage[-1], curve.precision[-1]) == (1.0, 0.5)
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.3, 0.1]


def test_answers_with_one_value_are_given_together():
    curve = coverage_curve([0.5, 0.5, 0.5], [True, False, True])
    assert curve.coverage.tolist() == [1.0]
    assert curve.precision.tolist() == pytest.approx([2 / 3])


def test_a_threshold_between_two_values_gives_what_is_above_it():
    curve = coverage_curve([0.9, 0.5, 0.1], [True, True, False])
    assert curve.at(0.3) == pytest.approx((2 / 3, 1.0))
    assert curve.at(0.5) == pytest.approx((2 / 3, 1.0))
    assert curve.at(0.95) is None


def test_the_widest_coverage_at_a_precision_may_lie_beyond_a_dip():
    curve = coverage_curve([0.9, 0.8, 0.7, 0.6], [False, True, True, True])
    assert curve.widest(0.75) == pytest.approx((0.6, 1.0, 0.75))
    assert curve.widest(0.9) is None


def test_a_curve_of_nothing_is_empty():
    curve = coverage_curve([], [])
    assert curve.coverage.size == 0
    assert curve.widest(0.5) is None
    assert curve.at(0.5) is None


def test_values_and_answers_must_be_as_many():
    with pytest.raises(ValueError, match="2 values for 1 answers"):
        coverage_curve([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="2 confidences for 1 answers"):
        reliability([0.1, 0.2], [True])


def test_the_bins_give_the_calibration_error():
    rng = np.random.default_rng(3)
    given = rng.random(500)
    right = (rng.random(500) < given**2).tolist()
    bins = reliability(given, right)
    gaps = sum(abs(one.right - one.n * one.confidence) for one in bins) / 500
    assert sum(one.n for one in bins) == 500
    assert gaps == pytest.approx(expected_calibration_error(given, right))


def test_an_upper_edge_belongs_to_its_bin():
    assert bin_of(np.array([0.0, 1 / 15, 1.0])).tolist() == [0, 0, 14]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(ValueError, match="not from 0 to 1"):
        reliability([value], [True])


def test_the_area_under_the_scope_curve_is_the_auroc():
    rng = np.random.default_rng(5)
    inside, outside = rng.normal(1, 1, 300).round(1), rng.normal(0, 1, 200).round(1)
    curve = scope_curve(inside, outside)
    assert np.trapezoid(curve.true_novel, curve.false_novel) == pytest.approx(auroc(inside, outside))
    assert (curve.true_novel[0], curve.false_novel[0]) == (0, 0)
    assert (curve.true_novel[-1], curve.false_novel[-1]) == (1, 1)


def test_catching_names_the_lowest_threshold_that_catches_enough():
    curve = scope_curve([0.9, 0.8, 0.2], [0.1, 0.3, 0.4, 0.5])
    threshold, lost, caught = curve.catching(0.75)
    assert caught == 0.75
    assert lost == pytest.approx(1 / 3)
    assert 0.4 < threshold <= 0.5


def test_a_scope_curve_needs_both_sides():
    with pytest.raises(ValueError, match="0 out of scope"):
        scope_curve([0.5], [])
