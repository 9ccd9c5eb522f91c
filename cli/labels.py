"""Labelled files on the command line: what learn, calibrate and evaluate read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..catalog import Catalog
    from ..ingest.labelled import Labelled
    from ..ingest.rejects import RejectWriter
    from .common import Input

__all__ = ["labels_option", "read_labels"]


def labels_option(text: str, *, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--labels``, which comes as ``paths``, with this help."""
    return click.option("--labels", "paths", required=required, multiple=True, metavar="PATH", help=text)


def read_labels(
    catalog: Catalog, paths: Sequence[str], given: Input, bad_rows: RejectWriter, *, pictures: bool = True
) -> list[Labelled]:
    """Labelled items of files and of folders of pictures; rows that cannot be used go to ``bad_rows``.

    Args:
        catalog: Whose classes the labels name.
        paths: Files and folders.
        given: How to read them.
        bad_rows: Takes the others.
        pictures: Whether a picture will do in place of a text, where the catalogue can look at it.
    """
    from ..ingest.labelled import read_labelled  # noqa: PLC0415 - help must not wait for what the catalogue needs
    from ..ingest.sources import BadRow  # noqa: PLC0415

    labelled: list[Labelled] = []
    rows = read_labelled(
        given.sources(paths),
        catalog.classes.taxonomy,
        given.mapping(),
        need_text=given.space is None,
        pictures=pictures and catalog.sees,
    )
    for row in rows:
        if isinstance(row, BadRow):
            bad_rows.write(row)
        else:
            labelled.append(row)
    return labelled
