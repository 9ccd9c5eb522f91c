"""Classes without labels beside classes with many: what share of the items is theirs, and that they get it."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass.learn.learner import learn
from nearclass.learn.unseen import single_share, unseen_items
from tests.learn.test_learner import lesson_of, world


def told(truth, classes, every):
    """Labels for every so many items of the first classes."""
    return np.where((truth < classes) & (np.arange(len(truth)) % every == 0), truth, -1)


@pytest.mark.parametrize("classes", [6, 9, 11])
def test_the_share_of_classes_without_labels_is_told_by_what_texts_answer(classes):
    material, truth = world([400] * 12, offset=0.9)
    labels = told(truth, classes, 2)
    found = unseen_items(replace(material, labels=labels))
    assert found.share == pytest.approx(1 - classes / 12, abs=0.06)


def test_the_items_without_a_label_are_weighted_to_stand_for_all():
    material, truth = world([400] * 12, offset=0.9)
    found = unseen_items(replace(material, labels=told(truth, 9, 2)))
    theirs = truth[found.rows] >= 9
    assert theirs.mean() == pytest.approx(0.4, abs=0.03)
    assert found.weights[theirs].sum() / found.weights.sum() == pytest.approx(0.25, abs=0.06)


def test_where_items_of_classes_without_labels_are_none_no_share_is_found():
    material, truth = world([400] * 9, offset=0.9, classes=12)
    found = unseen_items(replace(material, labels=told(truth, 9, 2)))
    assert found is None or found.share < 0.02


def test_of_a_handful_of_labels_no_more_is_believed_than_they_show():
    material, truth = world([60] * 12, offset=0.9)
    labels = np.full(len(truth), -1)
    labels[:3] = truth[:3]
    found = unseen_items(replace(material, labels=labels))
    assert found is None or found.share < 0.75


def test_strangers_among_the_items_are_not_taken_for_those_of_classes_without_labels():
    material, truth = world([400] * 12, offset=0.9)
    strangers = truth >= 9
    texts = material.texts.copy()
    texts[9:] = -texts[:3]  # classes that have no item at all
    some = replace(material, texts=texts, labels=told(truth, 9, 2))
    among = unseen_items(some)
    left_out = unseen_items(replace(some, fits=np.where(strangers, 0.01, 1).astype(np.float32)))
    assert among is not None
    assert left_out is None or left_out.share < 0.2 * among.share


def test_classes_too_rare_for_a_label_have_the_share_of_single_labels_at_least():
    material, truth = world([400] * 9, offset=0.9, classes=12)
    told_all = replace(material, labels=told(truth, 9, 2))
    found = unseen_items(told_all, least=0.07)
    assert found.share == pytest.approx(0.07)
    assert found.weights == pytest.approx(np.ones(len(found.rows)))


def test_one_label_of_each_class_says_nothing_of_rare_ones():
    assert single_share(np.array([0, 1, 2, -1])) == 0
    assert single_share(np.array([0, 0, 0, 1, -1])) == 0.25
    assert single_share(np.array([0, 0, 1, 2, 3, 4])) == 0.5  # and no more


@pytest.mark.parametrize("labels", [-1, 0])
def test_without_labels_or_without_classes_that_lack_them_nothing_is_looked_for(labels):
    material, truth = world([40] * 6)
    given = np.full(len(truth), -1) if labels else truth.copy()
    given[0] = -1
    assert unseen_items(replace(material, labels=given)) is None
    assert unseen_items(replace(material, labels=truth)) is None


@pytest.mark.parametrize("seed", range(3))
def test_classes_that_came_after_the_labels_keep_their_items(seed):
    material, truth = world([100] * 12, offset=0.9, seed=seed)
    lesson = lesson_of(material, truth, told(truth, 9, 2))
    rows = np.flatnonzero(truth >= 9)
    plain = (material.items[rows] @ material.texts.T).argmax(axis=1) == truth[rows]
    learnt = learn(lesson).scores(lesson, rows).argmax(axis=1) == truth[rows]
    assert learnt.mean() > plain.mean()
