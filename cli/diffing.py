"""nearclass classes diff: what is different, between a file and the catalogue or between two revisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import rich_click as click

from .common import App, Rows, format_option, note, pass_app

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..schemas.differences import Difference
    from ..schemas.taxonomy import Taxonomy

__all__ = ["command", "mapping_option", "revision_option", "taxonomy_at"]

_F = TypeVar("_F", bound=Callable[..., Any])

_COLUMNS: Final = ("changes", "id", "path", "details")


def revision_option(command: _F) -> _F:
    """Add ``--revision``."""
    text = "As the classes were at this revision; `nearclass classes log` lists them."
    return click.option("--revision", metavar="N", type=click.IntRange(0), help=text)(command)


def mapping_option(command: _F) -> _F:
    """Add ``--mapping``."""
    text = "File that says which new classes old ones lead to: rows with `old` and `new`, or a mapping of Shopify."
    return click.option("--mapping", metavar="FILE", help=text)(command)


def taxonomy_at(catalog: Catalog, revision: int | None) -> Taxonomy:
    """The classes as they were at a revision, or as they are."""
    return catalog.classes.taxonomy if revision is None else catalog.classes.at(revision)


@click.command("diff")
@click.argument("path", required=False)
@mapping_option
@click.option(
    "--format", "file_format", metavar="FORMAT", help="csv, tsv, jsonl, json, parquet; else told by the file."
)
@click.option("--from", "before", metavar="N", type=click.IntRange(0), help="Revision to start from.")
@click.option("--to", "after", metavar="N", type=click.IntRange(0), help="Revision to compare it with; by default now.")
@format_option
@pass_app
def command(
    app: App,
    path: str | None,
    mapping: str | None,
    file_format: str | None,
    before: int | None,
    after: int | None,
    output: str | None,
) -> None:
    """List what is different: between the catalogue and a file, or between two revisions.

    With PATH: what `classes import` of that file would change, and which classes it does not have. With --from: what
    has changed since that revision, or until that of --to.

    Example: nearclass classes diff --from 12 --to 15
    """
    if (path is None) == (before is None):
        message = "give either a file or --from REVISION"
        raise click.UsageError(message)
    if before is None and after is not None:
        message = "--to goes with --from"
        raise click.UsageError(message)
    if path is None and mapping is not None:
        message = "--mapping goes with a file"
        raise click.UsageError(message)
    with app.open() as catalog:
        if before is not None:
            found = catalog.classes.diff(before, after)
        else:
            found = _of_file(catalog, str(path), mapping, file_format)
    rows = Rows(output)
    plain = rows.format in {"table", "csv"}
    rows.write(({**one.to_dict(), **({"details": _details(one)} if plain else {})} for one in found), _COLUMNS)
    counts = Counter(change for one in found for change in one.changes)
    note(", ".join(f"{count} {change}" for change, count in counts.items()) or "no difference")


def _of_file(catalog: Catalog, path: str, mapping: str | None, file_format: str | None) -> list[Difference]:
    from ..ingest.class_files import open_version  # noqa: PLC0415

    version = open_version(path, catalog.classes.taxonomy, mapping=mapping, format=file_format)
    if version.rejects:
        first = version.rejects[0]
        note(f"{len(version.rejects)} rows cannot be used, the first in line {first.line}: {first.message}")
    return catalog.classes.diff_version(version)


def _details(one: Difference) -> str:
    """The fields that are different, in words."""
    if not one.before and one.changes == ("added",):
        return ""
    names = [name for name in {**one.before, **one.after} if one.changes != ("missing",)]
    return "; ".join(f"{name}: {_word(one.before, name)} -> {_word(one.after, name)}" for name in names)


def _word(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return ("active" if name == "state" else "none") if value is None else str(value)
