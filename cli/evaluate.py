"""nearclass evaluate: how good the answers are."""

from __future__ import annotations

import rich_click as click

from .common import (
    DONE_WITH_REJECTS,
    App,
    Rows,
    format_option,
    input_options,
    note,
    pass_app,
    rejects_option,
    space_option,
)

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
@space_option
@rejects_option
@format_option
@pass_app
@click.pass_context
def command(
    context: click.Context,
    app: App,
    paths: tuple[str, ...],
    report: str | None,
    flags: tuple[str, ...],
    file_format: str | None,
    encoding: str | None,
    *,
    space: str | None,
    rejects: str,
    output: str | None,
) -> None:
    """Measure the answers on labelled items; nothing is stored.

    Example: nearclass evaluate --labels labelled.jsonl --report report.html
    """
    from ..ingest.labelled import read_labelled  # noqa: PLC0415
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415
    from ..ingest.sources import BadRow, open_sources  # noqa: PLC0415
    from ..ingest.sources.mapping import ColumnMapping  # noqa: PLC0415

    mapping = ColumnMapping.from_flags(flags) if flags else None
    with app.open() as catalog, RejectWriter(rejects) as bad_rows:
        labelled = []
        sources = open_sources(paths, format=file_format, encoding=encoding)
        for row in read_labelled(sources, catalog.classes.taxonomy, mapping, need_text=space is None):
            if isinstance(row, BadRow):
                bad_rows.write(row)
            else:
                labelled.append(row)
        figures, judged = catalog.evaluate(labelled, space=space)
        taxonomy = catalog.classes.taxonomy
        rejected = bad_rows.count
    Rows(output).one({**figures.to_dict(), "rejected": rejected})
    if report:
        from ..reports.evaluation import write_evaluation  # noqa: PLC0415

        write_evaluation(report, figures, judged, labelled, taxonomy)
        note(f"wrote {report}")
    if rejected:
        note(f"{rejected} rows were rejected, with reasons, to {rejects}")
        context.exit(DONE_WITH_REJECTS)
