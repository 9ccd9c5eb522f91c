"""Evidence and the class vector made of it."""

import numpy as np
import pytest

from nearclass import ClassSpec
from nearclass.learn.resolve import KIND_WEIGHTS, class_vector, digest, evidence_texts, evidence_vectors
from nearclass.schemas.records import EvidenceKind as Kind
from nearclass.schemas.taxonomy import Taxonomy


def texts_of(*specs, class_id):
    return [(one.kind, one.text) for one in evidence_texts(Taxonomy(specs), class_id)]


def test_every_text_of_a_class_speaks_for_it():
    spec = ClassSpec("k", "Kettles", "h", ("Boils water.",), ("boiler",), ("steel kettle 1.7 l",))
    assert texts_of(ClassSpec("h", "Home"), spec, class_id="k") == [
        (Kind.NAME, "Kettles"),
        (Kind.PARENT, "Home"),
        (Kind.DESCRIPTION, "Boils water."),
        (Kind.SYNONYM, "boiler"),
        (Kind.EXAMPLE, "steel kettle 1.7 l"),
    ]


def test_a_description_that_lists_terms_speaks_term_by_term():
    spec = ClassSpec("j", "Jewellery", None, ("Includes: anklet, bracelet, brooch",))
    assert texts_of(spec, class_id="j")[1:] == [(Kind.TERM, "anklet"), (Kind.TERM, "bracelet"), (Kind.TERM, "brooch")]


@pytest.mark.parametrize(
    "text",
    [
        "Boils water.",
        "Boils water, milk and soup, slowly or fast, for one person or for many guests at home",
        "Things that help to read, hold or keep printed books: bookends, stands, bookmarks, lights and magnifiers.",
        "Beds, leads",
    ],
)
def test_prose_with_commas_is_one_text(text):
    assert texts_of(ClassSpec("k", "Kettles", None, (text,)), class_id="k")[1:] == [(Kind.DESCRIPTION, text)]


def test_a_text_that_recurs_counts_once():
    assert texts_of(ClassSpec("k", "Kettles", None, ("Kettles",), (" Kettles ",)), class_id="k") == [
        (Kind.NAME, "Kettles")
    ]


def test_a_name_written_as_an_identifier_is_read_as_words():
    assert texts_of(ClassSpec("c", "card_arrival"), class_id="c") == [(Kind.NAME, "card arrival")]


def test_the_digest_changes_with_any_text_and_with_the_parent():
    base = (ClassSpec("h", "Home"), ClassSpec("k", "Kettles", "h"))
    seen = {
        digest(evidence_texts(Taxonomy(specs), "k"))
        for specs in (
            base,
            (ClassSpec("h", "House"), base[1]),
            (base[0], ClassSpec("k", "Kettle", "h")),
            (ClassSpec("h", "Home"), ClassSpec("k", "Kettles", None)),
            (base[0], ClassSpec("k", "Kettles", "h", ("d",))),
            (base[0], ClassSpec("k", "Kettles", "h", (), ("d",))),
        )
    }
    assert len(seen) == 6
    assert digest(evidence_texts(Taxonomy(base), "k")) == digest(evidence_texts(Taxonomy(base), "k"))


def test_the_vector_of_a_name_is_the_mean_of_the_ways_to_write_it():
    taxonomy = Taxonomy([ClassSpec("s", "Shoes"), ClassSpec("r", "Running", "s", ("For {name} and (parent).",))])
    asked = []

    def encode(texts):
        asked.extend(texts)
        return np.eye(len(texts), dtype=np.float32)

    vectors = evidence_vectors(evidence_texts(taxonomy, "r") + evidence_texts(taxonomy, "s"), encode)
    named = {(one.kind, one.text): vector for one, vector in vectors.items()}
    names = {"Running", "Running?", "Running, Running", "Running (Shoes)", "Shoes", "Shoes?", "Shoes, Shoes"}
    assert len(asked) == len(set(asked)), "each is encoded once"
    assert set(asked) == {*names, "For {name} and (parent)."}
    forms = [asked.index(one) for one in ("Running", "Running?", "Running, Running", "Running (Shoes)")]
    np.testing.assert_allclose(named[Kind.NAME, "Running"][forms], 0.5, atol=1e-6)
    assert named[Kind.PARENT, "Shoes"][asked.index("Shoes")] == 1.0, "a parent speaks as it is written"


def test_ways_to_write_a_name_that_cancel_out_leave_the_name():
    (one,) = evidence_texts(Taxonomy([ClassSpec("a", "A")]), "a")
    x = np.array([1, 0], np.float32)
    turned = np.stack([x, [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]]).astype(np.float32)
    vectors = evidence_vectors([one], lambda texts: turned[: len(texts)])
    np.testing.assert_allclose(vectors[one], x, atol=1e-6)


def test_many_pieces_of_one_kind_weigh_as_much_as_one():
    name, synonym = np.eye(2, dtype=np.float32)
    one = class_vector([Kind.NAME, Kind.SYNONYM], np.stack([name, synonym]))
    many = class_vector([Kind.NAME] + [Kind.SYNONYM] * 5, np.stack([name] + [synonym] * 5))
    np.testing.assert_allclose(one, many, atol=1e-6)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)


def test_kinds_weigh_as_stated():
    name, parent = np.eye(2, dtype=np.float32)
    vector = class_vector([Kind.NAME, Kind.PARENT], np.stack([name, parent]))
    assert vector[1] / vector[0] == pytest.approx(KIND_WEIGHTS[Kind.PARENT] / KIND_WEIGHTS[Kind.NAME])


def test_evidence_that_cancels_out_still_gives_a_unit_vector():
    vectors = np.array([[1, 0], [-1, 0]], np.float32)
    assert class_vector([Kind.NAME, Kind.SYNONYM], vectors).tolist() == [1, 0]
