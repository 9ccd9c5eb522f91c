"""With a calibration, decisions follow from masses and the thresholds on them."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass import Decision, Item
from nearclass.query.decide import CalibratedDecider
from nearclass.schemas.calibration import Calibration, Curve, Fits
from nearclass.schemas.taxonomy import Taxonomy

PLAIN = Curve(1.0, 1.0, 0.0)
MADE = Calibration(
    precision=0.9,
    confidence_level=0.9,
    n=500,
    revision=3,
    learner=0,
    candidates=50,
    temperature=0.05,
    fits=None,
    fits_below=0.0,
    novel_below=0.2,
    leaf=PLAIN,
    branch=PLAIN,
    assign_at={},
    assign_at_pooled=0.8,
    back_off_at=0.7,
)


@pytest.fixture
def taxonomy(shop):
    return Taxonomy(shop)


@pytest.fixture
def decide(taxonomy):
    def decided(class_ids, scores, **changed):
        decider = CalibratedDecider(replace(MADE, **changed), taxonomy, frozenset(taxonomy.assignable()))
        (verdict,) = decider.decide([class_ids], [scores], [scores[0]])
        return verdict

    return decided


def test_a_sure_class_is_assigned_with_its_confidence(decide):
    verdict = decide(["kettles", "boots"], [0.6, 0.4])
    assert (verdict.decision, verdict.class_id) == (Decision.ASSIGNED, "kettles")
    assert verdict.confidence == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-5)
    assert verdict.confidences[0] == verdict.confidence
    assert "at least 0.800 asked of all branches together; calibrated on 500 labels" in verdict.rule


def test_two_alike_under_one_branch_back_off_to_it_with_the_mass_of_both(decide):
    verdict = decide(["kettles", "toasters", "boots"], [0.6, 0.59, 0.4])
    assert (verdict.decision, verdict.class_id) == (Decision.ANCESTOR, "home")
    assert verdict.confidence > 0.9 > verdict.confidences[0]


def test_two_alike_under_different_branches_go_to_review_with_the_confidence_of_the_best(decide):
    verdict = decide(["kettles", "boots"], [0.6, 0.59])
    assert (verdict.decision, verdict.class_id) == (Decision.REVIEW, None)
    assert verdict.confidence == pytest.approx(0.55, abs=0.01)


def test_an_ancestor_may_be_of_another_branch_than_the_best_class(decide):
    verdict = decide(["boots", "laptops", "tablets", "printers"], [0.5, 0.49, 0.49, 0.49])
    assert (verdict.decision, verdict.class_id) == (Decision.ANCESTOR, "computers")


def test_without_a_threshold_for_ancestors_nothing_backs_off(decide):
    assert decide(["kettles", "toasters"], [0.6, 0.59], back_off_at=None).decision is Decision.REVIEW


def test_a_branch_has_its_own_threshold(decide):
    own = {"home": 0.99, "shoes": None}
    assert decide(["kettles", "boots"], [0.6, 0.4], assign_at=own).decision is not Decision.ASSIGNED
    refused = decide(["boots", "kettles"], [0.6, 0.2], assign_at=own)
    assert refused.decision is not Decision.ASSIGNED
    assert "no threshold of 'Shoes' keeps the precision" in refused.rule
    assert decide(["spades", "kettles"], [0.6, 0.4], assign_at=own).decision is Decision.ASSIGNED


def test_where_a_probability_that_any_class_fits_was_learnt_it_decides_what_is_novel(decide):
    fits = Fits(50.0, 0.0, -20.0)
    novel = decide(["kettles", "boots"], [0.3, 0.1], fits=fits, fits_below=0.4)
    assert (novel.decision, novel.class_id) == (Decision.NOVEL, None)
    assert "that any class fits is below 0.400" in novel.rule
    assert decide(["kettles", "boots"], [0.6, 0.1], fits=fits, fits_below=0.4).decision is Decision.ASSIGNED


def test_otherwise_the_best_score_decides_what_is_novel(decide):
    assert decide(["kettles", "boots"], [0.19, 0.0]).decision is Decision.NOVEL


def test_rows_decide_the_same_together_as_alone(taxonomy):
    generator = np.random.default_rng(0)
    leaves = taxonomy.assignable()
    rows = [list(generator.permutation(leaves)[: int(generator.integers(1, 8))]) for _ in range(60)]
    scores = [sorted(generator.normal(0.4, 0.08, len(row)), reverse=True) for row in rows]
    decider = CalibratedDecider(MADE, taxonomy, frozenset(leaves))
    together = decider.decide(rows, scores, [line[0] for line in scores])
    alone = [decider.decide([row], [line], [line[0]])[0] for row, line in zip(rows, scores, strict=True)]
    assert [(one.decision, one.class_id) for one in together] == [(one.decision, one.class_id) for one in alone]
    assert len({one.decision for one in together}) > 2


def test_no_rows_no_answers(taxonomy):
    assert CalibratedDecider(MADE, taxonomy, frozenset(taxonomy.assignable())).decide([], [], []) == []


def test_answers_have_confidences_only_with_a_calibration(catalog):
    assigner = catalog._live.of(None).assigner()
    vectors = catalog.encoder.encode(["a kettle for tea", "boots"], "item").vectors
    plain = assigner.assign(["1", "2"], vectors, [False, False], explain=False)
    assert {one.confidence for answer in plain for one in (answer, *answer.candidates)} == {None}
    sure = replace(assigner, calibration=MADE).assign(["1", "2"], vectors, [False, False], k=3, explain=False)
    assert [answer.candidates[0].class_id for answer in sure] == ["kettles", "boots"]
    for answer in sure:
        assert len(answer.candidates) == 3
        confidences = [one.confidence for one in answer.candidates]
        assert confidences == sorted(confidences, reverse=True)
        assert 0 < sum(confidences) <= 1
        assert answer.confidence is not None


def test_more_candidates_than_share_the_mass_have_no_confidence(catalog):
    assigner = replace(catalog._live.of(None).assigner(), calibration=replace(MADE, candidates=2))
    vectors = catalog.encoder.encode(["a kettle for tea"], "item").vectors
    (answer,) = assigner.assign(["1"], vectors, [False], k=4, explain=False)
    assert [one.confidence is None for one in answer.candidates] == [False, False, True, True]
    assert catalog.assign([Item("1", text="a kettle for tea")], k=4)[0].confidence is None
