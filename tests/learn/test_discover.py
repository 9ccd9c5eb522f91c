"""Groups of items that no class fits: found, named, and the same ones every time."""

import numpy as np
import pytest

from nearclass.learn.discover import discover
from nearclass.learn.naming import names


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def made():
    """Three groups of 30, 20 and 10 items among 40 loners, and 400 items of ten classes besides."""
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(13, 48)))

    def around(which, n):
        return unit(centres[which] + 0.08 * rng.normal(size=(n, 48)))

    items = np.concatenate([around(0, 30), around(1, 20), around(2, 10), unit(rng.normal(size=(40, 48)))])
    words = ["kayak paddle"] * 30 + ["wool blanket"] * 20 + ["bread knife"] * 10
    texts = [f"{word} {number}" for number, word in enumerate(words)] + [f"odd{number}" for number in range(40)]
    others = np.concatenate([around(which, 40) for which in range(3, 13)])
    return unit(items), texts, others, [f"thing {number}" for number in range(400)]


def test_groups_are_found_without_saying_how_many_and_loners_are_left_out(made):
    groups = discover(*made)
    assert [sorted(group.rows.tolist()) for group in groups] == [
        list(range(30)),
        list(range(30, 50)),
        list(range(50, 60)),
    ]
    assert [group.name for group in groups] == ["Kayak paddle", "Wool blanket", "Bread knife"]


def test_the_same_items_give_the_same_groups(made):
    first, second = discover(*made), discover(*made)
    assert [(one.rows.tolist(), one.name, one.terms) for one in first] == [
        (one.rows.tolist(), one.name, one.terms) for one in second
    ]


def test_a_group_smaller_than_asked_for_is_none(made):
    assert [len(group.rows) for group in discover(*made, min_size=15)] == [30, 20]


def test_items_stand_in_the_order_of_how_central_they_are(made):
    vectors = made[0]
    for group in discover(*made):
        near = vectors[group.rows] @ group.centre
        assert (np.diff(near) <= 1e-6).all()
        assert group.cohesion == pytest.approx(float(near.mean()))


def test_examples_are_central_and_no_duplicates(made):
    vectors, texts, others, other_texts = made
    vectors = vectors.copy()
    texts = ["kayak paddle"] * 15 + texts[15:]
    vectors[16:20] = vectors[15]
    first = discover(vectors, texts, others, other_texts)[0]
    shown = [texts[row] for row in first.examples.tolist()]
    assert len(shown) == len(set(shown))
    assert sum(15 <= row < 20 for row in first.examples.tolist()) <= 1


def test_items_beyond_those_that_are_linked_join_the_groups_they_are_near(made, monkeypatch):
    monkeypatch.setattr("nearclass.learn.discover._LINKED", 60)
    sizes = [len(group.rows) for group in discover(*made)]
    assert sizes == [30, 20, 10]


def test_without_other_items_the_novel_ones_say_themselves_what_is_usual(made):
    vectors, texts, *_ = made
    groups = discover(vectors, texts, np.empty((0, 48), np.float32), [])
    assert [len(group.rows) for group in groups] == [30, 20, 10]


def test_too_few_items_make_no_group():
    assert discover(np.eye(3, dtype=np.float32), ["a", "b", "c"], np.empty((0, 3), np.float32), []) == []


def test_a_name_is_the_longest_phrase_that_most_items_share():
    groups = [["E-book reader 6 inch", "E-book reader, light", "e-book reader case"]]
    assert names(groups, ["laptop 14 inch", "phone case"])[0][0] == "E-book reader"


def test_words_that_everything_has_name_nothing():
    groups = [["organic honey", "organic jar of honey", "honey, organic"]]
    others = [f"organic thing{number}" for number in range(50)]
    assert names(groups, others)[0][0] == "Honey"


def test_two_groups_do_not_get_one_name():
    found = names([["red kettle", "red kettle big"], ["red kettle steel", "red kettle steel"]], [])
    assert found[0][0] != found[1][0]


def test_items_without_words_in_common_have_no_name():
    assert names([["", ""], ["one of a kind", "something else"]], []) == [(), ()]
