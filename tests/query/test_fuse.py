"""Texts and pictures answered together: each space by itself, and both where an item has both."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass import ClassSpec, Decision
from nearclass.errors import EmptyTaxonomyError, UsageError
from nearclass.learn.fusion import FEWEST_LABELS, fit_text_weight
from nearclass.query.assign import Assigner
from nearclass.query.fuse import FusedAssigner, Half
from nearclass.query.search import MilvusSearch, MirrorSearch
from nearclass.schemas.collections import classes_spec, key_of
from nearclass.schemas.fusion import Fusion
from nearclass.schemas.rules import Rules
from nearclass.schemas.taxonomy import Taxonomy
from nearclass.store import Store

CLASSES = 30
IDS = [f"c{number:02}" for number in range(CLASSES)]
ITEMS = 40


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(str(tmp_path_factory.mktemp("fuse") / "s.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def taxonomy():
    return Taxonomy([ClassSpec(one, one) for one in IDS])


@pytest.fixture(params=["mirror", "milvus"])
def build(request, store, taxonomy):
    """Makes an assigner of a space, with the class search under test."""

    def make(name, vectors, ids=IDS, **values):
        biases = np.zeros(len(ids), np.float32)
        if request.param == "mirror":
            search = MirrorSearch(ids, vectors, biases)
        else:
            collection = f"c_{name}_{key_of(request.node.name)}"
            spec = classes_spec(vectors.shape[1])
            store.create(collection, spec)
            given = zip(ids, vectors, strict=True)
            rows = [
                {"key": key_of(one), "vector": v, "class_id": one, "bias": 0.0, "digest": "", "revision": 1}
                for one, v in given
            ]
            store.upsert(collection, spec, rows)
            store.flush(collection)
            search = MilvusSearch(store, collection, ids, biases)
        rules = Rules(0.2, 0.01, f"for {name}")
        return Assigner(name, taxonomy, frozenset(IDS), search, rules, None, **values)

    return make


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def spaces(build, random):
    """Assigners of a text space with 16 and an image space with 12 dimensions, and their class vectors."""
    texts, pictures = unit(random.normal(size=(CLASSES, 16))), unit(random.normal(size=(CLASSES, 12)))
    return build("text", texts), build("image", pictures, temperature=0.02), texts, pictures


def noisy(vectors, places, random, noise):
    return unit(vectors[places] + noise * random.normal(size=(len(places), vectors.shape[1])))


def half(rows, vectors, texts=None):
    return Half(np.asarray(rows, np.int64), vectors, [False] * len(rows), texts)


NAMES = [f"i{number}" for number in range(ITEMS)]


def test_an_item_of_one_space_has_exactly_that_spaces_answer(spaces, random):
    text, image, texts, pictures = spaces
    fused = FusedAssigner(text, image)
    said, shown = noisy(texts, range(20), random, 0.3), noisy(pictures, range(20), random, 0.3)
    found = fused.assign(NAMES, half(range(0, 40, 2), said), half(range(1, 40, 2), shown), k=3)
    assert found[0::2] == text.assign(NAMES[0::2], said, [False] * 20, k=3, explain=False)
    assert found[1::2] == image.assign(NAMES[1::2], shown, [False] * 20, k=3, explain=False)


def test_answers_stand_in_the_order_of_the_ids_whatever_the_items_have(spaces, random):
    text, image, texts, pictures = spaces
    said, shown = noisy(texts, range(25), random, 0.2), noisy(pictures, range(15, 30), random, 0.2)
    found = FusedAssigner(text, image).assign(NAMES, half(range(25), said), half(range(25, 40), shown))
    assert [one.id for one in found] == NAMES
    both = FusedAssigner(text, image).assign(NAMES[:25], half(range(25), said), half(range(10, 25), shown))
    assert [one.space for one in both] == ["text"] * 10 + ["text+image"] * 15


def test_the_score_of_both_is_the_mean_weighted_by_their_temperatures(spaces, random):
    text, image, texts, pictures = spaces
    said, shown = noisy(texts, range(20), random, 0.5), noisy(pictures, range(20), random, 0.5)
    found = FusedAssigner(text, image).assign(NAMES[:20], half(range(20), said), half(range(20), shown), k=CLASSES)
    weight = (1 / 0.05) / (1 / 0.05 + 1 / 0.02)
    wanted = weight * said @ texts.T + (1 - weight) * shown @ pictures.T
    for row, one in enumerate(found):
        order = np.argsort(-wanted[row], kind="stable")
        assert [candidate.class_id for candidate in one.candidates] == [IDS[at] for at in order]
        assert [candidate.score for candidate in one.candidates] == pytest.approx(wanted[row][order], abs=1e-5)
        assert one.margin == pytest.approx(wanted[row][order[0]] - wanted[row][order[1]], abs=1e-5)
        assert one.fit == pytest.approx(one.score, abs=1e-5)


def test_two_weak_signals_together_are_right_more_often_than_either(spaces, random):
    text, image, texts, pictures = spaces
    places = np.arange(CLASSES).repeat(20)
    said, shown = noisy(texts, places, random, 0.5), noisy(pictures, places, random, 0.6)
    text, image = replace(text, temperature=0.1), replace(image, temperature=0.1)
    names = [str(row) for row in range(len(places))]

    def right(*halves):
        answers = FusedAssigner(text, image).assign(names, *halves, k=1)
        return np.mean([one.candidates[0].class_id == IDS[at] for one, at in zip(answers, places, strict=True)])

    rows = range(len(places))
    alone = right(half(rows, said), None), right(None, half(rows, shown))
    assert right(half(rows, said), half(rows, shown)) > max(alone) + 0.02


def test_a_class_that_one_space_lacks_stands_as_it_does_in_the_other(build, random):
    texts, pictures = unit(random.normal(size=(CLASSES, 16))), unit(random.normal(size=(CLASSES, 12)))
    fused = FusedAssigner(build("text", texts), build("image", pictures[1:], ids=IDS[1:], temperature=0.02))
    found = fused.assign(["a"], half([0], texts[:1]), half([0], noisy(pictures, [5], random, 1.0)), k=CLASSES)
    assert found[0].candidates[0].class_id == IDS[0]
    assert np.isfinite([candidate.score for candidate in found[0].candidates]).all()


def test_an_item_that_fits_nowhere_is_novel_and_the_rule_names_both_spaces(spaces):
    text, image, texts, pictures = spaces
    strict = [replace(one, rules=Rules(0.99, 0.01, f"for {one.space}")) for one in (text, image)]
    at_odds = half([0], texts[:1]), half([0], pictures[1:2])
    answer = FusedAssigner(*strict).assign(["a"], *at_odds)[0]
    assert answer.decision is Decision.NOVEL
    assert all(word in answer.rule for word in ("for text", "for image", "weighted by their temperatures"))
    agreed = FusedAssigner(*strict).assign(["a"], half([0], texts[:1]), half([0], pictures[:1]))[0]
    assert (agreed.decision, agreed.class_id) == (Decision.ASSIGNED, IDS[0])


def test_a_fitted_weight_takes_the_place_of_the_temperatures(spaces, random):
    text, image, texts, pictures = spaces
    said, shown = noisy(texts, range(20), random, 0.4), noisy(pictures, range(20), random, 0.4)
    fusion = Fusion(1.0, (0, 0), "weighted by 100 labels")
    found = FusedAssigner(text, image, fusion).assign(NAMES[:20], half(range(20), said), half(range(20), shown))
    alone = text.assign(NAMES[:20], said, [False] * 20, explain=False)
    assert [[c.class_id for c in one.candidates] for one in found] == [
        [c.class_id for c in one.candidates] for one in alone
    ]
    assert "weighted by 100 labels" in found[0].rule
    assert Fusion.from_dict(fusion.to_dict()) == fusion


def test_more_candidates_than_either_search_names_first_are_found_by_both(spaces, random):
    text, image, texts, pictures = spaces
    said, shown = noisy(texts, range(10), random, 2.0), noisy(pictures, range(10), random, 2.0)
    scores = FusedAssigner(text, image).scores(NAMES[:10], half(range(10), said), half(range(10), shown), 4)
    for row, class_ids in enumerate(scores.class_ids):
        columns = [IDS.index(one) for one in class_ids]
        assert scores.text[row] == pytest.approx((said @ texts.T)[row][columns], abs=1e-5)
        assert scores.image[row] == pytest.approx((shown @ pictures.T)[row][columns], abs=1e-5)
        assert set(np.argsort(-(said @ texts.T)[row])[:4]) | set(np.argsort(-(shown @ pictures.T)[row])[:4]) == set(
            columns
        )


def test_an_item_for_which_there_is_no_space_is_refused(spaces, random):
    text, _, _, pictures = spaces
    with pytest.raises(UsageError, match="no image space"):
        FusedAssigner(text, None).assign(["a"], None, half([0], pictures[:1]))


def test_classes_that_nothing_can_be_assigned_to_are_no_answer(spaces, taxonomy):
    text, image, texts, pictures = spaces
    empty = [replace(one, answerable=frozenset()) for one in (text, image)]
    with pytest.raises(EmptyTaxonomyError):
        FusedAssigner(*empty).assign(["a"], half([0], texts[:1]), half([0], pictures[:1]))


@pytest.mark.parametrize(("noise", "low", "high"), [((0.2, 3.0), 0.6, 1.0), ((3.0, 0.2), 0.0, 0.4)])
def test_labels_give_the_weight_to_the_space_that_knows_more(random, noise, low, high):
    texts, pictures = unit(random.normal(size=(CLASSES, 16))), unit(random.normal(size=(CLASSES, 16)))
    places = np.arange(CLASSES).repeat(5)
    said = noisy(texts, places, random, noise[0]) @ texts.T
    shown = noisy(pictures, places, random, noise[1]) @ pictures.T
    weight = fit_text_weight(said, shown, np.arange(CLASSES) == places[:, None], 0.5)
    assert low <= weight <= high


def test_few_labels_leave_the_weight_as_it_is(random):
    said = random.normal(size=(FEWEST_LABELS - 1, 5)).astype(np.float32)
    assert fit_text_weight(said, said, np.arange(5) == np.zeros((len(said), 1)), 0.37) == 0.37
