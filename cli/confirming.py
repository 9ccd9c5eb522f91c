"""nearclass items confirm and unconfirm: what people say of stored items, one by one or from a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import rich_click as click

from .common import App, Input, end_with_rejects, input_options, note, pass_app

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.rejects import RejectWriter
    from ..ingest.sources import RawRow

__all__ = ["confirm", "unconfirm"]

_AT_ONCE: Final = 1000
_FILE: Final = click.option("--input", "path", metavar="PATH|-", help="A file of ids; - is standard input.")
_IDS: Final = click.argument("item_ids", nargs=-1, metavar="[ID]...")


@click.command()
@_IDS
@click.option("--class", "class_id", metavar="CLASS", help="The class that is right for them.")
@_FILE
@input_options
@pass_app
def confirm(app: App, item_ids: tuple[str, ...], class_id: str | None, path: str | None, given: Input) -> None:
    """Note that a person says these items belong to a class.

    With --input, the rows of a file name the items, and each its own class in a column label, unless --class names one
    for all; rows without a label are passed over. A file of plain text has one id a line.

    Example: nearclass items confirm sku-1001 sku-1002 --class electronics/computers/monitors
    """
    _check(item_ids, path)
    if item_ids and class_id is None:
        message = "give --class CLASS, the class that is right for these items"
        raise click.UsageError(message)
    with app.open() as catalog:
        if path is None:
            spec = catalog.items(given.space).confirm(item_ids, class_id or "")
            note(f"confirmed as {spec.id}: {len(item_ids)} items")
            return
        chosen = None if class_id is None else catalog.classes.taxonomy.find(class_id).id
        _each(catalog, path, given, "confirmed: {} items", chosen)


@click.command()
@_IDS
@_FILE
@input_options
@pass_app
def unconfirm(app: App, item_ids: tuple[str, ...], path: str | None, given: Input) -> None:
    """Take a confirmation back.

    Example: nearclass items unconfirm sku-1001
    """
    _check(item_ids, path)
    with app.open() as catalog:
        if path is None:
            catalog.items(given.space).unconfirm(item_ids)
            note(f"no longer confirmed: {len(item_ids)} items")
            return
        _each(catalog, path, given, "no longer confirmed: {} items", "")


def _check(item_ids: tuple[str, ...], path: str | None) -> None:
    if bool(item_ids) == (path is not None):
        message = "give either ids or --input PATH"
        raise click.UsageError(message)


def _each(catalog: Catalog, path: str, given: Input, done: str, class_id: str | None) -> None:
    """Confirm the items of a file, a thousand at a time, as ``class_id`` or each by its label."""
    from ..ingest.confirming import unknown_item  # noqa: PLC0415 - help must not wait
    from ..ingest.rejects import RejectWriter  # noqa: PLC0415

    count = 0
    with RejectWriter(given.rejects) as rejects:
        pairs = _pairs(catalog, path, given, class_id, rejects)
        while page := list(itertools.islice(pairs, _AT_ONCE)):
            missing = catalog.items(given.space).confirm_each({item_id: one for _, item_id, one in page})
            for row, item_id, _ in page:
                if item_id in missing:
                    rejects.write(unknown_item(row, item_id))
            count += len({item_id for _, item_id, _ in page} - missing)
    note(done.format(count))
    end_with_rejects(rejects.count, given.rejects)


def _pairs(
    catalog: Catalog, path: str, given: Input, class_id: str | None, rejects: RejectWriter
) -> Iterator[tuple[RawRow, str, str]]:
    from ..ingest.confirming import read_confirmations  # noqa: PLC0415
    from ..ingest.sources import BadRow  # noqa: PLC0415

    taxonomy = catalog.classes.taxonomy if class_id is None else None
    for one in read_confirmations(given.sources([path]), given.mapping(), taxonomy):
        if isinstance(one, BadRow):
            rejects.write(one)
        else:
            row, item_id, found = one
            yield row, item_id, found if class_id is None else class_id
