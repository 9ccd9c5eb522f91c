"""Decisions: is the confidence honest after 500 labels, and is the precision asked for kept on other rows?

Every set of labelled texts that is found is answered once. Then, ten times, its rows are split at random: a calibration
is made on one part, and what it promises is measured on the rest. A split is refused where its labels show no
threshold that keeps the precision; nothing is assigned then.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import common
import numpy as np
from common import Options, SkippedError, Table

if TYPE_CHECKING:
    from nearclass.learn.calibrate import Answered
    from nearclass.schemas.calibration import Calibration
    from nearclass.schemas.taxonomy import Taxonomy

SPLITS = 10
LABELS = 500
PRECISIONS = (0.8, 0.9, 0.95)
HALF = 0


@dataclass(frozen=True, slots=True)
class Labelled:
    """A catalogue, and its labelled rows with their candidates."""

    name: str
    taxonomy: "Taxonomy"
    answerable: frozenset[str]
    novel_below: float
    rows: "Sequence[Answered]"


@dataclass(frozen=True, slots=True)
class Held:
    """What a calibration gave on rows that it had not seen."""

    promised: float
    coverage: float
    precision: float
    ancestors: float
    ancestor_precision: float
    ece: float
    own: int


def measure(options: Options) -> Iterator[Table]:
    """One table for 500 labels, one for half of the rows."""
    folders = [one for one in sorted(options.data.glob("*/items.jsonl")) if one.parent.name.startswith(("int", "prod"))]
    if not folders:
        raise SkippedError(f"no labelled items under {options.data}; give the folder with --data DIR")
    precisions = tuple(options.more.precision or PRECISIONS)
    splits = 2 if options.quick else SPLITS
    most = 1200 if options.quick else options.more.n
    found = [answer(one.parent, most) for one in folders]
    sets = [one for one in found if len(one.rows) >= 2 * LABELS]
    for labels in (LABELS, HALF):
        rows = [line(one, precision, labels, splits) for one in sets for precision in precisions]
        amount = f"{labels} labels" if labels else "half of the rows"
        columns = (
            "set", "rows", "asked", "refused", "own thresholds", "coverage promised", "coverage", "precision, mean",
            "precision, worst", "splits at asked - 0.01", "ancestors", "ancestor precision, worst", "ECE, mean",
            "ECE, worst",
        )  # fmt: skip
        notes = ["Means over the splits that were not refused; measured on the rows that were not calibrated on."]
        yield Table(f"Calibrated on {amount}, {splits} random splits", columns, rows, notes)


def answer(folder: Path, most: int) -> Labelled:
    """Answer the labelled rows of a folder once, with as many candidates as a calibration reads."""
    from nearclass import Catalog
    from nearclass.ingest.calibration import answered
    from nearclass.ingest.class_files import open_classes
    from nearclass.ingest.labelled import Labelled as Row
    from nearclass.ingest.labelled import read_labelled
    from nearclass.ingest.sources import open_sources
    from nearclass.schemas.calibration import CANDIDATES
    from nearclass.settings import Settings

    with common.scratch() as place, Catalog.open(settings=Settings(uri=str(place / "bench.db"))) as catalog:
        catalog.import_classes(open_classes(str(folder / "classes.jsonl"), catalog.classes.taxonomy).specs)
        taxonomy = catalog.classes.taxonomy
        read = read_labelled(open_sources([str(folder / "items.jsonl")]), taxonomy)
        every = [row for row in read if isinstance(row, Row)]
        chosen = np.random.default_rng(0).permutation(len(every))[:most]
        rows = [every[index] for index in chosen]
        answers = catalog.assign([row.item for row in rows], k=CANDIDATES, explain=False)
        rules = catalog._live.of(None).assigner().rules  # noqa: SLF001 - what answers are decided by
        answerable = frozenset(taxonomy.assignable())
        return Labelled(folder.name, taxonomy, answerable, rules.novel_below, answered(rows, answers))


def line(one: Labelled, precision: float, labels: int, splits: int) -> list[common.Cell]:
    """One row of a table."""
    held = [held_out(one, precision, labels or len(one.rows) // 2, seed) for seed in range(splits)]
    kept = [result for result in held if result is not None]
    head: list[common.Cell] = [one.name, len(one.rows), f"{precision:g}", f"{splits - len(kept)} of {splits}"]
    if not kept:
        return [*head, *[None] * 10]
    table = np.array(
        [
            (one.own, one.promised, one.coverage, one.precision, one.ancestors, one.ancestor_precision, one.ece)
            for one in kept
        ]
    )
    mean = [float(np.nanmean(column)) if not np.isnan(column).all() else None for column in table.T]
    backed = table[:, 5][~np.isnan(table[:, 5])]
    passed = sum(result.precision >= precision - 0.01 for result in kept)
    figures = [*mean[:4], float(table[:, 3].min()), f"{passed} of {len(kept)}", mean[4]]
    figures += [float(backed.min()) if len(backed) else None, mean[6], float(table[:, 6].max())]
    return [*head, *(f"{cell:.3f}" if isinstance(cell, float) else cell for cell in figures)]


def held_out(one: Labelled, precision: float, labels: int, seed: int) -> Held | None:
    """Calibrate on some rows and measure on the others; None where the calibration is refused."""
    from nearclass.errors import CalibrationError
    from nearclass.learn.calibrate import calibrate

    order = np.random.default_rng(seed).permutation(len(one.rows)).tolist()
    # The parts of a calibration go by the ids: other ids, other parts.
    fit = [renamed(one.rows[index], seed) for index in order[:labels]]
    try:
        report = calibrate(fit, one.taxonomy, one.answerable, precision=precision, novel_below=one.novel_below)
    except CalibrationError:
        return None
    rest = [one.rows[index] for index in order[labels:]]
    return judged(rest, report.calibration, one, report.coverage)


def renamed(row: "Answered", seed: int) -> "Answered":
    """The row under another id."""
    from dataclasses import replace

    return replace(row, id=f"{seed}/{row.id}")


def judged(rows: "Sequence[Answered]", made: "Calibration", one: Labelled, promised: float) -> Held:
    """What the decisions of a calibration are worth on labelled rows."""
    from nearclass.learn.metrics import expected_calibration_error
    from nearclass.query.decide import CalibratedDecider
    from nearclass.schemas.records import Decision

    decider = CalibratedDecider(made, one.taxonomy, one.answerable)
    verdicts = decider.decide([row.class_ids for row in rows], [row.scores for row in rows], [row.fit for row in rows])
    truths = [{above for true in row.truth for above in (*one.taxonomy.ancestors(true), true)} for row in rows]
    of = {
        kind: [
            verdict.class_id in (row.truth if kind is Decision.ASSIGNED else truth)
            for row, verdict, truth in zip(rows, verdicts, truths, strict=True)
            if verdict.decision is kind
        ]
        for kind in (Decision.ASSIGNED, Decision.ANCESTOR)
    }
    right = [row.class_ids[0] in row.truth for row in rows]
    return Held(
        promised=promised,
        coverage=len(of[Decision.ASSIGNED]) / len(rows),
        precision=share(of[Decision.ASSIGNED]),
        ancestors=len(of[Decision.ANCESTOR]) / len(rows),
        ancestor_precision=share(of[Decision.ANCESTOR]),
        ece=expected_calibration_error([verdict.confidences[0] for verdict in verdicts], right),
        own=len(made.assign_at),
    )


def share(right: Sequence[bool]) -> float:
    """The share that is right; nan of none."""
    return sum(right) / len(right) if right else float("nan")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=6000, help="rows of each set (default 6000)")
    parser.add_argument("--precision", type=float, action="append", help="precision asked for; repeatable")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
