"""nearclass items: stored items."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import rich_click as click

from .common import App, Rows, filter_options, format_option, note, pass_app, space_option
from .confirming import confirm, unconfirm
from .exporting import export_options, write_delimited, write_parquet

if TYPE_CHECKING:
    from ..query.items import Found
    from ..schemas.records import Assignment

__all__ = ["group"]

_COLUMNS = ("id", "title", "decision", "path", "score", "margin", "candidates", "confirmed_class")
_TABLE = tuple(name for name in _COLUMNS if name != "score")

_ids_argument = click.argument("item_ids", nargs=-1, required=True, metavar="ID...")

decision_option = click.option(
    "--decision",
    type=click.Choice(("assigned", "ancestor", "review", "novel")),
    help="Only items with this decision; short for --where decision=...",
)


@click.group("items")
def group() -> None:
    """Stored items: list, show, confirm, unconfirm, delete, export, reassign."""


@group.command("list")
@filter_options
@decision_option
@click.option(
    "--sort",
    type=click.Choice(("margin", "score", "confidence", "updated")),
    help="What to begin with: the lowest margin, score or confidence, or the latest; by default the ids.",
)
@click.option("--reverse", is_flag=True, help="Begin at the other end of --sort.")
@click.option("-k", "k", default=3, show_default=True, type=click.IntRange(0, 5), help="Candidates to show of each.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Items at most.")
@space_option
@format_option
@pass_app
def list_(
    app: App,
    class_id: str | None,
    where: tuple[str, ...],
    decision: str | None,
    sort: str | None,
    k: int,
    limit: int,
    space: str | None,
    output: str | None,
    *,
    reverse: bool,
) -> None:
    """List stored items with their latest assignment, and the classes that are nearest to them now.

    Example: nearclass items list --decision review --sort margin
    """
    if reverse and not sort:
        message = "--reverse goes with --sort"
        raise click.UsageError(message)
    with app.open() as catalog:
        items = catalog.items(space)
        conditions = _where(where, decision)
        found = items.list(class_id=class_id, where=conditions, limit=limit, sort=sort, reverse=reverse)
        total = items.count(class_id=class_id, where=conditions) if len(found) == limit else len(found)
        answers = items.answers([item.id for item in found]) if k and found else {}
    rows = Rows(output)
    columns = _COLUMNS if rows.format == "csv" else _TABLE
    rows.write((_listed(item, answers.get(item.id), k, words=rows.for_people) for item in found), columns)
    if total > len(found):
        note(f"{len(found)} of {total} items; --limit shows more, `nearclass items export` all of them")


def _where(where: tuple[str, ...], decision: str | None) -> tuple[str, ...]:
    return where if decision is None else (*where, f"decision={decision}")


def _listed(item: Found, answer: Assignment | None, k: int, *, words: bool) -> dict[str, Any]:
    candidates = answer.candidates[:k] if answer else ()
    row = asdict(item)
    if words:  # the last two names of a path tell classes apart, and leave room for the title
        lines = (f"{' > '.join(one.path[-2:])} {one.score:.2f}" for one in candidates)
        return {**row, "candidates": "\n".join(lines)}
    return {**row, "candidates": [asdict(one) for one in candidates]}


@group.command()
@click.argument("item_id", metavar="ID")
@space_option
@format_option
@pass_app
def show(app: App, item_id: str, space: str | None, output: str | None) -> None:
    """Show one stored item.

    Example: nearclass items show sku-1001
    """
    with app.open() as catalog:
        item = catalog.items(space).get(item_id)
    Rows(output).one(asdict(item))


group.add_command(confirm)
group.add_command(unconfirm)


@group.command()
@_ids_argument
@space_option
@pass_app
def delete(app: App, item_ids: tuple[str, ...], space: str | None) -> None:
    """Remove items.

    Example: nearclass items delete sku-1001
    """
    with app.open() as catalog:
        count = catalog.items(space).delete(item_ids)
    note(f"deleted: {count} of {len(item_ids)} items")


@group.command()
@filter_options
@decision_option
@space_option
@export_options("jsonl", "json", "csv", "tsv", "parquet")
@pass_app
def export(
    app: App,
    class_id: str | None,
    where: tuple[str, ...],
    decision: str | None,
    space: str | None,
    output: str,
    *,
    raw: bool,
) -> None:
    """Write every stored item with its answer, as rows that can be ingested again.

    Columns that begin with nearclass_ are the answer; an ingest passes over them.

    Example: nearclass items export -o csv > items.csv
    """
    with app.open() as catalog:
        found = catalog.items(space).export(class_id=class_id, where=_where(where, decision))
        if output in {"csv", "tsv"}:
            write_delimited(found.rows(), list(found.columns()), output, raw=raw)
        elif output == "parquet":
            write_parquet(found.rows(), found.columns())
        else:
            Rows(output).write(found.rows(), ())


@group.command()
@space_option
@format_option
@pass_app
def reassign(app: App, space: str | None, output: str | None) -> None:
    """Answer anew every item that was assigned before the latest change of the classes.

    Nothing is embedded again. Writes the items whose answer is another one now.

    Example: nearclass items reassign
    """
    with app.open() as catalog:
        moved = catalog.items(space).reassign()
    rows = (
        {
            "id": answer.id,
            "from": before or None,
            "to": answer.class_id,
            "decision": answer.decision.value,
            "path": answer.path,
            "score": answer.score,
        }
        for before, answer in moved
    )
    Rows(output).write(rows, ("id", "from", "to", "decision", "score"))
    note(f"{len(moved)} items have another answer now")
