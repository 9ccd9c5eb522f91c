"""nearclass classes: history, and changes of several classes at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .changing import Changing, trying_options
from .common import App, Rows, class_argument, format_option, note, pass_app

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..store.history import Entry

__all__ = ["COMMANDS"]

_LOG: Final = ("revision", "at", "by", "command", "classes", "message")
_SHOWN_CLASSES: Final = 3


@click.command()
@click.option(
    "-n", "--number", "number", default=20, show_default=True, type=click.IntRange(1), help="Changes at most."
)
@click.option("--class", "class_id", metavar="CLASS", help="Only changes that added or replaced this class.")
@format_option
@pass_app
def log(app: App, number: int, class_id: str | None, output: str | None) -> None:
    """List the changes of the classes, newest first: who, when, what and why.

    Example: nearclass classes log -n 5
    """
    with app.open() as catalog:
        entries = catalog.classes.log(class_id)
    rows = Rows(output)
    rows.write((_entry(one, short=rows.format == "table") for one in entries[:number]), _LOG)
    if len(entries) > number:
        note(f"{number} of {len(entries)} changes; -n shows more")


def _entry(entry: Entry, *, short: bool) -> Mapping[str, Any]:
    classes = list(entry.classes)
    if short and entry.count > _SHOWN_CLASSES:
        classes = [*classes[:_SHOWN_CLASSES], f"and {entry.count - _SHOWN_CLASSES} more"]
    return {
        "revision": entry.revision,
        "at": datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": entry.by,
        "command": entry.command,
        "classes": classes,
        "count": entry.count,
        "message": entry.message,
    }


@click.command()
@class_argument
@click.argument("name")
@trying_options
@format_option
@pass_app
def rename(app: App, class_id: str, name: str, *, changing: Changing, output: str | None) -> None:
    """Give a class another name; its id stays.

    Example: nearclass classes rename tablets "Tablet computers"
    """
    changing.one(app, output, lambda classes: classes.rename(class_id, name))


@click.command()
@class_argument
@click.option("--under", metavar="CLASS", help="The class to put it below.")
@click.option("--top", is_flag=True, help="Put it at the top instead.")
@trying_options
@format_option
@pass_app
def move(app: App, class_id: str, under: str | None, *, top: bool, changing: Changing, output: str | None) -> None:
    """Put a class, with all that is below it, below another one or at the top.

    Example: nearclass classes move tablets --under Electronics
    """
    if top == (under is not None):
        message = "give either --under CLASS or --top"
        raise click.UsageError(message)
    changing.one(app, output, lambda classes: classes.move(class_id, under))


@click.command()
@click.argument("class_ids", nargs=-1, required=True, metavar="CLASS...")
@click.option("--into", required=True, metavar="CLASS", help="The class that stays.")
@click.option("--no-evidence", is_flag=True, help="Leave its texts as they are.")
@trying_options
@format_option
@pass_app
def merge(
    app: App, class_ids: tuple[str, ...], into: str, *, no_evidence: bool, changing: Changing, output: str | None
) -> None:
    """Merge classes into another one, to which they lead from then on, with their items and their texts.

    Example: nearclass classes merge slates pads --into tablets
    """

    def make(catalog: Catalog) -> dict[str, Any]:
        target = catalog.classes.taxonomy.find(into).id
        classes = catalog.classes.signed(changing.by, changing.message)
        taxonomy = classes.merge(class_ids, target, evidence=not no_evidence).taxonomy
        return {**taxonomy.row(target), "merged": taxonomy.merged([target])}

    changing.make(app, output, make)


@click.command()
@class_argument
@click.option(
    "--into",
    multiple=True,
    required=True,
    metavar="PART",
    help="'NAME: description' or a class row in JSON; repeatable.",
)
@click.argument("others", nargs=-1, metavar="PART...")
@click.option("--retire", is_flag=True, help="Retire the class, instead of keeping it above its parts.")
@trying_options
@format_option
@pass_app
def split(
    app: App,
    class_id: str,
    into: tuple[str, ...],
    others: tuple[str, ...],
    *,
    retire: bool,
    changing: Changing,
    output: str | None,
) -> None:
    """Split a class into new ones; its stored items go to the nearest of them, unless a person confirmed them.

    Example: nearclass classes split tablets --into "E-readers: To read books on." "Slates: Flat computers."
    """
    parts = [_part(one) for one in (*into, *others)]

    def make(catalog: Catalog) -> dict[str, Any]:
        change, shared = catalog.split(class_id, parts, retire=retire, by=changing.by, message=changing.message)
        if shared.conflicts:
            note(f"{len(shared.conflicts)} confirmed items stay; give them a class with `nearclass items confirm`")
        return {
            "added": list(change.added),
            "items": shared.moved,
            "conflicts": list(shared.conflicts),
            "revision": change.taxonomy.revision,
        }

    changing.make(app, output, make)


@click.command()
@click.argument("revision", type=click.IntRange(0))
@trying_options
@format_option
@pass_app
def rollback(app: App, revision: int, *, changing: Changing, output: str | None) -> None:
    """Bring the classes of an earlier revision back, as a new revision; classes that are new since then are retired.

    Example: nearclass classes rollback 3
    """

    def make(catalog: Catalog) -> dict[str, Any]:
        change = catalog.classes.signed(changing.by, changing.message).rollback(revision)
        return {"changed": [*change.added, *change.changed], "revision": change.taxonomy.revision}

    changing.make(app, output, make)


def _part(text: str) -> str | dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return text
    try:
        row: dict[str, Any] = json.loads(text)
    except ValueError as error:
        message = f"{text[:60]!r} is no class row in JSON: {error}"
        raise click.UsageError(message) from None
    return row


COMMANDS: Final = (log, rename, move, merge, split, rollback)
