"""nearclass assign: the nearest class of texts and pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import rich_click as click

from .common import App, Input, Rows, clean, end_with_rejects, format_option, input_options, pass_app, picture

if TYPE_CHECKING:
    from ..ingest.sources import BadRow
    from ..schemas.records import Assignment, Item

__all__ = ["command"]


@click.command("assign")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--input", "path", metavar="PATH|-", help="A file of items or of lines of text; - is standard input.")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="PATH",
    help="A picture, a path or an address; repeatable. With one TEXT, both are of one item.",
)
@click.option("-k", default=5, show_default=True, type=click.IntRange(1, 100), help="Candidates to name.")
@click.option("--explain", is_flag=True, help="Say why: candidates, evidence, and the rule that decided.")
@input_options
@format_option
@pass_app
def command(
    app: App,
    texts: tuple[str, ...],
    path: str | None,
    images: tuple[str, ...],
    k: int,
    *,
    explain: bool,
    given: Input,
    output: str | None,
) -> None:
    """Say which class each text, picture or item belongs to; nothing is stored.

    Example: nearclass assign "Kindle-style reader, 6 inch" --image reader.jpg --explain
    """
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415
    from ..ingest.sources import BadRow  # noqa: PLC0415

    rows = _rows(texts, path, images, given)
    writer = Rows(output)
    shown = explain or writer.format in {"json", "jsonl"}
    with app.open(brief=True) as catalog, RejectWriter(given.rejects) as bad_rows:

        def answers() -> Iterator[Assignment]:
            for answer in catalog.assign_each(rows, k=k, explain=shown, space=given.space):
                if isinstance(answer, BadRow):
                    bad_rows.write(answer)
                else:
                    yield answer

        if writer.format == "table" and explain:
            for answer in answers():
                _explain(answer)
        else:
            columns = _TABLE if writer.format == "table" else _CSV
            writer.write((_row(one, writer.format, explain=explain) for one in answers()), columns)
        rejected = bad_rows.count
    end_with_rejects(rejected, given.rejects)


def _rows(texts: tuple[str, ...], path: str | None, images: tuple[str, ...], given: Input) -> Iterator[Item | BadRow]:
    """The items of the command line or of a file."""
    from ..ingest.labelled import mapped_items  # noqa: PLC0415 - help must not wait for what the catalogue needs
    from ..schemas.records import Item  # noqa: PLC0415

    if bool(texts or images) == (path is not None):
        message = 'give texts, --image or --input, for example: nearclass assign "red kettle"'
        raise click.UsageError(message)
    if texts and images and (len(texts) > 1 or len(images) > 1):
        message = f"{len(texts)} texts and {len(images)} pictures: which belong together is not said"
        raise click.UsageError(f"{message}. Give one of each, or a file of items with --input.")
    if path is not None:
        return mapped_items(given.sources([path]), given.mapping())
    if not images:
        return (Item(str(number), text=text) for number, text in enumerate(texts, 1))
    text = texts[0] if texts else None
    pictures = map(picture, images)
    return (Item(str(number), text=text, image=at, folder=folder) for number, (at, folder) in enumerate(pictures, 1))


_TABLE = ("id", "decision", "class", "score", "margin")
_CSV = ("id", "decision", "class_id", "path", "score", "confidence", "margin", "nearest", "truncated", "revision")


def _row(answer: Assignment, output: str, *, explain: bool) -> Mapping[str, Any]:
    row = answer.row(explain=explain)
    nearest = answer.candidates[0].path
    if output == "csv":
        row["nearest"] = nearest
    if output == "table":
        row["class"] = answer.path or f"({' > '.join(nearest)})"
    return row


def _explain(answer: Assignment) -> None:
    lines = [f"{answer.id}: {answer.decision.value}" + (f"  {' > '.join(answer.path)}" if answer.path else "")]
    lines.append(f"  rule: {answer.rule}")
    best = max((candidate.score for candidate in answer.candidates), default=1.0)
    for candidate in answer.candidates:
        bar = "#" * max(0, round(20 * candidate.score / best)) if best > 0 else ""
        lines.append(f"  {candidate.score:6.3f}  {bar:<20}  {' > '.join(candidate.path)}")
    both = "+" in answer.space
    for piece in answer.evidence:
        where = f"  ({piece.space})" if both else ""
        lines.append(f"  {piece.similarity:6.3f}  matched {piece.kind.value}: {piece.text}{where}")
    if answer.truncated:
        lines.append("  the text is longer than the encoder reads; the rest was not looked at")
    for line in lines:
        click.echo(clean(line))
    sys.stdout.flush()
