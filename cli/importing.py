"""nearclass classes import: classes from a file, also a new version of those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from .changing import UNSEEN, Changing, trying_options
from .common import App, end_with_rejects, format_option, note, pass_app, rejects_option, space_option
from .diffing import mapping_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..catalog import Catalog
    from ..ingest.change import Change
    from ..ingest.versions import Version

__all__ = ["command"]

_NAMED: Final = 5
"""Classes that a note names."""


@click.command("import")
@click.argument("path")
@click.option(
    "--format", "file_format", metavar="FORMAT", help="csv, tsv, jsonl, json, parquet; else told by the file."
)
@space_option
@mapping_option
@click.option("--retire-missing", is_flag=True, help="Retire classes that neither the file nor the mapping has.")
@rejects_option
@trying_options
@format_option
@pass_app
def command(
    app: App,
    path: str,
    file_format: str | None,
    space: str | None,
    mapping: str | None,
    rejects: str,
    *,
    retire_missing: bool,
    changing: Changing,
    output: str | None,
) -> None:
    """Add classes from a file; those that are there already are replaced if they differ.

    PATH is JSONL, CSV, TSV or Parquet with `id`, `name` and `path` or `parent`, optionally `description`, `synonyms`,
    `examples` and `images`; or the Google product taxonomy as text; or Shopify's categories.txt. With --mapping, it is
    a new version of the classes that are there, and old ones lead to those that took their place.

    Example: nearclass classes import classes.jsonl
    """
    done = _Import(path, file_format, space, mapping, retire_missing, rejects, changing)
    summary = changing.make(app, output, done.make, space=space)
    if done.unseen:
        note(UNSEEN.format(done.unseen))
    if done.left:
        more = len(done.left) - _NAMED
        named = ", ".join(done.left[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        what = f"{len(done.left)} classes are in neither file nor mapping, and stay"
        note(f"{what}: {named}; --retire-missing retires them")
    if not summary["assignable"]:
        note("No class can be assigned yet: all of them group others or are marked as not assignable.")
    end_with_rejects(done.rejected, rejects)


@dataclass
class _Import:
    """What was asked for; and what came of it, of the last time that it was made.

    Attributes:
        rejected: Rows that could not be used.
        unseen: Classes with pictures that the catalogue has no encoder for.
        left: Old classes that stay, though neither file nor mapping has them.
    """

    path: str
    file_format: str | None
    space: str | None
    mapping: str | None
    retire_missing: bool
    rejects: str
    changing: Changing
    rejected: int = 0
    unseen: int = 0
    left: Sequence[str] = ()

    def make(self, catalog: Catalog) -> dict[str, Any]:
        """Import into the catalogue; the row that says what was done."""
        from ..ingest.class_files import open_version  # noqa: PLC0415

        base = catalog.classes.taxonomy
        found = open_version(
            self.path, base, mapping=self.mapping, retire_missing=self.retire_missing, format=self.file_format
        )
        by, message = self.changing.by, self.changing.message
        change = catalog.import_classes(
            found.specs, space=self.space, folder=found.file.folder, base=base, by=by, message=message
        )
        self._reject(found, change)
        mapped = self.mapping is not None or self.retire_missing
        self.unseen = 0 if catalog.sees else sum(bool(spec.images) for spec in found.file.specs)
        self.left = found.missing if mapped and not self.retire_missing else ()
        row = {
            "added": len(change.added),
            "changed": len(change.changed),
            "unchanged": change.unchanged,
            "implied": found.file.implied,
            "rejected": self.rejected,
        }
        if mapped:
            row |= {"merged": len(found.leads), "several": len(found.several), "unknown": found.unknown}
            row |= {"missing": len(found.missing)}
        return row | {
            "classes": len(change.taxonomy),
            "assignable": len(change.taxonomy.assignable()),
            "revision": change.taxonomy.revision,
        }

    def _reject(self, found: Version, change: Change) -> None:
        from ..ingest.rejects import RejectWriter, refused_class  # noqa: PLC0415

        bad = [*found.rejects, *(refused_class(problem, found.file) for problem in change.problems)]
        with RejectWriter(self.rejects) as writer:
            for one in bad:
                writer.write(one)
        self.rejected = len(bad)
