"""nearclass classes lint: what may be wrong with the taxonomy."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from .common import App, Rows, format_option, note, pass_app, space_option

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["command", "warn_of_nearest"]

_COLUMNS = ("code", "class", "other", "value", "message", "command")


@click.command("lint")
@click.option("--strict", is_flag=True, help="End with exit code 1 if anything is found.")
@space_option
@format_option
@pass_app
def command(app: App, strict: bool, space: str | None, output: str | None) -> None:
    """Say what may be wrong with the classes, each with its figures and a command that would mend it.

    Example: nearclass classes lint --strict
    """
    with app.open() as catalog:
        found = [asdict(finding) for finding in catalog.lint(space)]
    rows = Rows(output)
    shown = found
    if rows.format in {"table", "csv"}:
        shown = [
            {**one, "class": one["paths"][0], "other": " | ".join(map(" > ".join, one["paths"][1:]))} for one in found
        ]
    rows.write(shown, _COLUMNS)
    counts = Counter(one["code"] for one in found)
    note(", ".join(f"{code}: {count}" for code, count in counts.items()) or "nothing found")
    if strict and found:
        raise Exit(1)


def warn_of_nearest(catalog: Catalog, class_id: str) -> None:
    """Tell which class a new one is alike to, if there is one; nothing where the catalogue has no text space yet."""
    from ..ingest.linting import nearest_class  # noqa: PLC0415

    found = nearest_class(class_id, catalog.class_vectors())
    if found and found[1] > found[2]:
        path = " > ".join(catalog.classes.taxonomy.path(found[0]))
        note(f"warning: much like {path} (id {found[0]}): cosine {found[1]:.3f}, above {found[2]:.3f}")
        note("next: say what sets them apart: nearclass classes edit; all such pairs: nearclass classes lint")
