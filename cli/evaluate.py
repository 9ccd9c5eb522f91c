"""nearclass evaluate: how good the answers are."""

from __future__ import annotations

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, pass_app

__all__ = ["command"]


@click.command("evaluate")
@click.option(
    "--labels",
    "paths",
    required=True,
    multiple=True,
    metavar="PATH",
    help="Items with a column `label` (or `labels`, `oos`); repeatable.",
)
@click.option("--report", metavar="FILE.html", help="Also write per-class figures and the most confused pairs.")
@input_options
@format_option
@pass_app
def command(app: App, paths: tuple[str, ...], report: str | None, *, given: Input, output: str | None) -> None:
    """Measure the answers on labelled items; nothing is stored.

    Example: nearclass evaluate --labels labelled.jsonl --report report.html
    """
    from ..ingest.labelled import read_labelled  # noqa: PLC0415
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415
    from ..ingest.sources import BadRow  # noqa: PLC0415

    mapping = given.mapping()
    with app.open() as catalog, RejectWriter(given.rejects) as bad_rows:
        labelled = []
        need_text = given.space is None
        for row in read_labelled(given.sources(paths), catalog.classes.taxonomy, mapping, need_text=need_text):
            if isinstance(row, BadRow):
                bad_rows.write(row)
            else:
                labelled.append(row)
        figures, judged = catalog.evaluate(labelled, space=given.space)
        taxonomy = catalog.classes.taxonomy
        rejected = bad_rows.count
    Rows(output).one({**figures.to_dict(), "rejected": rejected})
    if report:
        from ..reports.evaluation import write_evaluation  # noqa: PLC0415

        write_evaluation(report, figures, judged, labelled, taxonomy)
        note(f"wrote {report}")
    end_with_rejects(rejected, given.rejects)
