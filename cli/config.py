"""nearclass config: settings and where they come from."""

from __future__ import annotations

import rich_click as click

from .common import App, Rows, format_option, pass_app

__all__ = ["group"]


@click.group("config")
def group() -> None:
    """Settings and where they come from."""


@group.command()
@format_option
@pass_app
def show(app: App, output: str | None) -> None:
    """Print every setting with its value and where that comes from; secrets are masked.

    Example: nearclass config show
    """
    from ..settings import Settings, masked  # noqa: PLC0415

    loaded = app.load()
    rows = (
        {
            "name": name,
            "value": masked(loaded.settings, name),
            "origin": loaded.origins[name],
            "meaning": field.description,
        }
        for name, field in Settings.model_fields.items()
    )
    Rows(output).write(rows, ("name", "value", "origin", "meaning"))
