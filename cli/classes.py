"""nearclass classes: the taxonomy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from . import lifecycle
from .changing import UNSEEN, Changing, class_row, trying_options
from .common import (
    App,
    Rows,
    class_argument,
    end_with_rejects,
    format_option,
    note,
    pass_app,
    rejects_option,
    space_option,
)
from .lint import command as lint
from .lint import warn_of_nearest

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["group"]


@click.group("classes")
def group() -> None:
    """The taxonomy: import, add, list, show, edit, retire, restore, export, log, lint; rename, move, merge, split."""


@group.command("import")
@click.argument("path")
@click.option(
    "--format", "file_format", metavar="FORMAT", help="csv, tsv, jsonl, json, parquet; else told by the file."
)
@space_option
@rejects_option
@trying_options
@format_option
@pass_app
def import_(
    app: App,
    path: str,
    file_format: str | None,
    space: str | None,
    rejects: str,
    *,
    changing: Changing,
    output: str | None,
) -> None:
    """Add classes from a file; those that are there already are replaced if they differ.

    PATH is JSONL, CSV, TSV or Parquet with `id`, `name` and `path` or `parent`, optionally `description`, `synonyms`,
    `examples` and `images`; or the Google product taxonomy as text; or Shopify's categories.txt.

    Example: nearclass classes import classes.jsonl
    """
    from ..ingest.class_files import open_classes  # noqa: PLC0415
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415

    rejected, unseen = 0, 0

    def make(catalog: Catalog) -> dict[str, Any]:
        nonlocal rejected, unseen
        with RejectWriter(rejects) as writer:
            found = open_classes(path, catalog.classes.taxonomy, format=file_format)
            for bad in found.rejects:
                writer.write(bad)
        change = catalog.import_classes(
            found.specs, space=space, folder=found.folder, by=changing.by, message=changing.message
        )
        rejected = len(found.rejects)
        unseen = sum(bool(spec.images) for spec in found.specs) if not catalog.sees else 0
        return {
            "added": len(change.added),
            "changed": len(change.changed),
            "unchanged": change.unchanged,
            "implied": found.implied,
            "rejected": rejected,
            "classes": len(change.taxonomy),
            "assignable": len(change.taxonomy.assignable()),
            "revision": change.taxonomy.revision,
        }

    summary = changing.make(app, output, make, space=space)
    if unseen:
        note(UNSEEN.format(unseen))
    if not summary["assignable"]:
        note("No class can be assigned yet: all of them group others or are marked as not assignable.")
    end_with_rejects(rejected, rejects)


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
@format_option
@pass_app
def list_(app: App, under: str | None, *, retired: bool, output: str | None) -> None:
    """List classes, parents before children.

    Example: nearclass classes list --under Electronics
    """
    with app.open() as catalog:
        taxonomy = catalog.classes.taxonomy
    ids = taxonomy.descendants(taxonomy.find(under).id) if under else [spec.id for spec in taxonomy]
    rows = (class_row(taxonomy[class_id], taxonomy) for class_id in ids if retired or taxonomy.is_live(class_id))
    Rows(output).write(rows, ("id", "path", "assignable"))


@group.command()
@class_argument
@format_option
@pass_app
def show(app: App, class_id: str, output: str | None) -> None:
    """Show one class: its texts and pictures, its children, how many items it has.

    Example: nearclass classes show "Electronics > Computers > Tablets"
    """
    with app.open() as catalog:
        taxonomy = catalog.classes.taxonomy
        spec = taxonomy.find(class_id)
        row = {
            **class_row(spec, taxonomy),
            "children": taxonomy.children(spec.id),
            "items": catalog.items().count(class_id=spec.id),
            "revision": taxonomy.revision,
        }
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
@format_option
@pass_app
def export(app: App, output: str | None) -> None:
    """Write every class in the form that `classes import` reads.

    Example: nearclass classes export -o jsonl > classes.jsonl
    """
    from ..schemas.taxonomy import spec_to_dict  # noqa: PLC0415

    with app.open() as catalog:
        taxonomy = catalog.classes.taxonomy
    columns = ("id", "name", "parent", "descriptions", "synonyms", "examples", "images", "label", "state")
    Rows(output or "jsonl").write((spec_to_dict(spec) for spec in taxonomy), columns)


for one in (*lifecycle.COMMANDS, lint):
    group.add_command(one)
