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

__all__ = ["CONFLICTS", "UNSEEN", "Changing", "changing_options", "trying_options"]

UNSEEN: Final = "pictures of {} classes are kept and not looked at: NEARCLASS_IMAGE_ENCODER is not set"

CONFLICTS: Final = "{} confirmed items would be answered otherwise, and stay; `-o json` names them"

_AT_ONCE: Final = 100_000
"""Up to so many items stored on a server are answered anew by the change itself; reading more takes minutes."""

_LEFT: Final = "{} stored items were assigned before this change; `nearclass items reassign` answers them anew."


@dataclass(frozen=True)
class Changing:
    """What the options say of a change."""

    by: str
    message: str
    dry_run: bool
    reassign: bool | None

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
            return catalog.classes.taxonomy.row(spec.id)

        self.make(app, output, make)

    def make(
        self, app: App, output: str | None, change: Callable[[Catalog], dict[str, Any]], *, space: str | None = None
    ) -> dict[str, Any]:
        """Make a change, print the row that it gives, which is returned, and what it means for stored items."""
        with app.open(brief=True) as catalog:
            rows = Rows(output)
            if self.dry_run:
                return _tried(catalog, rows, change, space)
            before = catalog.classes.taxonomy
            row = change(catalog)
            if rows.format not in {"json", "jsonl"}:  # the class is live; its items may take a while
                rows.one(row)
            found = self._settled(catalog, before)
            if rows.format == "table":
                for one in found.values():
                    _table(rows, one)
            elif rows.format != "csv":
                given = {name: one for name, one in found.items() if name is not None}
                rows.one({**row, "moved": found.get(None), **({"moved_in": given} if given else {})})
        return row

    def _settled(self, catalog: Catalog, before: Taxonomy) -> dict[str | None, dict[str, Any]]:
        """Answer stored items anew where that was asked for or is soon done; what changed, by space."""
        stale = catalog.stale_spaces()
        count = sum(stale.values())
        wanted = catalog.store.embedded or count <= _AT_ONCE if self.reassign is None else self.reassign
        if count and not wanted:
            note(_LEFT.format(count))
        if not wanted:
            return {}
        found = {space: catalog.reassign(before, space=space).to_dict() for space in stale}
        conflicts = sum(len(one["conflicts"]) for one in found.values())
        if count:
            note(f"{sum(one['changed'] for one in found.values())} of {count} stored items have another answer now")
        if conflicts:
            note(CONFLICTS.format(conflicts))
        return found


def _tried(
    catalog: Catalog, rows: Rows, change: Callable[[Catalog], dict[str, Any]], space: str | None
) -> dict[str, Any]:
    """Make a change in memory only, and print what it would do."""
    before = catalog.classes.taxonomy
    draft = catalog.draft()
    row = change(draft)
    found = draft.preview(before, space=space).to_dict()
    if rows.format == "table":
        _table(rows, found)
    else:
        rows.one({"change": row, **found})
    note("nothing was changed; without --dry-run it is, and these items move")
    return row


def _table(rows: Rows, found: dict[str, Any]) -> None:
    moves, losing, conflicts = (found[name] for name in ("moves", "losing", "conflicts"))
    rows.one({"items": found["items"], "changed": found["changed"], "conflicts": len(conflicts)})
    write_moves(rows, moves, "Items whose answer changes")
    if losing:
        rows.write(losing, ("path", "items"), title="Classes that lose most")


def changing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--by`` and ``--message``, which come as one ``changing``."""

    @functools.wraps(command)
    def collected(*args: Any, dry_run: bool = False, reassign: bool | None = None, **options: Any) -> Any:
        changing = Changing(options.pop("by"), options.pop("message"), dry_run, reassign)
        return command(*args, changing=changing, **options)

    added = (
        click.option("--by", default="", metavar="NAME", help="Who makes the change; by default the setting `author`."),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why, for `nearclass classes log`."),
    )
    return functools.reduce(lambda inner, add: add(inner), reversed(added), collected)


def trying_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dry-run`` and ``--reassign`` to those of ``changing_options``."""
    command = click.option(
        "--reassign/--no-reassign",
        default=None,
        help="Whether stored items are answered anew at once; by default not where a server has over 100,000 to do.",
    )(changing_options(command))
    text = "Say which stored items would move, and change nothing."
    return click.option("--dry-run", is_flag=True, help=text)(command)
