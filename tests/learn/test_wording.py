"""Words that items teach: n-grams by the votes of items, without a label."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from nearclass.learn import wording
from nearclass.learn.adapt import Material
from nearclass.learn.lesson import Learnt, Lesson
from nearclass.schemas.learning import Newcomers

DIM, CLASSES, WORDS = 8, 6, 60


def learnt_and_lesson(*, noise=0.5, n=60, seed=0):
    """Class vectors that are right on most items, items with three words of their class and one other; their classes."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(CLASSES), n)
    vectors = np.eye(DIM, dtype=np.float32)[:CLASSES]
    items = vectors[truth] + noise * rng.normal(size=(len(truth), DIM))
    items = (items / np.linalg.norm(items, axis=1, keepdims=True)).astype(np.float32)
    words = np.zeros((len(truth), WORDS), np.float32)
    for place in range(3):
        words[np.arange(len(truth)), truth + place * CLASSES] = 1
    words[np.arange(len(truth)), rng.integers(3 * CLASSES, WORDS, len(truth))] = 1
    nobody = np.full(len(truth), -1, np.int64)
    material = Material(items, vectors, None, np.ones(len(truth), np.float32), nobody)
    newcomers = Newcomers(np.zeros(DIM, np.float32), np.zeros(DIM, np.float32), 1.0, 0.0)
    flat = np.zeros(CLASSES, np.float32)
    learnt = Learnt("adapted", vectors, flat, None, 0.0, newcomers, 1.0, flat, None)
    return learnt, Lesson(material, csr_matrix(words), None), truth


def right(learnt, lesson, truth):
    return float((learnt.scores(lesson, np.arange(len(truth))).argmax(axis=1) == truth).mean())


def test_words_of_a_class_are_found_in_its_items_and_put_others_right():
    learnt, lesson, truth = learnt_and_lesson()
    spoken = wording.worded(lesson, learnt)
    assert 0.6 < right(learnt, lesson, truth) < 0.9
    assert right(spoken, lesson, truth) > right(learnt, lesson, truth) + 0.03
    weights = np.asarray(spoken.lexical.todense())
    assert (weights[:, :CLASSES].argmax(axis=0) == np.arange(CLASSES)).all()


def test_items_without_texts_teach_no_words():
    learnt, lesson, _ = learnt_and_lesson()
    assert wording.worded(replace(lesson, features=None), learnt) is learnt


def test_words_that_one_item_alone_has_teach_nothing():
    learnt, lesson, truth = learnt_and_lesson()
    alone = csr_matrix((np.ones(len(truth)), (np.arange(len(truth)), np.arange(len(truth)))), dtype=np.float32)
    assert wording.worded(replace(lesson, features=alone), learnt) is learnt


def test_items_that_fit_no_class_teach_nothing():
    learnt, lesson, truth = learnt_and_lesson()
    stray = truth == 0
    unfit = replace(lesson, material=replace(lesson.material, fits=(~stray).astype(np.float32)))
    before, after = (np.asarray(wording.worded(one, learnt).lexical.todense()) for one in (lesson, unfit))
    assert after[0, 0] < before[0, 0] / 2


def test_a_newcomer_without_words_stands_where_the_right_class_stands():
    learnt, lesson, truth = learnt_and_lesson(noise=0.2)
    spoken = wording.worded(lesson, learnt)
    rows = np.arange(len(truth))
    gained = (spoken.scores(lesson, rows) - learnt.scores(lesson, rows))[rows, truth]
    assert abs(gained.mean()) < 0.05


def test_of_a_class_the_n_grams_are_kept_that_say_most(monkeypatch):
    learnt, lesson, truth = learnt_and_lesson()
    monkeypatch.setattr(wording, "_KEPT_WEIGHTS", 3)
    spoken = wording.worded(lesson, learnt)
    assert np.diff(spoken.lexical.indptr).max() <= 3
    assert (np.asarray(spoken.lexical.todense())[np.arange(CLASSES), np.arange(CLASSES)] > 0).all()
    assert right(spoken, lesson, truth) > right(learnt, lesson, truth) + 0.03


def test_an_item_with_a_label_teaches_its_words_to_that_class_alone():
    learnt, lesson, truth = learnt_and_lesson(noise=0.2)
    labels = np.where(truth == 0, 1, -1)
    told = replace(lesson, material=replace(lesson.material, labels=labels))
    weights = np.asarray(wording.worded(told, learnt).lexical.todense())
    assert weights[1, 0] > 0
    assert weights[0, 0] <= 0


def test_words_come_to_those_that_labels_gave():
    learnt, lesson, _ = learnt_and_lesson()
    given = csr_matrix(np.full((CLASSES, WORDS), 0.25, np.float32))
    alone, together = (wording.worded(lesson, one).lexical for one in (learnt, replace(learnt, lexical=given)))
    assert abs(together - alone - given).max() < 1e-4
