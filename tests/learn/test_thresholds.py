"""Label-free thresholds."""

import numpy as np
import pytest

from nearclass.encoders.background import BACKGROUND
from nearclass.learn.thresholds import label_free_rules, rules_between_classes
from nearclass.schemas.records import Role


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_nine_in_ten_unrelated_texts_score_below_the_threshold():
    rng = np.random.default_rng(0)
    classes, background = unit(rng.normal(size=(50, 32))), unit(rng.normal(size=(60, 32)))
    rules = label_free_rules(background @ classes.T)
    below = ((background @ classes.T).max(axis=1) < rules.novel_below).mean()
    assert below == pytest.approx(0.9, abs=0.02)


def test_the_thresholds_move_with_the_space():
    rng = np.random.default_rng(0)
    classes, background = unit(rng.normal(size=(50, 32))), unit(rng.normal(size=(60, 32)))
    near = unit(np.hstack([background, np.full((60, 1), 1.5)])) @ unit(np.hstack([classes, np.full((50, 1), 1.5)])).T
    assert label_free_rules(near).novel_below > label_free_rules(background @ classes.T).novel_below + 0.3


def test_rules_say_that_they_are_uncalibrated():
    vectors = unit(np.random.default_rng(0).normal(size=(9, 8)))
    assert "uncalibrated" in label_free_rules(vectors @ vectors.T).basis
    assert "uncalibrated" in rules_between_classes(vectors).basis
    assert "too few" in rules_between_classes(vectors[:3]).basis


def test_items_of_the_shop_are_not_novel_and_chatter_is(catalog):
    asked = ["stainless steel kettle 1.7 l", "trail running shoes", "gaming laptop 16 inch"]
    assert all(answer.decision != "novel" for answer in catalog.assign(asked))
    assert sum(answer.decision == "novel" for answer in catalog.assign(BACKGROUND)) >= 0.85 * len(BACKGROUND)


def test_background_texts_are_distinct(encoder):
    vectors = encoder.encode(BACKGROUND, Role.ITEM).vectors
    similar = vectors @ vectors.T - np.eye(len(BACKGROUND))
    assert similar.max() < 0.6
