"""nearclass evaluate: how good the answers are, or how good they would be with other encoders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, pass_app
from .labels import labels_option, read_labels

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.labelled import Labelled
    from ..ingest.rejects import RejectWriter
    from ..ingest.sources import BadRow

__all__ = ["command"]

_TABLE: Final = (
    "encoder", "variant", "n", "accuracy", "top5", "macro_f1", "oos_auroc", "dim", "size_mb", "texts_per_s",
    "languages",
)  # fmt: skip
_CSV: Final = (*_TABLE, "tuned_on", "left_out", "device", "error")


@click.command("evaluate")
@labels_option("Items with a column `label` (or `labels`, `oos`); repeatable.")
@click.option("--report", metavar="FILE.html", help="Also write a page with curves, classes and confused pairs.")
@click.option(
    "--encoders",
    metavar="A,B,...",
    help="Compare these encoders (presets, model ids, folders) instead; the catalogue stays as it is.",
)
@input_options
@format_option
@pass_app
def command(
    app: App, paths: tuple[str, ...], report: str | None, encoders: str | None, *, given: Input, output: str | None
) -> None:
    """Measure the answers on labelled items; nothing is stored.

    Example: nearclass evaluate --labels labelled.jsonl --report report.html
    """
    from ..errors import UsageError  # noqa: PLC0415 - help must not wait for what the catalogue needs
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415

    names = _names(encoders)
    if encoders is not None and (report or given.space is not None):
        message = "--encoders goes neither with --report nor with --space"
        raise UsageError(message, hint="Compare first; then evaluate the catalogue with the encoder chosen.")
    with app.open() as catalog, RejectWriter(given.rejects) as bad_rows:
        labelled = read_labels(catalog, paths, given, bad_rows, pictures=not names)
        if names:
            _compare(catalog, labelled, names, output)
        else:
            _evaluate(catalog, labelled, bad_rows, report, given.space, output)
        rejected = bad_rows.count
    end_with_rejects(rejected, given.rejects)


def _evaluate(
    catalog: Catalog,
    labelled: list[Labelled],
    bad_rows: RejectWriter,
    report: str | None,
    space: str | None,
    output: str | None,
) -> None:
    unusable: set[int] = set()

    def reject(row: Labelled, bad: BadRow) -> None:
        unusable.add(id(row))
        bad_rows.write(bad)

    figures, judged = catalog.evaluate(labelled, space=space, on_reject=reject)
    Rows(output).one({**figures.to_dict(), "rejected": bad_rows.count})
    if report:
        from ..reports.evaluation import write_evaluation  # noqa: PLC0415

        used = [row for row in labelled if id(row) not in unusable]
        vectors = catalog.class_vectors(space)
        write_evaluation(report, figures, judged, used, catalog.classes.taxonomy, vectors)
        note(f"wrote {report}")


def _names(encoders: str | None) -> list[str]:
    if encoders is None:
        return []
    from ..errors import UsageError  # noqa: PLC0415

    names = [name.strip() for name in encoders.split(",") if name.strip()]
    if not names:
        message = "--encoders names no encoder"
        raise UsageError(message, hint="Such as --encoders minilm,bge-small.")
    return names


def _compare(catalog: Catalog, labelled: list[Labelled], names: list[str], output: str | None) -> None:
    from ..comparison import compare_encoders  # noqa: PLC0415
    from ..errors import EncoderError  # noqa: PLC0415

    out = Rows(output)
    found = compare_encoders(names, catalog.classes.taxonomy, labelled, catalog.settings, on_encoder=_say_encoder)
    unusable: dict[str, str] = {}
    used = False
    left_out = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal used, left_out
        for row in found:
            if row.error:
                unusable[row.encoder] = row.error
            used = used or not row.error
            left_out = max(left_out, row.left_out)
            yield row.to_dict()

    if out.format == "table":
        listed = list(rows())
        # The reason has no room in a column, and most columns of AUROC would be empty.
        shown = [name for name in _TABLE if name != "oos_auroc" or any(row[name] is not None for row in listed)]
        out.write(map(_in_words, listed), shown)
        for name, reason in unusable.items():
            note(f"{name}: {reason}")
    else:
        out.write(rows(), _CSV)
    if left_out:
        note(f"{left_out} rows are not judged, for any encoder: one of them was trained on these")
    if not used:
        message = f"none of the encoders could be used: {', '.join(names)}"
        raise EncoderError(message, hint="Each row has its reason; `nearclass doctor` checks the rest.")


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    tuned = "" if row["tuned_on"] is None else " (fine-tuned)"
    return {**row, "encoder": row["encoder"] + tuned, "variant": row["variant"] or "cannot be used"}


def _say_encoder(name: str) -> None:
    if sys.stderr.isatty():
        note(f"embedding with {name} ...")
