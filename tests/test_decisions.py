"""What a calibration promises, on real requests with real out-of-scope ones."""

import numpy as np
import pytest

from nearclass import Decision, Settings
from nearclass.catalog import Catalog
from nearclass.errors import CalibrationError
from nearclass.ingest.calibration import answered
from nearclass.ingest.class_files import open_classes
from nearclass.ingest.labelled import Labelled, read_labelled
from nearclass.ingest.sources import open_sources
from nearclass.learn.calibrate import Answered, calibrate
from nearclass.learn.metrics import expected_calibration_error
from nearclass.query.decide import CalibratedDecider
from nearclass.schemas.calibration import CANDIDATES

pytestmark = pytest.mark.slow

ROWS = 10_000
SPLITS = 10
DRAWS = 30
"""Draws of 500 labels; the mean error of ten draws moves by 0.003 with the draws alone."""


@pytest.fixture(scope="module")
def requests(real_encoder, shared_data, tmp_path_factory):
    """A taxonomy and the answers to labelled requests."""
    folder = shared_data / "intents_clinc150"
    if not folder.is_dir():
        pytest.skip(f"no labelled requests at {folder}")
    place = tmp_path_factory.mktemp("decisions") / "requests.db"
    with Catalog.open(settings=Settings(uri=str(place)), encoder=real_encoder) as catalog:
        catalog.import_classes(open_classes(str(folder / "classes.jsonl"), catalog.classes.taxonomy).specs)
        taxonomy = catalog.classes.taxonomy
        rows = list(read_labelled(open_sources([str(folder / "items.jsonl")]), taxonomy))
        chosen = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))[:ROWS]]
        assert all(isinstance(row, Labelled) for row in chosen)
        answers = catalog.assign([row.item for row in chosen], k=CANDIDATES, explain=False)
        return taxonomy, answered(chosen, answers)


def split(rows, labels, seed):
    """Rows to calibrate on, under ids that halve anew, and the others."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    named = (rows[index] for index in order[:labels])
    fit = [Answered(f"{seed}/{row.id}", row.class_ids, row.scores, row.truth, row.fit) for row in named]
    return fit, [rows[index] for index in order[labels:]]


def decided(taxonomy, made, rows):
    decider = CalibratedDecider(made, taxonomy, frozenset(taxonomy.assignable()))
    return decider.decide([row.class_ids for row in rows], [row.scores for row in rows], [row.fit for row in rows])


def precision_of(taxonomy, rows, verdicts, decision):
    """The share of these decisions that is right; 1 of none."""
    right = [
        verdict.class_id in {above for true in row.truth for above in (*taxonomy.ancestors(true), true)}
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.decision is decision
    ]
    return float(np.mean(right)) if right else 1.0


def test_confidences_are_honest_after_500_labels(requests):
    taxonomy, rows = requests
    errors = []
    for seed in range(DRAWS):
        fit, rest = split(rows, 500, seed)
        made = calibrate(fit, taxonomy, taxonomy.assignable(), precision=0.7, novel_below=0.0).calibration
        confidences = [verdict.confidences[0] for verdict in decided(taxonomy, made, rest)]
        errors.append(expected_calibration_error(confidences, [row.class_ids[0] in row.truth for row in rest]))
    print(f"expected calibration error: mean {np.mean(errors):.4f}, worst {np.max(errors):.4f}")
    assert np.mean(errors) <= 0.03
    assert np.quantile(errors, 0.9) <= 0.05


def test_a_precision_of_95_percent_is_kept_by_assigned_items_and_ancestors_in_nine_of_ten_splits(requests):
    taxonomy, rows = requests
    assigned, above, promised, real = [], [], [], []
    for seed in range(SPLITS):
        fit, rest = split(rows, len(rows) // 2, seed)
        try:
            report = calibrate(fit, taxonomy, taxonomy.assignable(), precision=0.95, novel_below=0.0)
        except CalibrationError:
            continue  # nothing is assigned
        verdicts = decided(taxonomy, report.calibration, rest)
        assigned.append(precision_of(taxonomy, rest, verdicts, Decision.ASSIGNED))
        above.append(precision_of(taxonomy, rest, verdicts, Decision.ANCESTOR))
        promised.append(report.coverage)
        real.append(np.mean([verdict.decision is Decision.ASSIGNED for verdict in verdicts]))
    assert len(assigned) >= SPLITS // 2, "with thousands of labels the precision can be shown"
    assert sum(one < 0.94 for one in assigned) <= 1
    assert sum(one < 0.94 for one in above) <= 1
    assert np.abs(np.subtract(promised, real)).max() < 0.04
