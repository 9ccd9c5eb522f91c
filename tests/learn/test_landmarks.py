"""Strangers among the items are noticed, and items that nothing fits are told from others whoever was learnt from."""

import numpy as np
import pytest

from nearclass.learn.adapt import Material
from nearclass.learn.landmarks import landmarks
from nearclass.learn.metrics import auroc

DIM, CLASSES = 48, 12
RNG = np.random.default_rng(3)
CENTRES = np.linalg.qr(RNG.normal(size=(DIM, DIM)))[0].astype(np.float32)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


TEXTS = unit(CENTRES[:CLASSES] + RNG.normal(0, 0.12, (CLASSES, DIM)))


def items_of(centres, n, seed):
    rng = np.random.default_rng(seed)
    return unit(centres[rng.integers(len(centres), size=n)] + rng.normal(0, 0.12, (n, DIM)))


def belonging(n, seed):
    return items_of(CENTRES[:CLASSES], n, seed)


def strangers(n, seed):
    """Items of kinds that no class text speaks of, nearer to one another than to any class."""
    return items_of(unit(CENTRES[CLASSES : CLASSES + 6] + 0.35 * CENTRES[:6]), n, seed)


def material(items):
    best = (items @ TEXTS.T).max(axis=1)
    fits = (1 / (1 + np.exp(-(best - 0.5) / 0.05))).astype(np.float32)
    return Material(items, TEXTS, None, fits, np.full(len(items), -1))


LEAST = 0.5


def found(items):
    return landmarks(material(items), LEAST)


def mixed(n, share, seed):
    return np.concatenate([belonging(int(n * (1 - share)), seed), strangers(int(n * share), seed + 1)])


def told_apart(marks):
    """How well the fit tells items that belong from strangers, with best scores that say nothing."""
    inside, outside = belonging(400, 91), strangers(400, 92)
    nothing = np.zeros(400, np.float32)
    return auroc(marks.fit(inside, nothing), marks.fit(outside, nothing))


def test_where_all_items_belong_there_is_no_strangeness():
    assert found(belonging(3000, 1)).strangeness == 0


def test_strangers_in_bulk_are_noticed():
    assert found(mixed(3000, 0.5, 1)).strangeness == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_items_that_nothing_fits_are_told_apart_whether_or_not_such_were_learnt_from(share):
    assert told_apart(found(mixed(3000, share, 1))) > 0.95


def test_the_threshold_parts_items_that_belong_from_strangers_that_were_learnt_from():
    marks = found(mixed(3000, 0.5, 1))
    unrelated = unit(np.random.default_rng(5).normal(size=(60, DIM)))
    least = marks.threshold(unrelated, (unrelated @ TEXTS.T).max(axis=1), 0.9)
    nothing = np.zeros(400, np.float32)
    assert (marks.fit(belonging(400, 7), nothing) >= least).mean() > 0.9
    assert (marks.fit(strangers(400, 8), nothing) < least).mean() > 0.9


def test_a_class_that_is_added_for_strangers_makes_them_fit():
    marks = found(mixed(3000, 0.5, 1))
    outside, nothing = strangers(400, 8), np.zeros(400, np.float32)
    joined = marks.joined_by(unit(CENTRES[CLASSES : CLASSES + 6]))
    assert (joined.fit(outside, nothing) > marks.fit(outside, nothing)).mean() > 0.9
    assert (joined.fits >= marks.fits).all()


def test_of_a_few_items_nothing_is_said():
    assert found(belonging(50, 1)) is None


def test_items_that_are_all_alike_can_be_surveyed():
    assert np.isfinite(found(np.repeat(belonging(1, 1), 500, axis=0)).fits).all()


def test_the_same_items_give_the_same_landmarks():
    one, two = (found(mixed(2000, 0.3, 1)) for _ in range(2))
    assert np.array_equal(one.vectors, two.vectors)
    assert (one.strangeness, one.least) == (two.strangeness, LEAST)
