"""What every command that changes classes has: who makes the change, and why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .common import App, Rows, note

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.lifecycle import LivingClasses
    from ..schemas.records import ClassSpec
    from ..schemas.taxonomy import Taxonomy

__all__ = ["UNSEEN", "Changing", "changing_options", "class_row"]

UNSEEN: Final = "pictures of {} classes are kept and not looked at: NEARCLASS_IMAGE_ENCODER is not set"

_STALE: Final = "{} stored items were assigned before this change; `nearclass items reassign` answers them anew."


@dataclass(frozen=True)
class Changing:
    """What the options say of a change."""

    by: str
    message: str

    def one(
        self,
        app: App,
        output: str | None,
        change: Callable[[LivingClasses], ClassSpec],
        warn: Callable[[Catalog, str], None] = lambda _catalog, _class_id: None,
    ) -> None:
        """Make a change of one class, print the class, and say how many stored items it may concern.

        ``warn`` is called with the id of the class once the change is made.
        """

        def make(catalog: Catalog) -> dict[str, Any]:
            spec = change(catalog.classes.signed(self.by, self.message))
            if spec.images and not catalog.sees:
                note(UNSEEN.format(1))
            warn(catalog, spec.id)
            return class_row(spec, catalog.classes.taxonomy)

        self.make(app, output, make)

    def make(self, app: App, output: str | None, change: Callable[[Catalog], dict[str, Any]]) -> None:
        """Make a change, print the row that it gives, and say how many stored items it may concern."""
        with app.open() as catalog:
            row = change(catalog)
            Rows(output).one(row)
            stale = catalog.stale_items()
        if stale:
            note(_STALE.format(stale))


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


def class_row(spec: ClassSpec, taxonomy: Taxonomy) -> dict[str, Any]:
    """A class as the commands print it."""
    from ..schemas.taxonomy import spec_to_dict  # noqa: PLC0415

    return {
        **spec_to_dict(spec),
        "path": list(taxonomy.path(spec.id)),
        "state": spec.state.value,
        "assignable": spec.id in set(taxonomy.assignable()),
    }
