"""nearclass learn: better class vectors from items and labels, in versions."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, note_stale, pass_app
from .labels import labels_option, read_labels
from .moves import write_moves

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.labelled import Labelled
    from ..ingest.learning import Learning, Outcome
    from ..ingest.rejects import RejectWriter

__all__ = ["command"]


@click.command("learn")
@labels_option("Items with a column `label`; kept as evidence of their classes. Repeatable.", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--versions", "listing", is_flag=True, help="List the stored versions instead.")
@click.option(
    "--rollback",
    "wanted",
    type=click.IntRange(min=0),
    metavar="VERSION",
    help="Take a stored version into use instead; 0 stands for class texts alone.",
)
@click.option(
    "--encoder",
    "folder",
    metavar="FOLDER",
    help="Train a copy of the encoder on the labels instead, and keep it there if it is better on held-out ones.",
)
@input_options
@format_option
@pass_app
def command(
    app: App,
    paths: tuple[str, ...],
    dry_run: bool,
    listing: bool,
    wanted: int | None,
    folder: str | None,
    *,
    given: Input,
    output: str | None,
) -> None:
    """Learn class vectors from the stored items, confirmed items, examples and labels; kept only if better.

    Items are not embedded again. `nearclass items reassign` then gives the stored ones their new answers.

    Example: nearclass learn --dry-run
    """
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415 - help must not wait for what the catalogue needs

    _check(given, paths, folder, dry_run=dry_run, instead=listing + (wanted is not None))
    # Besides labels nothing but the unrelated texts is embedded; what the labels took is wanted for learning.
    with app.open(brief=True, apart=folder is None) as catalog:
        if listing:
            _list(catalog.learning, output)
            return
        if wanted is not None:
            catalog.learning.use(wanted)
            Rows(output).one({"version": wanted})
            note_stale(catalog.stale_items())
            return
        with RejectWriter(given.rejects) as bad_rows:
            labelled = read_labels(catalog, paths, given, bad_rows, pictures=folder is None)
            if folder is not None:
                _tune(catalog, labelled, folder, output)
            else:
                _learn(catalog, labelled, bad_rows, output, dry_run=dry_run)
    end_with_rejects(bad_rows.count, given.rejects)


def _learn(
    catalog: Catalog, labelled: list[Labelled], bad_rows: RejectWriter, output: str | None, *, dry_run: bool
) -> None:
    before = catalog.learning.active_version()
    outcome = catalog.learn(labelled, dry_run=dry_run, on_reject=lambda _row, bad: bad_rows.write(bad))
    rows = Rows(output)
    if rows.format != "table":
        rows.one(outcome.to_dict())
    for one in outcome.spaces:
        if rows.format == "table":
            _table(one, rows)
        if one.version is None and not dry_run:
            note(f"not kept in {one.space}: {one.reason}")
    if dry_run:
        kept = any(one.kept for one in outcome.spaces)
        note("nothing was changed; without --dry-run this would be " + ("stored" if kept else "left"))
        return
    version = max(one.version or 0 for one in outcome.spaces)
    if version:
        note(f"version {version} is in use; `nearclass learn --rollback {before}` goes back")
        note_stale(catalog.stale_items())


def _check(given: Input, paths: tuple[str, ...], folder: str | None, *, dry_run: bool, instead: int) -> None:
    """Refuse options that do not fit together; ``instead`` is how many of --versions and --rollback there are."""
    from ..errors import UsageError  # noqa: PLC0415

    if given.space is not None:
        message = "learn works in the spaces of texts and pictures"
        raise UsageError(message, hint="Leave --space off.")
    if folder is not None and (dry_run or instead):
        message = "--encoder goes neither with --dry-run nor with --versions or --rollback"
        raise UsageError(message, hint="Training an encoder changes nothing in the catalogue.")
    if folder is not None and not paths:
        message = "--encoder needs labels to train on"
        raise UsageError(message, hint="Give them with --labels FILE.")
    if instead + (dry_run or bool(paths)) > 1:
        message = "--versions and --rollback go neither together nor with --labels or --dry-run"
        raise UsageError(message, hint="Give one of them.")


def _tune(catalog: Catalog, labelled: list[Labelled], folder: str, output: str | None) -> None:
    report = catalog.tune(labelled, folder, on_step=_say_step)
    found = report.to_dict()
    rows = Rows(output)
    rows.one({name: value for name, value in found.items() if value is not None} if rows.format == "table" else found)
    if report.folder is None:
        note(f"not kept: {report.reason}")
        return
    source, kept = shlex.quote(report.source), shlex.quote(report.folder)
    note(f"kept in {report.folder}; next: nearclass evaluate --encoders {source},{kept} --labels FILE")
    note(f"to move the catalogue to it: nearclass reembed plan --encoder {kept}")


def _say_step(done: int, steps: int) -> None:
    if sys.stderr.isatty():
        end = "\r\x1b[K" if done == steps else ""
        click.echo(f"\r\x1b[Ktraining: {done} of {steps} steps{end}", nl=False, err=True)


def _list(learning: Learning, output: str | None) -> None:
    rows = [
        {"version": one.version, "active": active, "method": one.method, "space": space, **one.report}
        for one, space, active in learning.listed()
    ]
    columns = ("version", "active", "method", "space", "items", "labels", "changed", "accuracy_after")
    Rows(output).write(rows, columns)


def _table(outcome: Outcome, rows: Rows) -> None:
    found = outcome.to_dict()
    moves = found.pop("moves")
    rows.one({name: value for name, value in found.items() if value is not None})
    write_moves(rows, moves, "Items whose nearest class changes")
