"""Learning: what adaptation, student and head make of items and labels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from nearclass.learn import learner
from nearclass.learn.adapt import CENTRING, Material, adapt
from nearclass.learn.combine import Mixture, combined, parts_of
from nearclass.learn.learner import Lesson, chosen, fits, learn
from nearclass.learn.train import head, student

DIM = 24
COLUMNS = 50


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def world(sizes, *, seed=0, offset=0.9, spread=0.2, classes=None):
    """Items around true centres, and class texts that miss the centres by ``offset``.

    Returns the material without labels, and the true class of each item.
    """
    rng = np.random.default_rng(seed)
    count = classes or len(sizes)
    centres = unit(rng.normal(size=(count, DIM)))
    texts = unit(centres + offset * unit(rng.normal(size=(count, DIM))))
    truth = np.repeat(np.arange(len(sizes)), sizes)
    items = unit(centres[truth] + spread * rng.normal(size=(len(truth), DIM)))
    order = rng.permutation(len(truth))
    items, truth = items[order], truth[order]
    nobody = np.full(len(truth), -1, np.int64)
    return Material(items, texts, None, np.ones(len(truth), np.float32), nobody), truth


def features_of(truth, *, seed=0):
    """Lexical features in which each class has a word of its own, among noise."""
    rng = np.random.default_rng(seed)
    rows = rng.random((len(truth), COLUMNS)) * (rng.random((len(truth), COLUMNS)) < 0.1)
    rows[np.arange(len(truth)), truth] += 1
    return csr_matrix(unit(rows + 1e-6))


def accuracy(vectors, biases, material, truth):
    return float(((material.items @ vectors.T + biases).argmax(axis=1) == truth).mean())


def by_texts(material, truth):
    return accuracy(material.texts, 0, material, truth)


def by_adapting(material, truth):
    adapted = adapt(material)
    return accuracy(adapted.vectors, adapted.biases, material, truth)


def test_items_pull_class_vectors_to_where_they_lie():
    material, truth = world([60] * 12)
    assert by_adapting(material, truth) > by_texts(material, truth) + 0.05


@pytest.mark.parametrize("seed", range(4))
def test_a_long_tail_is_not_filled_up_with_the_items_of_big_classes(seed):
    material, truth = world([400, 200, 60, 30, 10, 8, 5, 4, 3, 2, 2, 1], seed=seed, offset=0.9)
    assert by_adapting(material, truth) >= by_texts(material, truth) - 0.005


@pytest.mark.parametrize("seed", range(3))
def test_classes_without_items_stay_near_their_texts(seed):
    material, _ = world([60] * 4, classes=12, seed=seed)
    adapted = adapt(material)
    alike = (unit(adapted.vectors) * unit(material.texts - CENTRING * material.texts.mean(axis=0))).sum(axis=1)
    assert alike[4:].min() > 0.8
    assert alike[4:].mean() > alike[:4].mean()


def test_even_sizes_are_told_from_a_long_tail():
    even = adapt(world([50] * 10)[0]).evenness
    tail = adapt(world([400, 50, 20, 10, 5, 4, 3, 2, 1, 1])[0]).evenness
    assert even > 0.9
    assert tail < 0.8


def test_items_that_fit_no_class_do_not_move_classes():
    material, _ = world([40] * 8)
    rng = np.random.default_rng(1)
    stray = unit(rng.normal(size=(400, DIM)) + 3 * unit(rng.normal(size=DIM)))
    mixed = Material(
        np.concatenate([material.items, stray]),
        material.texts,
        None,
        np.concatenate([material.fits, np.zeros(400, np.float32)]),
        np.full(720, -1, np.int64),
    )
    alone, together = adapt(material), adapt(mixed)
    assert (unit(alone.vectors) * unit(together.vectors)).sum(axis=1).min() > 0.95


def test_how_far_items_fit_rises_with_their_best_cosine():
    texts = np.eye(3, dtype=np.float32)
    items = unit(np.array([[1, 0, 0], [1, 1, 1], [-1, -1, -1]], float))
    found = fits(items, texts, 0.6)
    assert found[0] > 0.99
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.01


def test_labels_say_more_than_votes():
    material, truth = world([60] * 12, offset=2.0)
    labels = material.labels.copy()
    for label in range(12):
        labels[np.flatnonzero(truth == label)[:2]] = label
    told = replace(material, labels=labels)
    assert by_adapting(told, truth) > by_adapting(material, truth)


def test_the_student_gives_every_class_a_vector():
    material, _ = world([40] * 6)
    guesses = np.random.default_rng(0).dirichlet(np.ones(6), len(material.items)).astype(np.float32)
    made = student(material, lambda rows: guesses[rows])
    assert made is not None
    assert made.vectors.shape == (6, DIM)
    assert made.biases.shape == (6,)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_scores_the_labelled_classes_and_uses_their_words(classes):
    material, truth = world([30] * classes, spread=3.0)
    told = replace(material, labels=truth)
    words = features_of(truth)
    made = head(told, words, features_of(np.arange(classes)))
    assert made is not None
    assert made.classes.tolist() == list(range(classes))
    scores = told.items @ made.vectors.T + made.biases + (words @ made.lexical.T).toarray()
    assert (scores.argmax(axis=1) == truth).mean() > 0.95


def one_each(truth):
    """A label for one item of each class."""
    labels = np.full(len(truth), -1, np.int64)
    classes, rows = np.unique(truth, return_index=True)
    labels[rows] = classes
    return labels


@pytest.mark.parametrize("seed", range(4))
def test_one_label_a_class_counts_where_texts_miss_their_classes_and_not_where_they_say_all(seed):
    poor, truth = world([20] * 48, seed=seed, offset=0.9, spread=0.1)
    good, _ = world([20] * 48, seed=seed, offset=0.05, spread=0.25)
    weights = [adapt(replace(one, labels=one_each(truth))).label_weight for one in (poor, good)]
    assert weights[0] > 0.3
    assert weights[1] < 0.1


def test_one_label_a_class_is_left_aside_where_it_counts_nothing():
    material, truth = world([20] * 48, offset=0.05, spread=0.25)
    untold = lesson_of(material, truth, material.labels)
    told = replace(untold, material=replace(material, labels=one_each(truth)))
    assert learn(told).method == "adapted"
    np.testing.assert_array_equal(learn(told).vectors, learn(untold).vectors)


def test_labels_of_one_class_alone_say_nothing_of_how_classes_differ():
    material, truth = world([30] * 4)
    assert adapt(replace(material, labels=np.where(truth == 2, 2, -1))).label_weight == 0


def test_one_labelled_class_is_no_head():
    material, truth = world([30] * 3)
    told = replace(material, labels=np.where(truth == 1, 1, -1))
    assert head(told, features_of(truth), features_of(np.arange(3))) is None


def lesson_of(material, truth, labels):
    texts = features_of(np.arange(material.shape[1]))
    return Lesson(replace(material, labels=labels), features_of(truth), texts)


def test_learning_without_labels_says_so_and_measures_nothing():
    material, truth = world([40] * 6)
    learnt = learn(lesson_of(material, truth, material.labels))
    assert (learnt.method, learnt.gain) == ("adapted", None)


def test_the_gain_is_measured_on_labels_that_learning_did_not_see():
    material, truth = world([60] * 6, offset=2.0)
    labels = np.where(np.arange(len(truth)) % 3 == 0, truth, -1)
    learnt = learn(lesson_of(material, truth, labels))
    assert learnt.method == "trained"
    assert learnt.gain.n >= 20
    assert learnt.gain.after > learnt.gain.before
    assert learnt.gain.low <= learnt.gain.after <= learnt.gain.high


def test_classes_without_labels_stay_competitive_beside_those_with():
    material, truth = world([60] * 12, offset=0.5)
    labels = np.where((truth < 8) & (np.arange(len(truth)) % 4 == 0), truth, -1)
    lesson = lesson_of(material, truth, labels)
    learnt = learn(lesson)
    rows = np.flatnonzero(truth >= 8)
    right = learnt.scores(lesson, rows).argmax(axis=1) == truth[rows]
    plain = (material.items[rows] @ material.texts.T).argmax(axis=1) == truth[rows]
    assert right.mean() > 0.9 * plain.mean()


@pytest.mark.parametrize("labelled", [False, True])
def test_a_class_added_after_learning_competes_on_the_scale_of_the_learnt_ones(labelled):
    material, truth = world([60] * 12, offset=0.5)
    known = truth < 11
    part = Material(material.items[known], material.texts[:11], None, material.fits[known], material.labels[known])
    labels = truth[known] if labelled else part.labels
    learnt = learn(lesson_of(part, truth[known], labels))
    vectors, biases = learnt.newcomers.place(material.texts[11:])
    scores = material.items @ np.concatenate([learnt.vectors, vectors]).T + np.concatenate([learnt.biases, biases])
    taken = scores.argmax(axis=1) == 11
    assert taken[~known].mean() > 0.5
    assert taken[known].mean() < 0.1


def test_one_item_and_one_class_can_be_learnt():
    material = Material(
        unit(np.ones((1, 4))), unit(np.ones((1, 4))), None, np.ones(1, np.float32), np.full(1, -1, np.int64)
    )
    learnt = learn(Lesson(material))
    assert np.isfinite(learnt.vectors).all()
    assert np.isfinite(learnt.biases).all()


def test_learning_twice_from_the_same_gives_the_same():
    material, truth = world([40] * 6, offset=2.0)
    labels = np.where(np.arange(len(truth)) % 3 == 0, truth, -1)
    first, second = (learn(lesson_of(material, truth, labels)) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.lexical.toarray(), second.lexical.toarray())


def test_classes_without_labels_get_the_share_that_single_labels_speak_of():
    material, truth = world([60] * 12, offset=1.2)
    rng = np.random.default_rng(3)
    labels = np.full(len(truth), -1, np.int64)
    for label in range(10):
        labels[rng.choice(np.flatnonzero(truth == label), 1 if label < 3 else 10, replace=False)] = label
    lesson = lesson_of(material, truth, labels)
    best = learn(lesson).scores(lesson, np.flatnonzero(labels < 0)).argmax(axis=1)
    assert (best >= 10).mean() >= 3 / 73 - 0.01


def test_one_label_for_some_of_the_classes_does_not_give_the_items_to_the_others():
    material, truth = world([60] * 12, offset=1.2)
    labels = np.full(len(truth), -1, np.int64)
    for label in range(10):
        labels[np.flatnonzero(truth == label)[0]] = label
    lesson = lesson_of(material, truth, labels)
    rows = np.flatnonzero(labels < 0)
    right = learn(lesson).scores(lesson, rows).argmax(axis=1) == truth[rows]
    plain = (material.items[rows] @ material.texts.T).argmax(axis=1) == truth[rows]
    assert right.mean() > 0.9 * plain.mean()


def few_told(seed):
    """A lesson in which every fifteenth item has a label, and the true class of each item."""
    material, truth = world([60] * 12, seed=seed, offset=1.5, spread=0.6)
    labels = np.where(np.arange(len(truth)) % 15 == 0, truth, -1)
    return lesson_of(material, truth, labels), truth


@pytest.mark.parametrize("seed", range(3))
def test_a_second_student_learns_more_from_a_few_labels_than_the_first(seed):
    lesson, truth = few_told(seed)
    (parts,) = parts_of(lesson)
    rows = np.flatnonzero(lesson.material.labels < 0)
    first, second = (combined(lesson, parts, Mixture(second=two, share=8.0)) for two in (False, True))
    right = [(one.scores(lesson, rows).argmax(axis=1) == truth[rows]).mean() for one in (first, second)]
    assert right[1] > right[0]


def test_without_labels_there_is_no_second_student():
    material, truth = world([40] * 6)
    (parts,) = parts_of(lesson_of(material, truth, material.labels))
    assert parts.second is None


def test_the_likelier_mixture_is_taken_unless_another_is_better_by_more_than_chance():
    likely = np.arange(100) < 80
    luckier = likely.copy()
    luckier[80:83] = True
    luckier[:2] = False
    better = np.arange(100) < 90
    assert chosen([likely, luckier]) == 0
    assert chosen([likely, better]) == 1
    assert chosen([likely, luckier, better]) == 2


@pytest.mark.parametrize(("told", "second"), [(24, True), (20, False)])
def test_the_second_student_stands_alone_only_where_most_classes_have_labels(told, second):
    material, truth = world([30] * 24, offset=1.2)
    labels = np.full(len(truth), -1, np.int64)
    for label in range(told):
        labels[np.flatnonzero(truth == label)[0]] = label
    lesson = lesson_of(material, truth, labels)
    expected = combined(lesson, *parts_of(lesson), Mixture(second, 16.0))
    np.testing.assert_array_equal(learn(lesson).vectors, expected.vectors)


def test_a_handful_of_labels_is_left_aside_as_nothing_shows_what_one_counts():
    material, truth = world([30] * 24, offset=1.2)
    labels = np.full(len(truth), -1, np.int64)
    for label in range(19):
        labels[np.flatnonzero(truth == label)[0]] = label
    without = learn(lesson_of(material, truth, np.full(len(truth), -1, np.int64)))
    np.testing.assert_array_equal(learn(lesson_of(material, truth, labels)).vectors, without.vectors)


def test_of_very_many_items_a_sample_says_what_to_choose_and_all_are_learnt_from(monkeypatch):
    material, truth = world([60] * 12, offset=2.0)
    labels = np.where(np.arange(len(truth)) % 6 == 0, truth, -1)
    seen = []

    def noted(*lessons, **start):
        seen.extend((len(one.material.items), int((one.material.labels >= 0).sum())) for one in lessons)
        return parts_of(*lessons, **start)

    monkeypatch.setattr(learner, "parts_of", noted)
    monkeypatch.setattr(learner, "_TRIED_ITEMS", 100)
    lesson = lesson_of(material, truth, labels)
    learnt = learn(lesson)
    (without, none), (tried, some), (whole, every) = seen
    assert (none, whole, every) == (0, 720, 120)
    assert 120 <= without == tried < 220
    assert 0 < some == 120 - learnt.gain.n
    rows = np.flatnonzero(labels < 0)
    assert (learnt.scores(lesson, rows).argmax(axis=1) == truth[rows]).mean() > learnt.gain.before


def test_labels_that_say_nothing_are_left_aside():
    material, truth = world([60] * 12, offset=0.5)
    labels = np.where(np.arange(len(truth)) % 3 == 0, np.random.default_rng(0).integers(0, 12, len(truth)), -1)
    lesson = lesson_of(material, truth, labels)
    learnt, without = learn(lesson), learn(lesson_of(material, truth, material.labels))
    assert learnt.gain.n >= 20
    np.testing.assert_array_equal(learnt.vectors, without.vectors)
