"""What every command that changes classes has: who makes the change, and why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.lifecycle import LivingClasses

__all__ = ["Changing", "changing_options"]


@dataclass(frozen=True)
class Changing:
    """What the options say of a change."""

    by: str
    message: str

    def classes(self, catalog: Catalog) -> LivingClasses:
        """The classes to change, signed."""
        return catalog.classes.signed(self.by, self.message)


def changing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--by`` and ``--message``, which come as one ``changing``."""

    @functools.wraps(command)
    def collected(*args: Any, **options: Any) -> Any:
        changing = Changing(**{field.name: options.pop(field.name) for field in fields(Changing)})
        return command(*args, changing=changing, **options)

    added = (
        click.option("--by", default="", metavar="NAME", help="Who makes the change; by default the setting `author`."),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why, for `nearclass classes log`."),
    )
    return functools.reduce(lambda inner, add: add(inner), reversed(added), collected)
