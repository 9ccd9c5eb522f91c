"""nearclass classes: the taxonomy."""

from __future__ import annotations

from typing import Any

import rich_click as click

from . import lifecycle
from .changing import Changing, trying_options
from .common import (
    App,
    Rows,
    class_argument,
    format_option,
    pass_app,
)
from .diffing import command as diff
from .diffing import revision_option, taxonomy_at
from .exporting import export_options, write_delimited
from .importing import command as import_
from .lint import command as lint
from .lint import warn_of_nearest

__all__ = ["group"]

_EXPORTED = ("id", "name", "parent", "descriptions", "synonyms", "examples", "images", "label", "state", "attributes")


@click.group("classes")
def group() -> None:
    """The taxonomy: import, export, add, edit, rename, move, merge, split, retire, restore; list, log, diff, lint."""


group.add_command(import_)


@group.command()
@click.argument("name")
@click.option("--id", "class_id", metavar="ID", help="Stable id; by default made of the path.")
@click.option("--parent", metavar="CLASS", help="Id, full path or unique name of the class above it.")
@click.option("-d", "--description", "descriptions", multiple=True, help="What belongs here; repeatable.")
@click.option("--synonym", "synonyms", multiple=True, help="Another name; repeatable.")
@click.option("--example", "examples", multiple=True, help="Text of an item that belongs here; repeatable.")
@click.option("--image", "images", multiple=True, metavar="PATH", help="Picture of what belongs here; repeatable.")
@trying_options
@format_option
@pass_app
def add(
    app: App,
    name: str,
    class_id: str | None,
    parent: str | None,
    descriptions: tuple[str, ...],
    synonyms: tuple[str, ...],
    examples: tuple[str, ...],
    images: tuple[str, ...],
    *,
    changing: Changing,
    output: str | None,
) -> None:
    """Add one class; it is live when the command returns.

    Example: nearclass classes add "E-readers" --parent Computers -d "Devices with an e-paper screen to read books."
    """
    changing.one(
        app,
        output,
        lambda classes: classes.add(
            name,
            id=class_id,
            parent=parent,
            descriptions=descriptions,
            synonyms=synonyms,
            examples=examples,
            images=images,
        ),
        warn_of_nearest,
    )


@group.command("list")
@click.option("--under", metavar="CLASS", help="Only this class and what is below it.")
@click.option("--retired", is_flag=True, help="Also classes that are retired.")
@revision_option
@format_option
@pass_app
def list_(app: App, under: str | None, revision: int | None, *, retired: bool, output: str | None) -> None:
    """List classes, parents before children.

    Example: nearclass classes list --under Electronics
    """
    with app.open() as catalog:
        taxonomy = taxonomy_at(catalog, revision)
    ids = taxonomy.descendants(taxonomy.find(under).id) if under else [spec.id for spec in taxonomy]
    rows = (taxonomy.row(class_id) for class_id in ids if retired or taxonomy.is_live(class_id))
    Rows(output).write(rows, ("id", "path", "assignable"))


@group.command()
@class_argument
@revision_option
@format_option
@pass_app
def show(app: App, class_id: str, revision: int | None, output: str | None) -> None:
    """Show one class: its texts and pictures, its children, how many items it has.

    Example: nearclass classes show "Electronics > Computers > Tablets"
    """
    with app.open() as catalog:
        taxonomy = taxonomy_at(catalog, revision)
        spec = taxonomy.find(class_id)
        row = {**taxonomy.row(spec.id), "children": taxonomy.children(spec.id)}
        if revision is None:
            row["items"] = catalog.items().count(class_id=spec.id)
        row["revision"] = taxonomy.revision
    Rows(output).one(row)


@group.command()
@class_argument
@click.option("--name", help="New name.")
@click.option("-d", "--description", "descriptions", multiple=True, help="Replaces the descriptions; repeatable.")
@click.option("--synonym", "synonyms", multiple=True, help="Replaces the synonyms; repeatable.")
@click.option("--example", "examples", multiple=True, help="Replaces the examples; repeatable.")
@click.option("--image", "images", multiple=True, metavar="PATH", help="Replaces the pictures; repeatable.")
@click.option("--assignable/--not-assignable", default=None, help="Whether items may be assigned to it.")
@trying_options
@format_option
@pass_app
def edit(
    app: App,
    class_id: str,
    name: str | None,
    descriptions: tuple[str, ...],
    synonyms: tuple[str, ...],
    examples: tuple[str, ...],
    images: tuple[str, ...],
    *,
    assignable: bool | None,
    changing: Changing,
    output: str | None,
) -> None:
    """Change a class; what is not named stays. One empty value clears a list: --synonym "".

    Example: nearclass classes edit tablets --synonym "slate" --synonym "pad"
    """
    given: dict[str, Any] = {"name": name, "assignable": assignable}
    lists = {"descriptions": descriptions, "synonyms": synonyms, "examples": examples, "images": images}
    changes = {key: value for key, value in given.items() if value is not None}
    changes |= {key: tuple(filter(None, value)) for key, value in lists.items() if value}
    if not changes:
        message = "nothing to change: give --name, --description, --synonym, --example, --image or --assignable"
        raise click.UsageError(message)
    changing.one(app, output, lambda classes: classes.edit(class_id, **changes))


@group.command()
@class_argument
@trying_options
@format_option
@pass_app
def retire(app: App, class_id: str, *, changing: Changing, output: str | None) -> None:
    """Stop answering a class and everything below it; nothing stored is lost.

    Example: nearclass classes retire fax-machines
    """
    changing.one(app, output, lambda classes: classes.retire(class_id))


@group.command()
@class_argument
@trying_options
@format_option
@pass_app
def restore(app: App, class_id: str, *, changing: Changing, output: str | None) -> None:
    """Answer a retired class again.

    Example: nearclass classes restore fax-machines
    """
    changing.one(app, output, lambda classes: classes.restore(class_id))


@group.command()
@revision_option
@export_options("jsonl", "json", "csv", "tsv")
@pass_app
def export(app: App, revision: int | None, output: str, *, raw: bool) -> None:
    """Write every class in the form that `classes import` reads.

    Example: nearclass classes export -o jsonl > classes.jsonl
    """
    from ..schemas.taxonomy import spec_to_dict  # noqa: PLC0415

    with app.open() as catalog:
        taxonomy = taxonomy_at(catalog, revision)
    rows = (spec_to_dict(spec) for spec in taxonomy)
    if output in {"csv", "tsv"}:
        write_delimited(rows, _EXPORTED, output, raw=raw)
    else:
        Rows(output).write(rows, _EXPORTED)


for one in (*lifecycle.COMMANDS, diff, lint):
    group.add_command(one)
