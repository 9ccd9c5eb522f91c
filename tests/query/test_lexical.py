"""The lexical part of the score follows the taxonomy and the active learner."""

import numpy as np
import pytest

from nearclass import ClassSpec, Item
from nearclass.encoders.background import BACKGROUND
from nearclass.learn.lexical import features, profiles
from nearclass.learn.resolve import digest, evidence_texts
from nearclass.query import lexical
from nearclass.query.lexical import LexicalReader
from nearclass.schemas.learning import LEXICAL_WEIGHT, LearnedClass, Learner, Newcomers
from nearclass.schemas.taxonomy import Taxonomy

DIM = 4


class Versions:
    """Learnt versions in memory, of which one may be active."""

    def __init__(self):
        self.learner, self.rows = None, []

    def active(self):
        return self.learner

    def classes(self, version):
        return iter(self.rows if version == self.learner.version else ())


def learner(weight):
    zeros = np.zeros(DIM, np.float32)
    return Learner(3, "trained", weight, Newcomers(zeros, zeros, 1.0, 0.0))


def learnt(taxonomy, class_id, text, weight, mark=None):
    columns = np.sort(features([text]).indices).astype(np.int64)
    mark = mark or digest(evidence_texts(taxonomy, class_id))
    return LearnedClass(
        class_id, mark, np.zeros(DIM, np.float32), 0.0, columns, np.full(len(columns), weight, np.float32)
    )


@pytest.fixture
def versions():
    return Versions()


@pytest.fixture
def reader(versions):
    return LexicalReader(versions)


@pytest.fixture
def taxonomy(shop):
    return Taxonomy(shop)


def scores(index, text):
    return dict(zip(index.class_ids, np.asarray(index.scores(features([text])).todense())[0].tolist(), strict=True))


def test_every_class_that_can_be_answered_has_its_profile_with_the_default_weight(reader, taxonomy):
    index = reader.read(taxonomy)
    assert index.class_ids == sorted(taxonomy.assignable())
    wanted = profiles([evidence_texts(taxonomy, one) for one in index.class_ids], BACKGROUND)
    text = "water boiler for tea"
    expected = LEXICAL_WEIGHT * np.asarray((features([text]) @ wanted.T).todense())[0]
    np.testing.assert_allclose(list(scores(index, text).values()), expected, rtol=1e-5)
    assert max(scores(index, text), key=scores(index, text).get) == "kettles"


def test_the_active_learner_says_what_words_weigh(reader, versions, taxonomy):
    before = scores(reader.read(taxonomy), "kettle")["kettles"]
    versions.learner = learner(2 * LEXICAL_WEIGHT)
    assert scores(reader.read(taxonomy), "kettle")["kettles"] == pytest.approx(2 * before, rel=1e-5)
    versions.learner = learner(0.0)
    assert scores(reader.read(taxonomy), "kettle")["kettles"] == 0


def test_learnt_weights_are_added_to_the_profile(reader, versions, taxonomy):
    before = scores(reader.read(taxonomy), "gooseneck")
    versions.learner = learner(LEXICAL_WEIGHT)
    versions.rows = [learnt(taxonomy, "kettles", "gooseneck", 0.5), learnt(taxonomy, "boots", "chelsea", 0.5)]
    after = scores(reader.read(taxonomy), "gooseneck")
    grams = features(["gooseneck"])
    assert after["kettles"] - before["kettles"] == pytest.approx(0.5 * grams.sum(), rel=1e-4)
    assert {one for one in after if after[one] != pytest.approx(before[one])} == {"kettles"}


def test_what_was_learnt_with_other_texts_does_not_count(reader, versions, taxonomy):
    versions.learner = learner(LEXICAL_WEIGHT)
    without = scores(reader.read(taxonomy), "gooseneck")
    versions.rows = [learnt(taxonomy, "kettles", "gooseneck", 0.5, mark="0" * 64)]
    assert scores(reader.read(taxonomy), "gooseneck") == pytest.approx(without)
    versions.rows = [learnt(taxonomy, "kettles", "gooseneck", 0.5)]
    assert scores(reader.read(taxonomy), "gooseneck")["kettles"] > without["kettles"] + 0.5


def test_a_change_of_one_class_reads_the_texts_of_one_class(reader, shop, monkeypatch):
    reader.read(Taxonomy(shop))
    read = []

    def counted(texts):
        read.extend(texts)
        return class_terms(texts)

    class_terms = lexical.class_terms
    monkeypatch.setattr(lexical, "class_terms", counted)
    changed = Taxonomy([one for one in shop if one.id != "hoses"] + [ClassSpec("rakes", "Rakes", "garden")])
    index = reader.read(changed)
    assert [[one.text for one in texts] for texts in read] == [["Rakes", "Garden"]]
    anew = LexicalReader(Versions()).read(changed)
    assert scores(index, "rake for the garden") == pytest.approx(scores(anew, "rake for the garden"))
    assert reader.read(Taxonomy(shop)).class_ids == sorted(Taxonomy(shop).assignable())


def test_two_classes_with_the_same_texts_score_alike(reader):
    index = reader.read(Taxonomy([ClassSpec("a", "Kettles"), ClassSpec("b", "Kettles"), ClassSpec("c", "Boots")]))
    of = scores(index, "kettle")
    assert of["a"] == of["b"] > of["c"]


def test_no_class_to_answer_gives_no_index(reader):
    assert reader.read(Taxonomy([])) is None


def test_only_keeps_the_classes_asked_for_and_gives_others_nothing(reader, taxonomy):
    index = reader.read(taxonomy)
    some = index.only(["unknown", "kettles"])
    assert some.class_ids == ["kettles", "unknown"]
    assert scores(some, "kettle") == pytest.approx({"kettles": scores(index, "kettle")["kettles"], "unknown": 0})
    assert index.only(index.class_ids) is index


@pytest.mark.parametrize("search", ["mirror", "milvus"])
def test_a_made_up_word_finds_the_class_that_has_it(open_catalog, search):
    catalog = open_catalog(class_search=search)
    catalog.classes.put([ClassSpec("a", "Things one", None, (), ("zorblatt qx",))])
    catalog.classes.put([ClassSpec("b", "Things two", None, (), ("vrimpek hy",))])
    catalog.classes.put([ClassSpec("c", "Things three")])
    assert [one.candidates[0].class_id for one in catalog.assign(["new zorblatt", "new vrimpek"])] == ["a", "b"]


def test_stored_items_and_questions_get_the_same_scores_whichever_way_they_come(catalog):
    items = [
        Item("1", title="Steel kettle", description="Boils water for tea."),
        Item("2", title="Trail shoes", text="Trail shoes (Brand)"),
        Item("3", text="laptop"),
    ]
    asked = [one.score for one in catalog.assign(items)]

    def stored():
        return [one.score for one in catalog.items().list()]

    catalog.ingest(items)
    assert stored() == pytest.approx(asked, abs=1e-5)
    catalog.classes.put([ClassSpec("rakes", "Rakes", "garden")])
    asked = [one.score for one in catalog.assign(items)]
    catalog.items().reassign()
    assert stored() == pytest.approx(asked, abs=0.005)  # scores that move by less are not written again
    catalog.classes.put([ClassSpec("saws", "Saws", "garden")])
    catalog.ingest(items)
    asked = [one.score for one in catalog.assign(items)]
    assert stored() == pytest.approx(asked, abs=1e-5)
