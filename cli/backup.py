"""nearclass backup and restore: a catalogue into a folder of files, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import rich_click as click

from .common import App, Rows, format_option, note, pass_app

__all__ = ["backup", "restore"]


@click.command()
@click.argument("folder", metavar="PATH")
@format_option
@pass_app
def backup(app: App, folder: str, output: str | None) -> None:
    """Write everything that the catalogue has into a new folder: Parquet files, and a manifest with checksums.

    PATH is a folder that is empty or not there. Pictures stay where they are; only their paths and addresses are kept.

    Example: nearclass backup backups/2026-11-21
    """
    from ..backup.writing import back_up  # noqa: PLC0415 - help must not wait for pydantic
    from ..store.opening import open_store  # noqa: PLC0415

    settings = app.load().settings
    with open_store(settings, new=False) as store, _progress("rows") as on_rows:
        manifest = back_up(store, settings.catalog, folder, on_rows)
    Rows(output).one(
        {
            "path": folder,
            "catalog": manifest.catalog,
            "revision": manifest.revision,
            "spaces": [space.name for space in manifest.spaces],
            "rows": manifest.rows,
            "files": sum(1 for _ in manifest.files),
            "bytes": sum(file.bytes for file in manifest.files),
        }
    )


@click.command()
@click.argument("folder", metavar="PATH")
@click.option("--catalog", "name", metavar="NAME", help="Name of the catalogue to make, instead of the global one.")
@format_option
@pass_app
def restore(app: App, folder: str, name: str | None, output: str | None) -> None:
    """Make a catalogue of what `nearclass backup` wrote, in this database or any other.

    The catalogue must be empty or not there. Every file is checked before anything is written, and every row is
    counted before the catalogue can be opened. Run it again if it was cut off: it goes on where it stopped.

    Example: nearclass --uri http://127.0.0.1:19530 restore backups/2026-11-21 --catalog shop
    """
    from ..backup.reading import Backup  # noqa: PLC0415 - help must not wait for pydantic
    from ..backup.restoring import restore as write  # noqa: PLC0415
    from ..store.opening import open_store  # noqa: PLC0415

    settings = (replace(app, flags={**app.flags, "catalog": name}) if name else app).load().settings
    with _progress("bytes checked") as on_bytes:
        read = Backup(folder, on_bytes)
    with open_store(settings) as store, _progress("rows") as on_rows:
        write(store, settings.catalog, read, on_rows)
        where = store.uri
    manifest = read.manifest
    if manifest.catalog != settings.catalog:
        note(f"{manifest.catalog!r} was restored as {settings.catalog!r}")
    Rows(output).one(
        {
            "uri": where,
            "catalog": settings.catalog,
            "revision": manifest.revision,
            "spaces": [space.name for space in manifest.spaces],
            "rows": manifest.rows,
            "made_at": manifest.made_at,
        }
    )


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int], Any]]:
    """Counts on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    total = 0

    def add(count: int) -> None:
        nonlocal total
        total += count
        click.echo(f"\r\x1b[K{total:,} {unit}", nl=False, err=True)

    try:
        yield add
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)
