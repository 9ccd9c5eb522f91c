"""Pairs of classes that are alike."""

import numpy as np
import pytest

from nearclass.learn import overlap
from nearclass.learn.overlap import most_alike


@pytest.mark.parametrize("at_once", [1, 90, 4_000_000])
def test_the_pairs_are_those_of_all_cosines_however_they_are_cut(monkeypatch, at_once):
    monkeypatch.setattr(overlap, "_SCORES_AT_ONCE", at_once)
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    ids = [f"class-{place:02}" for place in range(30)]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    every = sorted((-float(cosines[i, j]), ids[i], ids[j]) for i in range(30) for j in range(i + 1, 30))
    found = most_alike(ids, vectors, top=12)
    assert [(first, second) for first, second, _ in found] == [(first, second) for _, first, second in every[:12]]
    assert [cosine for *_, cosine in found] == pytest.approx([-negative for negative, *_ in every[:12]], abs=1e-6)


def test_ties_stand_in_the_order_of_their_ids():
    vectors = np.tile(np.array([[3.0, 4.0]], np.float32), (4, 1))
    found = most_alike(["d", "b", "a", "c"], vectors, top=3)
    assert [(first, second) for first, second, _ in found] == [("a", "b"), ("a", "c"), ("a", "d")]


def test_fewer_pairs_than_asked_for_are_no_error():
    assert most_alike(["a"], np.ones((1, 2), np.float32)) == []
    assert len(most_alike(["a", "b"], np.eye(2, dtype=np.float32), top=9)) == 1


def test_a_class_without_direction_is_like_none():
    ((_, _, cosine),) = most_alike(["a", "b"], np.array([[0, 0], [1, 0]], np.float32))
    assert cosine == 0
