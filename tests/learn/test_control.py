"""Thresholds are let through only where the labels show that they keep the precision."""

import numpy as np
import pytest
from scipy.stats import binom

from nearclass.learn.control import Counts, leaf_counts, level_counts, looser, p_values, passed, rows_needed, thresholds


def counts(*pairs):
    chosen, wrong = zip(*pairs, strict=True)
    return Counts(np.asarray(chosen), np.asarray(wrong))


def test_the_p_value_is_the_exact_binomial_one():
    found = p_values(counts((45, 0), (77, 1), (200, 7)), 0.95)
    assert found == pytest.approx(binom.cdf([0, 1, 7], [45, 77, 200], 0.05))


def test_a_threshold_that_lets_nothing_through_does_not_pass():
    assert p_values(counts((0, 0)), 0.95).tolist() == [1.0]
    assert passed(counts((0, 0), (100, 0)), 0.95, 0.1) == 0


def test_the_sequence_ends_at_the_first_threshold_that_fails():
    assert passed(counts((50, 0), (80, 1), (90, 9), (400, 9)), 0.95, 0.1) == 2


def test_forty_five_right_ones_show_95_percent_and_forty_four_do_not():
    assert passed(counts((45, 0)), 0.95, 0.1) == 1
    assert passed(counts((44, 0)), 0.95, 0.1) == 0
    assert rows_needed(0.95, 0.1) == 45


def test_no_number_of_rows_shows_what_is_not_so():
    assert rows_needed(0.9, 0.1, 0.1) is None
    needed = rows_needed(0.9, 0.1, 0.05)
    assert needed is not None
    assert binom.cdf(np.ceil(needed * 0.05), needed, 0.1) <= 0.1


def test_counts_include_the_rows_at_the_threshold_itself():
    found = leaf_counts(np.array([0.9, 0.5, 0.7]), np.array([True, False, True]), np.array([0.9, 0.5]))
    assert (found.chosen.tolist(), found.wrong.tolist()) == ([1, 3], [0, 1])


def test_a_row_answers_with_its_deepest_level_that_reaches_the_threshold():
    masses = np.array([[0.9, 0.6], [0.8, 0.7]])
    right = np.array([[True, False], [True, True]])
    found = level_counts(masses, right, np.array([0.85, 0.65, 0.55]))
    assert (found.chosen.tolist(), found.wrong.tolist()) == ([1, 2, 2], [0, 0, 1])


def test_the_test_begins_where_the_other_half_speaks_for_it_most():
    sequence = np.array([0.9, 0.8, 0.7])
    assert looser(sequence, counts((3, 1), (60, 0), (90, 20)), 0.95).tolist() == [0.8, 0.7]


def test_many_masses_make_a_hundred_thresholds_from_the_highest_to_the_lowest():
    masses = np.random.default_rng(0).random(5000)
    found = thresholds(masses)
    assert len(found) == 100
    assert (np.diff(found) < 0).all()
    assert (found[0], found[-1]) == (masses.max(), masses.min())


def test_a_precision_that_is_missed_passes_in_one_of_ten_draws_at_most():
    generator = np.random.default_rng(1)
    tries = 1000
    chosen = np.arange(20, 320, 3)
    through = 0
    for _ in range(tries):
        wrong = np.cumsum(generator.random(320) < 0.051)
        through += passed(Counts(chosen, wrong[chosen - 1]), 0.95, 0.1) > 0
    assert through / tries <= 0.1 + 3 * np.sqrt(0.09 / tries)
