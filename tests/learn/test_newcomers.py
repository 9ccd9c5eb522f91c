"""Classes that are added after learning win the items that are theirs, beside classes with labels too."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass.learn.adapt import Material
from nearclass.learn.combine import Mixture, combined, parts_of
from nearclass.learn.guard import by_texts
from nearclass.learn.learner import learn
from nearclass.learn.newcomers import with_room
from tests.learn.test_learner import lesson_of, world

KNOWN = 10


def known_part(*, every, seed=0):
    """The lesson of all classes but two, every so many items of it with a label; and the whole material and its truth."""
    material, truth = world([80] * 12, offset=0.9, seed=seed)
    rows = truth < KNOWN
    part = Material(material.items[rows], material.texts[:KNOWN], None, material.fits[rows], material.labels[rows])
    labels = np.where(np.arange(rows.sum()) % every == 0, truth[rows], -1)
    return lesson_of(part, truth[rows], labels), material, truth


def taken(learnt, material, truth):
    """Share of the newcomers' items that they win, and of the others."""
    vectors, biases = learnt.newcomers.place(material.texts[KNOWN:])
    scores = material.items @ np.concatenate([learnt.vectors, vectors]).T + np.concatenate([learnt.biases, biases])
    won = scores.argmax(axis=1) >= KNOWN
    return won[truth >= KNOWN].mean(), won[truth < KNOWN].mean()


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_beside_labels_a_newcomer_wins_most_of_its_items_and_few_others(seed, every):
    lesson, material, truth = known_part(every=every, seed=seed)
    theirs, others = taken(learn(lesson), material, truth)
    assert theirs > 0.6
    assert others < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_room_is_made_where_labels_had_left_none(seed):
    lesson, material, truth = known_part(every=2, seed=seed)
    (parts,) = parts_of(lesson)
    crowded = combined(lesson, parts, Mixture(second=False, share=1.0))
    before, after = taken(crowded, material, truth), taken(with_room(lesson, crowded), material, truth)
    assert 1 - after[0] < 0.7 * (1 - before[0])
    assert after[1] < 0.1


def test_newcomers_are_never_lowered():
    lesson, _, _ = known_part(every=2)
    learnt = learn(lesson)
    high = replace(learnt, newcomers=replace(learnt.newcomers, shift=learnt.newcomers.shift + 5))
    assert with_room(lesson, high).newcomers.shift == high.newcomers.shift


def test_class_texts_as_they_are_leave_room_already():
    lesson, _, _ = known_part(every=2)
    plain = by_texts(lesson.material, learn(lesson))
    assert with_room(lesson, plain).newcomers.shift == pytest.approx(0, abs=1e-6)


def test_where_no_item_fits_any_class_nothing_is_said():
    lesson, _, _ = known_part(every=2)
    strange = replace(lesson, material=replace(lesson.material, fits=np.zeros_like(lesson.material.fits)))
    learnt = learn(lesson)
    assert with_room(strange, learnt) is learnt
