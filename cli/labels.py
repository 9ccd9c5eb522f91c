"""Labelled files on the command line: what learn, calibrate and evaluate read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..catalog import Catalog
    from ..ingest.labelled import Labelled
    from .common import Input

__all__ = ["labels_option", "read_labels"]


def labels_option(text: str, *, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--labels``, which comes as ``paths``, with this help."""
    return click.option("--labels", "paths", required=required, multiple=True, metavar="PATH", help=text)


def read_labels(catalog: Catalog, paths: Sequence[str], given: Input) -> tuple[list[Labelled], int]:
    """Labelled items of files, and how many rows were rejected and written to the rejects file."""
    from ..ingest.labelled import read_labelled  # noqa: PLC0415 - help must not wait for what the catalogue needs
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415
    from ..ingest.sources import BadRow  # noqa: PLC0415

    labelled: list[Labelled] = []
    need_text = given.space is None
    with RejectWriter(given.rejects) as bad_rows:
        rows = read_labelled(given.sources(paths), catalog.classes.taxonomy, given.mapping(), need_text=need_text)
        for row in rows:
            if isinstance(row, BadRow):
                bad_rows.write(row)
            else:
                labelled.append(row)
        return labelled, bad_rows.count
