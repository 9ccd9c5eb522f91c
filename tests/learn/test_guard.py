"""Adaptation without labels is given up where it breaks up what it supposed to be big."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass.learn.adapt import Adaptation, Material
from nearclass.learn.guard import breaks_up, by_texts
from nearclass.learn.lesson import Learnt, Lesson
from nearclass.schemas.learning import LEXICAL_WEIGHT, Newcomers

CLASSES, DIM = 6, 7
EVERY = np.arange(500)


def one_big_class():
    """Nine of ten items are of class 0, half of them with something more: a last dimension, of which no text speaks."""
    rng = np.random.default_rng(0)
    texts = np.eye(CLASSES, DIM, dtype=np.float32)
    truth = np.where(rng.random(len(EVERY)) < 0.9, 0, rng.integers(1, CLASSES, len(EVERY)))
    items = texts[truth]
    items[truth == 0, -1] = np.arange(int((truth == 0).sum())) % 2
    return Material(items, texts, None, np.ones(len(EVERY), np.float32), np.full(len(EVERY), -1, np.int64))


def adapted(material, evenness, *, taken=0.0, bias=0.0):
    """Class 1 takes those of the big class with something more; or the big class is favoured."""
    vectors = material.texts.copy()
    vectors[1, -1] = taken
    flat = np.zeros(CLASSES, np.float32)
    biases = flat.copy()
    biases[0] = bias
    newcomers = Newcomers(np.ones(DIM, np.float32), np.ones(DIM, np.float32), 2.0, 1.0)
    return Adaptation(vectors, biases, newcomers, flat, flat, evenness, 0.0)


@pytest.mark.parametrize(
    ("evenness", "change", "given_up"),
    [(0.6, {"taken": 2.0}, True), (0.6, {"bias": 2.0}, False), (0.6, {}, False), (0.9, {"taken": 2.0}, False)],
    ids=["a big class broken up", "a big class made bigger", "nothing moved", "sizes were supposed to be alike"],
)
def test_adaptation_is_given_up_only_where_it_breaks_up_a_big_class_of_an_uneven_catalogue(evenness, change, given_up):
    material = one_big_class()
    assert breaks_up(material, adapted(material, evenness, **change)) is given_up


def test_items_that_fit_no_class_have_no_say():
    material = one_big_class()
    taken = material.items[:, -1] > 0
    assert not breaks_up(replace(material, fits=(~taken).astype(np.float32)), adapted(material, 0.6, taken=2.0))


def test_what_is_given_up_leaves_class_texts_as_they_are_for_old_classes_and_new():
    material = one_big_class()
    made = adapted(material, 0.6, taken=2.0)
    learnt = Learnt("adapted", made.vectors, made.biases, None, 0.0, made.newcomers, 0.6, made.sizes, None)
    kept = by_texts(material, learnt)
    np.testing.assert_array_equal(kept.scores(Lesson(material), EVERY), material.items @ material.texts.T)
    assert kept.lexical_weight == LEXICAL_WEIGHT
    vectors, biases = kept.newcomers.place(material.texts[:2])
    np.testing.assert_allclose(vectors, material.texts[:2], atol=1e-6)
    np.testing.assert_array_equal(biases, 0)
