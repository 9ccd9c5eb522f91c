"""A calibration is honest on rows that it has not seen, keeps the precision, and refuses what it cannot show."""

from dataclasses import replace

import numpy as np
import pytest

from nearclass import ClassSpec, Decision
from nearclass.errors import CalibrationError
from nearclass.learn.calibrate import Answered, calibrate, parts
from nearclass.learn.confidence import calibration_error, fit_curve, novel_threshold
from nearclass.query.decide import CalibratedDecider
from nearclass.schemas.taxonomy import Taxonomy

BRANCHES, LEAVES = 6, 8
SPECS = [ClassSpec(f"b{one}", f"Branch {one}") for one in range(BRANCHES)]
SPECS += [
    ClassSpec(f"b{one}c{two}", f"Class {one} {two}", f"b{one}") for one in range(BRANCHES) for two in range(LEAVES)
]
TAXONOMY = Taxonomy(SPECS)
LEAF_IDS = TAXONOMY.assignable()
ANSWERABLE = frozenset(LEAF_IDS)


def world(n, seed, *, sharpness=0.12, oos=0.0, worse=()):
    """Rows whose scores favour the right class, its branch a little, and nothing where no class is right.

    Branches in ``worse`` are hardly told apart.
    """
    generator = np.random.default_rng(seed)
    branch = np.arange(len(LEAF_IDS)) // LEAVES
    rows = []
    for row in range(n):
        scores = generator.normal(0.3, 0.05, len(LEAF_IDS))
        truth = frozenset()
        if generator.random() >= oos:
            right = int(generator.integers(len(LEAF_IDS)))
            push = sharpness * (0.3 if f"b{branch[right]}" in worse else 1) * (0.5 + generator.random())
            scores[right] += push
            scores[branch == branch[right]] += 0.09
            truth = frozenset({LEAF_IDS[right]})
        order = np.argsort(-scores)
        rows.append(
            Answered(f"{seed}-{row}", [LEAF_IDS[i] for i in order], scores[order].tolist(), truth, float(scores.max()))
        )
    return rows


def made(rows, precision=0.9, **more):
    return calibrate(rows, TAXONOMY, ANSWERABLE, precision=precision, novel_below=0.0, **more)


def verdicts(calibration, rows):
    decider = CalibratedDecider(calibration, TAXONOMY, ANSWERABLE)
    return decider.decide([row.class_ids for row in rows], [row.scores for row in rows], [row.fit for row in rows])


def precision_of(rows, found, decision):
    right = [
        any(one.class_id in (*TAXONOMY.ancestors(true), true) for true in row.truth)
        for row, one in zip(rows, found, strict=True)
        if one.decision is decision
    ]
    return len(right), float(np.mean(right)) if right else np.nan


@pytest.fixture(scope="module")
def others():
    return world(6000, 99, oos=0.1)


@pytest.fixture(scope="module")
def report():
    return made(world(1500, 1, oos=0.1))


def test_confidences_are_honest_on_other_rows(report, others):
    found = verdicts(report.calibration, others)
    right = np.asarray([row.class_ids[0] in row.truth for row in others])
    error, _ = calibration_error(np.asarray([one.confidences[0] for one in found]), right)
    assert error <= 0.03


def test_assigned_items_and_ancestors_keep_the_precision_on_other_rows(report, others):
    found = verdicts(report.calibration, others)
    assigned, precision = precision_of(others, found, Decision.ASSIGNED)
    backed, above = precision_of(others, found, Decision.ANCESTOR)
    assert assigned > 600
    assert precision >= 0.89
    assert backed > 600
    assert above >= 0.89


def test_the_coverage_is_what_was_promised(report, others):
    found = verdicts(report.calibration, others)
    coverage = np.mean([one.decision is Decision.ASSIGNED for one in found])
    assert report.coverage_low - 0.02 <= coverage <= report.coverage_high + 0.02


@pytest.mark.slow
@pytest.mark.slow
def test_the_precision_is_kept_in_nine_of_ten_calibrations(others):
    kept = []
    for seed in range(200, 230):
        try:
            calibration = made(world(500, seed, oos=0.1)).calibration
        except CalibrationError:
            kept.append(True)  # nothing is assigned
            continue
        _, precision = precision_of(others, verdicts(calibration, others), Decision.ASSIGNED)
        kept.append(precision >= 0.9 - 0.01)
    assert np.mean(kept) >= 0.9


def test_items_out_of_scope_are_found_and_few_others_are_lost(report, others):
    found = verdicts(report.calibration, others)
    novel = np.asarray([one.decision is Decision.NOVEL for one in found])
    inside = np.asarray([bool(row.truth) for row in others])
    assert novel[~inside].mean() > 0.5
    assert novel[inside].mean() < 0.08


def test_without_rows_out_of_scope_the_label_free_threshold_stands():
    calibration = calibrate(world(800, 5), TAXONOMY, ANSWERABLE, precision=0.8, novel_below=0.35, learner=0).calibration
    assert calibration.fits is None
    (low,) = verdicts(calibration, [Answered("x", LEAF_IDS[:2], [0.34, 0.2], frozenset(), 0.34)])
    assert low.decision is Decision.NOVEL
    assert "label-free" in low.rule


def test_rows_out_of_scope_count_as_wrong_when_they_are_assigned():
    rows = world(1500, 6)
    poisoned = [replace(row, truth=frozenset()) if place % 3 == 0 else row for place, row in enumerate(rows)]
    with pytest.raises(CalibrationError):
        made(poisoned, 0.8)


def test_the_same_labels_in_another_order_give_the_same_calibration():
    rows = world(700, 7)
    one, two = made(rows, 0.8).calibration, made(rows[::-1], 0.8).calibration
    assert one.assign_at_pooled == pytest.approx(two.assign_at_pooled)
    assert one.temperature == pytest.approx(two.temperature)


@pytest.mark.parametrize(("rows", "fitting"), [(60, 30), (100, 50), (160, 50), (400, 100), (1000, 250)])
def test_a_quarter_of_many_labels_is_fitted_on_and_the_others_test(rows, fitting):
    ids = [f"row-{number}" for number in range(rows)]
    fit, test = parts(ids)
    assert (len(fit), len(test)) == (fitting, rows - fitting)
    assert sorted([*fit, *test]) == list(range(rows))
    again = parts(ids[::-1])[0]
    assert {ids[place] for place in fit} == {ids[::-1][place] for place in again}


def test_rows_of_one_id_are_in_the_same_part():
    ids = [f"row-{number % 100}" for number in range(400)]
    fit, test = ({ids[place] for place in part} for part in parts(ids))
    assert fit
    assert test
    assert not fit & test


def test_few_labels_are_refused_with_the_number_it_takes():
    with pytest.raises(CalibrationError, match="20 labelled rows are too few") as refused:
        made(world(20, 8), 0.95)
    assert "45 assigned ones" in refused.value.hint
    assert refused.value.exit_code == 1


def test_a_precision_that_cannot_be_shown_is_refused_with_one_that_can():
    rows = world(600, 9)
    with pytest.raises(CalibrationError, match="no threshold keeps a precision of 0.999") as refused:
        made([replace(row, id=f"{row.id}-{copy}") for copy in range(8) for row in rows], 0.999)
    assert "--precision 0." in refused.value.hint


def test_branches_get_thresholds_of_their_own_where_the_rows_allow_and_one_for_all_would_assign_less():
    rows = world(12_000, 10, worse={"b0", "b1", "b2"})
    many, few = made(rows, 0.9), made(rows[:600], 0.8)
    assert many.calibration.assign_at
    assert many.thresholds[-1].branch is None
    assert few.calibration.assign_at == {}
    assert few.to_dict()["pooled"] is True
    found = verdicts(many.calibration, rows[:50])
    assert any("of 'Branch" in one.rule for one in found)
    assert all(
        "of all branches together" in one.rule
        for one in verdicts(few.calibration, rows[:50])
        if one.decision is not Decision.NOVEL
    )


def test_a_flat_taxonomy_never_backs_off():
    flat = Taxonomy([ClassSpec(class_id, class_id) for class_id in LEAF_IDS])
    found = calibrate(world(800, 11), flat, ANSWERABLE, precision=0.8, novel_below=0.0)
    assert found.calibration.back_off_at is None
    assert found.ancestor_precision is None


def test_the_report_is_of_the_tested_rows_and_json_able(report):
    row = report.to_dict()
    assert row["n"] == 1500
    assert 1050 < row["n_tested"] < 1200
    assert row["precision"] >= row["target"] == 0.9
    assert row["coverage_low"] < row["coverage"] < row["coverage_high"]
    assert sum(one["assigned"] for one in row["thresholds"]) == round(row["coverage"] * row["n_tested"])


def test_a_curve_rises_even_where_labels_say_the_opposite():
    masses = np.linspace(0.05, 0.95, 200)
    curve = fit_curve(masses, masses < 0.5)
    assert (np.diff(curve.apply(masses)) > 0).all()


def test_a_curve_from_right_rows_alone_stays_below_one():
    found = fit_curve(np.linspace(0.2, 0.9, 50), np.ones(50, bool)).apply(np.array([0.5]))
    assert 0.9 < found[0] < 1


def test_the_threshold_for_novel_items_keeps_nearly_all_rows_in_scope():
    generator = np.random.default_rng(0)
    inside = np.repeat([True, False], 500)
    mixed = np.concatenate([generator.normal(0.55, 0.1, 500), generator.normal(0.45, 0.1, 500)])
    assert (mixed[:500] >= novel_threshold(mixed, inside)).mean() >= 0.95
