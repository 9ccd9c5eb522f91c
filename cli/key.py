"""nearclass key: API keys of the service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from .common import App, Rows, format_option, note, pass_app

if TYPE_CHECKING:
    from ..serve.keys import Keys

__all__ = ["group"]

_COLUMNS = ("id", "name", "scope", "created_at", "expires_at", "revoked_at")


@click.group("key")
def group() -> None:
    """API keys of the service: add, list, revoke."""


@group.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "ingest", "admin"]),
    default="read",
    show_default=True,
    help="What it allows: asking; also changing items; also changing classes, jobs and keys.",
)
@click.option("--days", type=click.FloatRange(0, min_open=True), metavar="N", help="After so many days it ends.")
@format_option
@pass_app
def add(app: App, name: str, scope: str, days: float | None, output: str | None) -> None:
    """Make a key and show it, once; only a digest of it is kept.

    Example: nearclass key add shop-import --scope ingest --days 365
    """
    from ..serve.keys import Scope  # noqa: PLC0415

    with _keys(app) as keys:
        key, text = keys.add(name, Scope(scope), days=days)
    Rows(output).one({**key.to_dict(), "key": text})
    note("this is shown once: keep it where whoever calls finds it, and nowhere else")


@group.command("list")
@format_option
@pass_app
def list_(app: App, output: str | None) -> None:
    """List the keys, without their secrets.

    Example: nearclass key list
    """
    with _keys(app) as keys:
        found = keys.every()
    Rows(output).write((key.to_dict() for key in found), _COLUMNS)


@group.command()
@click.argument("key_id", metavar="ID")
@pass_app
def revoke(app: App, key_id: str) -> None:
    """Refuse a key from now on; a running service knows within five seconds.

    Example: nearclass key revoke 1f2e3d4c
    """
    with _keys(app) as keys:
        key = keys.revoke(key_id)
    note(f"revoked: {key.id} ({key.name})")


@contextlib.contextmanager
def _keys(app: App) -> Iterator[Keys]:
    from ..serve.keys import Keys  # noqa: PLC0415
    from ..store.state import State  # noqa: PLC0415

    with app.open() as catalog:
        yield Keys(State(catalog.store, catalog.settings.catalog), shared=not catalog.store.embedded)
