"""nearclass classes: history, and changes of several classes at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .common import App, Rows, format_option, note, pass_app

if TYPE_CHECKING:
    from ..store.history import Entry

__all__ = ["COMMANDS"]

_LOG: Final = ("revision", "at", "by", "command", "classes", "message")
_SHOWN_CLASSES: Final = 3


@click.command()
@click.option(
    "-n", "--number", "number", default=20, show_default=True, type=click.IntRange(1), help="Changes at most."
)
@format_option
@pass_app
def log(app: App, number: int, output: str | None) -> None:
    """List the changes of the classes, newest first: who, when, what and why.

    Example: nearclass classes log -n 5
    """
    with app.open() as catalog:
        entries = catalog.classes.log()
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


COMMANDS: Final = (log,)
