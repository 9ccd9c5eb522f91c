"""What every command that changes classes has: who makes the change, and why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .common import App, Rows, note
from .moves import write_moves

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.lifecycle import LivingClasses
    from ..schemas.records import ClassSpec
    from ..schemas.taxonomy import Taxonomy

__all__ = ["UNSEEN", "Changing", "changing_options", "class_row", "trying_options"]

UNSEEN: Final = "pictures of {} classes are kept and not looked at: NEARCLASS_IMAGE_ENCODER is not set"

_SOON: Final = 2_000
"""So many stored items are answered in memory after each change, which takes about a second."""

_STALE: Final = "{} stored items were assigned before this change; `nearclass items reassign` answers them anew."


@dataclass(frozen=True)
class Changing:
    """What the options say of a change."""

    by: str
    message: str
    dry_run: bool

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

    def make(
        self, app: App, output: str | None, change: Callable[[Catalog], dict[str, Any]], *, space: str | None = None
    ) -> dict[str, Any]:
        """Make a change, print the row that it gives, which is returned, and say what it means for stored items."""
        with app.open() as catalog:
            if self.dry_run:
                return _tried(catalog, Rows(output), change, space)
            row = change(catalog)
            Rows(output).one(row)
            _note_answers(catalog, space)
        return row


def _tried(
    catalog: Catalog, rows: Rows, change: Callable[[Catalog], dict[str, Any]], space: str | None
) -> dict[str, Any]:
    """Make a change in memory only, and print what it would do."""
    before = catalog.classes.taxonomy
    draft = catalog.draft()
    row = change(draft)
    found = draft.preview(before, space=space).to_dict()
    if rows.format == "table":
        moves, losing, conflicts = (found.pop(name) for name in ("moves", "losing", "conflicts"))
        rows.one({**found, "conflicts": len(conflicts)})
        write_moves(rows, moves, "Items whose answer changes")
        if losing:
            rows.write(losing, ("path", "items"), title="Classes that lose most")
    else:
        rows.one({"change": row, **found})
    note("nothing was changed; without --dry-run it is, and `nearclass items reassign` then moves the items")
    return row


def _note_answers(catalog: Catalog, space: str | None) -> None:
    """Say how many stored items have older answers, and where that is soon found out, how many would change."""
    stale = catalog.stale_items()
    if not stale:
        return
    text = _STALE.format(stale)
    if stale <= _SOON:
        text += f" {catalog.preview(space=space).changed} of them would change."
    note(text)


def changing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--by`` and ``--message``, which come as one ``changing``."""

    @functools.wraps(command)
    def collected(*args: Any, dry_run: bool = False, **options: Any) -> Any:
        changing = Changing(options.pop("by"), options.pop("message"), dry_run)
        return command(*args, changing=changing, **options)

    added = (
        click.option("--by", default="", metavar="NAME", help="Who makes the change; by default the setting `author`."),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why, for `nearclass classes log`."),
    )
    return functools.reduce(lambda inner, add: add(inner), reversed(added), collected)


def trying_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dry-run`` to those of ``changing_options``."""
    text = "Say which stored items would move, and change nothing."
    return click.option("--dry-run", is_flag=True, help=text)(changing_options(command))


def class_row(spec: ClassSpec, taxonomy: Taxonomy) -> dict[str, Any]:
    """A class as the commands print it."""
    from ..schemas.taxonomy import spec_to_dict  # noqa: PLC0415

    return {
        **spec_to_dict(spec),
        "path": list(taxonomy.path(spec.id)),
        "state": spec.state.value,
        "assignable": spec.id in set(taxonomy.assignable()),
    }
