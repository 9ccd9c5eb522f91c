"""nearclass reembed: move a catalogue to another encoder, of texts or of pictures, while it answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, pass_app
from .labels import labels_option, read_labels

if TYPE_CHECKING:
    from ..reembedding_report import Report, Status

__all__ = ["group"]

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group("reembed")
def group() -> None:
    """Move to another encoder, of texts or of pictures, while the catalogue answers, and go back if it is worse.

    What encoders the catalogue has is read from the catalogue: the settings text_encoder and image_encoder do not
    count here.
    """


def _pictures(command: _F) -> _F:
    """Add ``--pictures``."""
    return click.option(
        "--pictures",
        "folders",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="A folder that stored paths of pictures begin in, besides those that are known. Repeatable.",
    )(command)


_leave_out = click.option(
    "--leave-out-missing",
    "leave_out",
    is_flag=True,
    help="Go on without pictures that cannot be read again: an item goes by its text, one without a text is left out.",
)


@group.command()
@click.option("--encoder", required=True, metavar="NAME", help="The new encoder: a preset, a model id or a folder.")
@_pictures
@format_option
@pass_app
def plan(app: App, encoder: str, folders: tuple[Path, ...], output: str | None) -> None:
    """Say what moving to another encoder would take; nothing is written.

    Example: nearclass reembed plan --encoder bge-small
    """
    with app.open(any_encoder=True) as catalog:
        found = catalog.reembedding.plan(encoder, pictures=folders)
    Rows(output).one(found.to_dict())
    note(f"next: nearclass reembed run --encoder {encoder}")


@group.command()
@click.option("--encoder", metavar="NAME", help="The new encoder; without it the run that was begun goes on.")
@click.option(
    "--to",
    "uri",
    metavar="URI",
    help="Copy the whole catalogue to another database, a path or a URL; with --encoder the copy is embedded anew.",
)
@click.option("--to-catalog", "name", metavar="NAME", help="Name of the catalogue there; by default the same.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="Embed at most N items a second.")
@labels_option(
    "Items with a column `label`: compares both encoders on them, and calibrates the new space if the old one is. "
    "Repeatable.",
    required=False,
)
@_pictures
@_leave_out
@input_options
@format_option
@pass_app
def run(
    app: App,
    encoder: str | None,
    uri: str | None,
    name: str | None,
    rate: float | None,
    paths: tuple[str, ...],
    folders: tuple[Path, ...],
    *,
    leave_out: bool,
    given: Input,
    output: str | None,
) -> None:
    """Embed everything by the new encoder, beside the old; answers stay as they are until `reembed swap`.

    A run that was cut off goes on where it stopped. Then what changes is reported. With --to, another database gets
    everything, and this one stays as it is.

    Example: nearclass reembed run --encoder bge-small --labels labelled.jsonl
    """
    from ..errors import UsageError  # noqa: PLC0415 - help must not wait for what the catalogue needs
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415

    if given.space is not None:
        message = "reembed works in the spaces of texts and pictures, and not in those of given vectors"
        raise UsageError(message, hint="Leave --space off.")
    if name is not None and uri is None:
        message = "--to-catalog goes with --to"
        raise UsageError(message, hint="Give the database with --to URI.")
    if uri is not None:
        app = _relocate(app, uri, name, output)
        if encoder is None:
            return
    progress = _Bar()
    with app.open(any_encoder=True) as catalog, RejectWriter(given.rejects) as bad_rows:
        labelled = read_labels(catalog, paths, given, bad_rows) if paths else []
        report = catalog.reembedding.run(
            encoder,
            rate=rate,
            labelled=labelled,
            pictures=folders,
            leave_out=leave_out,
            on_progress=progress,
            on_reject=bad_rows.write,
        )
        progress.done()
        rejected = bad_rows.count
    _write(report, output)
    where = f" --uri {uri}" + (f" --catalog {name}" if name else "") if uri else ""
    note(f"next: nearclass{where} reembed swap, to answer from the new space; or rollback, to remove it")
    end_with_rejects(rejected, given.rejects)


@group.command()
@click.option("--drop-old", is_flag=True, help="Free the old space at once: there is no way back.")
@_leave_out
@format_option
@pass_app
def swap(app: App, drop_old: bool, leave_out: bool, output: str | None) -> None:
    """Bring in what changed since the run, and answer from the new space, all at once.

    Example: nearclass reembed swap
    """
    with app.open(any_encoder=True) as catalog:
        progress = _Bar()
        status = catalog.reembedding.swap(progress, leave_out=leave_out)
        progress.done()
        if drop_old:
            status = catalog.reembedding.drop()
    _write_status(status, output)


@group.command()
@_leave_out
@format_option
@pass_app
def rollback(app: App, leave_out: bool, output: str | None) -> None:
    """Answer from the old space again, with what came since; before a swap, remove the new space.

    Example: nearclass reembed rollback
    """
    with app.open(any_encoder=True) as catalog:
        progress = _Bar()
        status = catalog.reembedding.rollback(progress, leave_out=leave_out)
        progress.done()
    _write_status(status, output)


@group.command()
@format_option
@pass_app
def drop(app: App, output: str | None) -> None:
    """Free the old space after a swap; from then on there is no way back.

    Example: nearclass reembed drop
    """
    with app.open(any_encoder=True) as catalog:
        status = catalog.reembedding.drop()
    _write_status(status, output)


@group.command()
@format_option
@pass_app
def status(app: App, output: str | None) -> None:
    """Say where the move stands, and what to do next.

    Example: nearclass reembed status
    """
    with app.open(any_encoder=True) as catalog:
        found = catalog.reembedding.status()
    _write_status(found, output)


def _relocate(app: App, uri: str, name: str | None, output: str | None) -> App:
    """Copy the catalogue, and give the options that lead to the copy."""
    from ..store.relocating import relocate, settings_at  # noqa: PLC0415 - help must not wait for what the store needs

    settings, progress = app.load().settings, _Bar()
    moved = relocate(settings, uri, name, progress)
    progress.done()
    Rows(output).one(moved.to_dict())
    there = settings_at(settings, uri, name)
    note(f"every row of {there.catalog!r} is at {moved.uri}; to use it, set NEARCLASS_URI or give --uri")
    return App({**app.flags, "uri": there.uri, "catalog": there.catalog}, app.config_file)


def _write_status(status: Status, output: str | None) -> None:
    rows, found = Rows(output), status.to_dict()
    if rows.format == "table":
        del found["next"]
    rows.one(found)
    note(f"next: {status.next}")


def _write(report: Report, output: str | None) -> None:
    rows = Rows(output)
    found: dict[str, Any] = report.to_dict()
    if rows.format != "table":
        rows.one(found)
        return
    agreement, accuracy = found.pop("agreement"), found.pop("accuracy")
    branches, changed = agreement.pop("branches"), agreement.pop("changed")
    rows.one({**found, **{name: value for name, value in agreement.items() if name != "items"}})
    shown = [{**one, "branch": one["branch"] or "(no class)", "share": one["same"] / one["items"]} for one in branches]
    rows.write(shown, ("branch", "items", "same", "share"), title="Same answer, by branch")
    if changed:
        examples = [
            {**one, "before": " > ".join(one["before"][-2:]), "after": " > ".join(one["after"][-2:])} for one in changed
        ]
        rows.write(examples, ("id", "text", "before", "after"), title="Items with another answer")
    if accuracy:
        rows.one(accuracy)


class _Bar:
    """What is being done on stderr, on a terminal only."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._shown = 0.0
        self._on = sys.stderr.isatty()

    def __call__(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if not self._on or now - self._shown < 0.5:  # twice a second is enough for a person
            return
        self._shown = now
        rate = done / max(now - self._started, 1e-9)
        left = f", {(of - done) / rate:,.0f} s left" if done and rate else ""
        click.echo(f"\r\x1b[K{what}: {done:,} of {of:,}{left}", nl=False, err=True)

    def done(self) -> None:
        """Clear the line."""
        if self._on and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
