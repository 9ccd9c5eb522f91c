"""What items and classes share in letters."""

import subprocess
import sys

import numpy as np
import pytest

from nearclass.learn.lexical import COLUMNS, ITEM_CHARS, class_terms, features, profiles
from nearclass.learn.resolve import EvidenceText
from nearclass.schemas.records import EvidenceKind as Kind

CHATTER = ("The river froze over in the first week of January.", "Bees tell each other the way by dancing.")


def texts(name, *others):
    pieces = [EvidenceText(kind, place, text) for place, (kind, text) in enumerate(others)]
    return [EvidenceText(Kind.NAME, 0, name), *pieces]


def dense(rows):
    return np.asarray(rows.todense())


def test_an_item_has_features_of_length_one():
    found = features(["steel kettle 1.7 l", "kettle kettle kettle"])
    assert found.shape == (2, COLUMNS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(dense(found), axis=1), 1, rtol=1e-5)


def test_an_item_that_is_half_speech_counts_half():
    found = dense(features(["please descale my kettle"]))
    np.testing.assert_allclose(np.linalg.norm(found), 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "text", ["¿Cómo puedo devolver?", "Wie kann ich bestellen", "je voudrais payer", "hoe kunnen wij betalen"]
)
def test_speech_is_known_in_other_languages(text):
    assert np.linalg.norm(dense(features([text]))) < 0.7


def test_a_typographic_apostrophe_is_one():
    first, second = (dense(features([text])) for text in ("i don't pay", "i don\u2019t pay"))
    np.testing.assert_allclose(np.linalg.norm(first), np.linalg.norm(second), rtol=1e-5)


@pytest.mark.parametrize("text", ["", " "])
def test_a_text_without_letters_has_no_features(text):
    assert features([text]).nnz == 0


def test_no_text_gives_no_rows():
    assert features([]).shape == (0, COLUMNS)
    assert class_terms([]).shape == (0, COLUMNS)


def test_the_features_of_an_item_do_not_depend_on_other_items_or_on_case():
    alone, among = features(["Steel Kettle"]), features(["laptop", "steel kettle"])
    np.testing.assert_array_equal(dense(alone)[0], dense(among)[1])


def test_features_are_the_same_in_every_process():
    code = "from nearclass.learn.lexical import features; print(features(['steel kettle']).indices.tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str(features(["steel kettle"]).indices.tolist())


def test_only_the_beginning_of_a_long_text_is_read():
    text = "kettle " * ITEM_CHARS
    assert (features([text]) != features([text[:ITEM_CHARS]])).nnz == 0


def test_an_item_is_like_the_class_it_shares_rare_words_with():
    of = profiles([texts("Steel kettles"), texts("Steel toasters"), texts("Steel laptops")], CHATTER)
    similar = dense(features(["steel kettle", "steel toaster", "violin"]) @ of.T)
    assert similar.argmax(axis=1)[:2].tolist() == [0, 1]
    assert similar[0, 0] > 2 * similar[0, 1]
    assert similar[2].max() < 0.1


def test_profiles_are_what_the_formula_says():
    classes = [texts("tea"), texts("tea", (Kind.DESCRIPTION, "tea tea urn"))]
    of = dense(profiles(classes, ["tea"]))
    urn = np.flatnonzero(dense(features(["urn"]))[0])
    tea = np.flatnonzero(dense(features(["tea"]))[0])
    idf = {"tea": np.log((1 + 3) / (1 + 3)) + 1, "urn": np.log((1 + 3) / (1 + 1)) + 1}
    term = {"tea": 1 + (1 + np.log(2)), "urn": 1}
    length = np.sqrt(sum(len(at) * (idf[word] * term[word]) ** 2 for word, at in (("tea", tea), ("urn", urn))))
    np.testing.assert_allclose(of[1, tea], idf["tea"] ** 2 * term["tea"] / np.sqrt(length) / 12.7, rtol=1e-5)
    np.testing.assert_allclose(of[1, urn], idf["urn"] ** 2 * term["urn"] / np.sqrt(length) / 12.7, rtol=1e-5)


def test_a_class_keeps_its_terms_whatever_stands_beside_it():
    one, two = texts("Kettles", (Kind.SYNONYM, "boiler"), (Kind.SYNONYM, "urn")), texts("Laptops")
    assert (class_terms([one]) != class_terms([two, one])[1]).nnz == 0
    assert class_terms([two, []])[1].nnz == 0
