"""Logistic regression in single precision: what scikit-learn finds, whoever else is learning."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from nearclass.learn import arrays
from nearclass.learn.logistic import logistic
from nearclass.learn.side_by_side import side_by_side


def examples(classes, n=600, dim=16):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, dim))
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    inputs = (centres[targets] + 1.5 * rng.normal(size=(n, dim))).astype(np.float32)
    return inputs, targets, rng.uniform(0.2, 3, n).astype(np.float32)


def nothing(classes, dim=16):
    return np.zeros((classes, dim), np.float32), np.zeros(classes, np.float32)


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@pytest.mark.parametrize("classes", [3, 40])
def test_it_finds_what_scikit_learn_finds(classes, monkeypatch):
    monkeypatch.setattr(arrays, "_SCORES", 100 * classes)  # several parts
    inputs, targets, weights = examples(classes)
    vectors, biases = logistic(inputs, targets, weights, nothing(classes), cost=2.0, rounds=500, tolerance=1e-6)
    expected = LogisticRegression(C=2.0, max_iter=500, tol=1e-6).fit(inputs, targets, sample_weight=weights)
    found = arrays.softmax(inputs @ vectors.T + biases)
    np.testing.assert_allclose(found, expected.predict_proba(inputs), rtol=0, atol=2e-3)


def test_it_goes_on_from_where_another_ended():
    inputs, targets, weights = examples(12)
    given = {"cost": 2.0, "tolerance": 1e-4}
    whole = logistic(inputs, targets, weights, nothing(12), rounds=200, **given)
    again = logistic(inputs, targets, weights, whole, rounds=1, **given)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_twice_is_the_same_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(arrays, "_SCORES", 100)
    inputs, targets, weights = examples(12)
    first, second = (
        logistic(inputs, targets, weights, nothing(12), cost=2.0, rounds=20, tolerance=1e-6) for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])


def test_parts_come_in_their_order_and_leave_the_threads_of_products_as_they_were():
    before = blas_threads()
    assert list(side_by_side(lambda part: part * part, range(50))) == [part * part for part in range(50)]
    assert blas_threads() == before


def test_two_that_learn_at_the_same_time_leave_them_too():
    before = blas_threads()

    def learn(number):
        return [list(side_by_side(lambda part: part + number, range(20))) for _ in range(20)]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(learn, range(8)))
    assert found == [[list(range(number, number + 20))] * 20 for number in range(8)]
    assert blas_threads() == before


def test_an_error_in_a_part_comes_out_and_leaves_them_too():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda part: 1 // part, [1, 0, 2]))
    assert blas_threads() == before
    assert list(side_by_side(str, [1])) == ["1"]
