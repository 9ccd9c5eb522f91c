"""Decisions follow from the best score, the margin and the tree."""

import pytest

from nearclass import Decision
from nearclass.query.decide import decide
from nearclass.schemas.rules import Rules
from nearclass.schemas.taxonomy import Taxonomy

RULES = Rules(0.3, 0.05, "for the test")


@pytest.fixture
def taxonomy(shop):
    return Taxonomy(shop)


def test_a_clear_winner_is_assigned(taxonomy):
    verdict = decide(["kettles", "toasters"], [0.6, 0.4], 0.6, RULES, taxonomy)
    assert (verdict.decision, verdict.class_id) == (Decision.ASSIGNED, "kettles")


def test_a_best_score_below_the_threshold_is_novel(taxonomy):
    verdict = decide(["kettles", "toasters"], [0.29, 0.1], 0.29, RULES, taxonomy)
    assert (verdict.decision, verdict.class_id) == (Decision.NOVEL, None)


def test_two_alike_under_one_branch_back_off_to_it(taxonomy):
    verdict = decide(["kettles", "toasters", "boots"], [0.6, 0.58, 0.2], 0.6, RULES, taxonomy)
    assert (verdict.decision, verdict.class_id) == (Decision.ANCESTOR, "home")


def test_two_alike_under_different_branches_go_to_review(taxonomy):
    verdict = decide(["kettles", "boots"], [0.6, 0.58], 0.6, RULES, taxonomy)
    assert (verdict.decision, verdict.class_id) == (Decision.REVIEW, None)


def test_a_single_candidate_needs_no_margin(taxonomy):
    assert decide(["kettles"], [0.6], 0.6, RULES, taxonomy).decision is Decision.ASSIGNED


def test_a_margin_of_zero_thresholds_still_assigns_the_best(taxonomy):
    verdict = decide(["kettles", "boots"], [0.6, 0.6], 0.6, Rules(0.0, 0.0, ""), taxonomy)
    assert verdict.class_id == "kettles"


def test_every_rule_names_its_threshold_and_where_it_comes_from(taxonomy):
    for scores in ([0.6, 0.4], [0.2, 0.1], [0.6, 0.59]):
        rule = decide(["kettles", "boots"], scores, scores[0], RULES, taxonomy).rule
        assert "for the test" in rule
        assert "0.3" in rule or "0.05" in rule


def test_a_best_score_that_is_too_low_is_novel_however_well_the_item_lies(taxonomy):
    rules = Rules(0.3, 0.05, "basis", score_below=0.5)
    verdict = decide(["kettles", "toasters"], [0.45, 0.2], 0.9, rules, taxonomy)
    assert verdict.decision is Decision.NOVEL
    assert "best score 0.450 is below 0.500" in verdict.rule
    assert decide(["kettles", "toasters"], [0.55, 0.2], 0.9, rules, taxonomy).decision is Decision.ASSIGNED
