"""nearclass discover: classes that the catalogue may lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .changing import Changing, changing_options
from .common import App, Rows, format_option, note, note_stale, pass_app, space_option

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["command"]

_COLUMNS: Final = ("number", "name", "size", "cohesion", "nearest", "similarity", "parent", "example")
_EXAMPLE_CHARS: Final = 60


@click.command("discover")
@click.option("--min-size", type=click.IntRange(2), metavar="N", help="Items of the smallest proposal.  [default: 5]")
@click.option("--review", is_flag=True, help="Look at items under review too, not at novel ones only.")
@click.option(
    "--weakest",
    type=click.IntRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="Look also at this share of the items, those that class texts fit worst.",
)
@click.option("--accept", "number", type=click.IntRange(1), metavar="N", help="Make a class of this proposal.")
@click.option("--name", help="What the accepted class is called.")
@click.option("--parent", metavar="CLASS", help="Id, full path or unique name of the class above it.")
@click.option("--id", "class_id", metavar="ID", help="Stable id; by default made of the path.")
@space_option
@changing_options
@format_option
@pass_app
def command(
    app: App,
    min_size: int | None,
    review: bool,
    weakest: int,
    number: int | None,
    name: str | None,
    parent: str | None,
    class_id: str | None,
    space: str | None,
    *,
    changing: Changing,
    output: str | None,
) -> None:
    """Propose new classes from stored items that no class fits; with --accept, make one of them.

    Nothing is embedded but the texts of the new class, and nothing changes before --accept.

    Example: nearclass discover --accept 2 --name "E-readers" --parent Computers
    """
    if number is None:
        if name or parent or class_id or changing.by or changing.message:
            message = "--name, --parent, --id, --by and --message go with --accept"
            raise click.UsageError(message)
        with app.open() as catalog:
            _propose(catalog, min_size, space, output, review=review, weakest=weakest / 100)
        return
    if name is None:
        message = "--accept needs a --name for the class"
        raise click.UsageError(message)
    if review or weakest or min_size is not None:
        message = "--accept goes with none of --review, --weakest and --min-size"
        raise click.UsageError(message)
    with app.open() as catalog:
        signed = {"by": changing.by, "message": changing.message}
        done = catalog.accept(number, name, parent=parent, id=class_id, space=space, **signed)
        path = catalog.classes.taxonomy.path(done.spec.id)
    row = {"id": done.spec.id, "path": list(path), "examples": list(done.spec.examples)}
    Rows(output).one({**row, "assigned": done.assigned, "changed": done.changed})
    note(f"{done.assigned} stored items are assigned to it; {done.changed} have another answer now")


def _propose(catalog: Catalog, min_size: int | None, space: str | None, output: str | None, **look: Any) -> None:
    from ..learn.discover import MIN_SIZE  # noqa: PLC0415

    found = catalog.discover(space=space, min_size=min_size or MIN_SIZE, **look)
    rows = Rows(output)
    made = [proposal.to_dict() for proposal in found]
    if rows.format in {"table", "csv"}:
        made = [
            {
                **one,
                "nearest": " > ".join(one["nearest"][-2:]),
                "parent": " > ".join(one["parent"]),
                "example": (one["examples"] or ("",))[0][:_EXAMPLE_CHARS],
            }
            for one in made
        ]
    rows.write(made, _COLUMNS)
    if found:
        note("to make one of them a class: nearclass discover --accept NUMBER --name NAME --parent PARENT")
    else:
        note("no group of items is large enough; --min-size 2 finds smaller ones, --weakest 20 looks at more items")
    note_stale(catalog.stale_items())
