"""Ways to class vectors that encoders are compared by."""

import numpy as np
import pytest

from nearclass.learn.resolve import class_vector
from nearclass.learn.variants import VARIANTS, ClassEvidence, draw_labels, few_labels, texts
from nearclass.schemas.records import EvidenceKind

NAME = (EvidenceKind.NAME,)


def axes(count, dim=4):
    return [ClassEvidence(f"c{place}", NAME, np.eye(dim, dtype=np.float32)[[place]]) for place in range(count)]


def test_without_labels_the_class_vectors_are_those_of_the_catalogue():
    kinds = (EvidenceKind.NAME, EvidenceKind.DESCRIPTION)
    vectors = np.eye(2, dtype=np.float32)
    made = texts([ClassEvidence("a", kinds, vectors)], np.empty((0, 2), np.float32), np.empty(0, np.int64))
    assert made.vectors[0] == pytest.approx(class_vector(kinds, vectors))
    assert made.biases.tolist() == [0]


def test_labelled_items_pull_their_class_and_no_other():
    items = np.array([[0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    made = few_labels(axes(2), items, np.array([0, -1]))
    assert made.vectors[0, 2] > made.vectors[0, 0] > 0
    assert made.vectors[0, 3] == 0
    assert made.vectors[1].tolist() == [0, 1, 0, 0]
    assert np.linalg.norm(made.vectors, axis=1) == pytest.approx([1, 1])


def test_items_that_cancel_out_leave_the_text():
    items = np.array([[0, 0, 1, 0], [0, 0, -1, 0]], np.float32)
    assert few_labels(axes(1), items, np.array([0, 0])).vectors[0].tolist() == [1, 0, 0, 0]


def test_at_most_half_of_a_class_is_shown_and_never_more_than_asked():
    places = np.array([0] * 20 + [1] * 3 + [2] + [-1] * 5)
    drawn = draw_labels(places, shots=5)
    assert [int((drawn == place).sum()) for place in (0, 1, 2)] == [5, 1, 0]
    assert (drawn[drawn >= 0] == places[drawn >= 0]).all()


def test_the_draw_is_the_same_each_time_and_another_with_another_seed():
    places = np.repeat(np.arange(10), 20)
    assert draw_labels(places, 5).tolist() == draw_labels(places, 5).tolist()
    assert draw_labels(places, 5).tolist() != draw_labels(places, 5, seed=1).tolist()


def test_no_shots_show_nothing():
    assert (draw_labels(np.zeros(8, np.int64), 0) == -1).all()


def test_each_variant_has_a_name_of_its_own():
    names = [one.name for one in VARIANTS]
    assert len(set(names)) == len(names)


def test_labels_that_are_known_anyway_are_shown_before_others():
    places = np.array([0] * 10 + [1] * 4)
    known = np.array([False] * 7 + [True] * 3 + [False] * 4)
    drawn = draw_labels(places, 5, first=known)
    assert drawn[7:10].tolist() == [0, 0, 0]
    assert [(drawn == place).sum() for place in (0, 1)] == [5, 2]
