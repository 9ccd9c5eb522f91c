"""nearclass calibrate: honest confidences, and decisions that keep a precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, note_stale, pass_app
from .labels import labels_option, read_labels

if TYPE_CHECKING:
    from ..learn.calibration_report import CalibrationReport

__all__ = ["command"]


@click.command("calibrate")
@labels_option("Items with a column `label` (or `labels`, `oos`), 500 or more; repeatable.")
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    required=True,
    metavar="SHARE",
    help="The share of the assigned items that must be right, such as 0.95.",
)
@input_options
@format_option
@pass_app
def command(app: App, paths: tuple[str, ...], precision: float, *, given: Input, output: str | None) -> None:
    """Make confidences honest, and assign only what keeps a precision; from labelled items, which are not stored.

    Answers given from now on have a confidence, and of those that are assigned at least this share is right, with 90 %
    confidence. The rest gets an ancestor, goes to review or is novel. Calibrate again after `learn`.

    Example: nearclass calibrate --labels labelled.jsonl --precision 0.95
    """
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415 - help must not wait for what the catalogue needs

    with app.open() as catalog, RejectWriter(given.rejects) as bad_rows:
        labelled = read_labels(catalog, paths, given, bad_rows)
        report = catalog.calibrate(
            labelled, precision=precision, space=given.space, on_reject=lambda _row, bad: bad_rows.write(bad)
        )
        stale = catalog.stale_items()
        rejected = bad_rows.count
    rows = Rows(output)
    found = {**report.to_dict(), "rejected": rejected}
    if rows.format == "table":
        thresholds = [{**one, "path": one["path"] or "all together"} for one in found.pop("thresholds")]
        rows.one(found)
        rows.write(thresholds, ("path", "threshold", "n", "assigned", "right"), title="Thresholds by branch")
        note(_words(report))
    else:
        rows.one(found)
    note_stale(stale)
    end_with_rejects(rejected, given.rejects)


def _words(report: CalibrationReport) -> str:
    made = report.calibration
    where = f"{len(made.assign_at)} branches have their own threshold" if made.assign_at else "one threshold for all"
    return (
        f"{report.coverage:.0%} of the items will be assigned (95 % interval {report.coverage_low:.0%} to "
        f"{report.coverage_high:.0%}), right in at least {made.precision:.0%} with {made.confidence_level:.0%} "
        f"confidence; {where}"
    )
