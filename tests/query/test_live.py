"""What answers are made with follows what is stored."""

import pytest

from nearclass import ClassSpec, Item
from nearclass.query.assign import Assigner
from nearclass.schemas.calibration import Calibration, Curve
from nearclass.store.calibration import write_calibration


def calibration(learner):
    straight = Curve(1.0, 1.0, 0.0)
    return Calibration(
        precision=0.9, confidence_level=0.95, n=500, revision=1, learner=learner, candidates=5, temperature=0.1,
        fits=None, fits_below=0.0, novel_below=-1.0, leaf=straight, branch=straight, assign_at={},
        assign_at_pooled=0.5, back_off_at=None,
    )  # fmt: skip


def assigner(catalog) -> Assigner:
    return catalog._live.of(None).assigner()


def test_without_a_calibration_there_is_none(catalog):
    assert assigner(catalog).calibration is None


def test_a_calibration_holds_for_the_learner_it_was_made_under(catalog):
    write_calibration(catalog._state, catalog.encoder.space.name, calibration(0))
    assert assigner(catalog).calibration == calibration(0)
    assert catalog.assign("kettle")[0].confidence is not None


def test_a_calibration_of_another_learner_is_passed_over(catalog):
    write_calibration(catalog._state, catalog.encoder.space.name, calibration(4))
    assert assigner(catalog).calibration is None
    assert catalog.assign("kettle")[0].confidence is None


@pytest.mark.parametrize("search", ["mirror", "milvus"])
def test_spaces_of_given_vectors_have_no_words(open_catalog, search):
    catalog = open_catalog(class_search=search)
    catalog.import_classes(
        [ClassSpec("a", "kettle", vector=(1.0, 0.0)), ClassSpec("b", "boots", vector=(0.0, 1.0))], space="given"
    )
    catalog.ingest([Item("1", title="kettle", vector=(0.6, 0.8))], space="given")
    (answer,) = catalog.assign([Item("1", title="kettle", vector=(0.6, 0.8))], space="given")
    assert [one.score for one in answer.candidates] == pytest.approx([0.8, 0.6], abs=1e-5)
    assert catalog.items("given").get("1").score == pytest.approx(0.8, abs=1e-5)
