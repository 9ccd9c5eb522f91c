"""nearclass items: stored items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import rich_click as click

from .common import App, Rows, filter_options, format_option, note, pass_app, space_option

__all__ = ["group"]

_COLUMNS = ("id", "title", "decision", "path", "score", "confirmed_class")

_ids_argument = click.argument("item_ids", nargs=-1, required=True, metavar="ID...")


@click.group("items")
def group() -> None:
    """Stored items: list, show, confirm, unconfirm, delete, export, reassign."""


@group.command("list")
@filter_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Items at most.")
@space_option
@format_option
@pass_app
def list_(
    app: App, class_id: str | None, where: tuple[str, ...], limit: int, space: str | None, output: str | None
) -> None:
    """List stored items with their latest assignment.

    Example: nearclass items list --where decision=novel
    """
    with app.open() as catalog:
        items = catalog.items(space)
        found = items.list(class_id=class_id, where=where, limit=limit)
        total = items.count(class_id=class_id, where=where)
    Rows(output).write((asdict(item) for item in found), _COLUMNS)
    if total > len(found):
        note(f"{len(found)} of {total} items; --limit shows more, `nearclass items export` all of them")


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


@group.command()
@_ids_argument
@click.option("--class", "class_id", required=True, metavar="CLASS", help="The class that is right for them.")
@space_option
@pass_app
def confirm(app: App, item_ids: tuple[str, ...], class_id: str, space: str | None) -> None:
    """Note that a person says these items belong to a class.

    Example: nearclass items confirm sku-1001 sku-1002 --class electronics/computers/monitors
    """
    with app.open() as catalog:
        spec = catalog.items(space).confirm(item_ids, class_id)
    note(f"confirmed as {spec.id}: {len(item_ids)} items")


@group.command()
@_ids_argument
@space_option
@pass_app
def unconfirm(app: App, item_ids: tuple[str, ...], space: str | None) -> None:
    """Take a confirmation back.

    Example: nearclass items unconfirm sku-1001
    """
    with app.open() as catalog:
        catalog.items(space).unconfirm(item_ids)
    note(f"no longer confirmed: {len(item_ids)} items")


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
@space_option
@format_option
@pass_app
def export(app: App, class_id: str | None, where: tuple[str, ...], space: str | None, output: str | None) -> None:
    """Write every stored item with its assignment.

    Example: nearclass items export -o csv > items.csv
    """
    with app.open() as catalog:

        def rows() -> Iterator[dict[str, Any]]:
            for item in catalog.items(space).iterate(class_id=class_id, where=where):
                row = asdict(item)
                del row["similarity"]
                yield row

        Rows(output or "jsonl").write(rows(), (*_COLUMNS, "description", "class_id", "confidence", "revision"))


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
