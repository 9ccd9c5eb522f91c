"""nearclass demo: a tour with a small shop."""

from __future__ import annotations

import rich_click as click

from .common import App, pass_app

__all__ = ["command"]


@click.command("demo")
@click.option("--dir", "folder", default="nearclass-demo", show_default=True, metavar="DIR", help="Where to do it.")
@click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    help="Keep the database, or only the reports, at the end.",
)
@pass_app
def command(app: App, folder: str, *, keep: bool) -> None:
    """Take a tour with a small shop: every step shows its command, and a report tells the story.

    The classes, items and database are put into DIR, which must be new, empty or of an earlier demo.
    No catalogue of yours is touched.

    Example: nearclass demo --dir /tmp/shop
    """
    import logging  # noqa: PLC0415

    from ..demo.run import run_demo  # noqa: PLC0415 - help must not wait for torch and pymilvus
    from ..errors import UsageError  # noqa: PLC0415

    given = [f"--{name}" for name, value in app.flags.items() if value is not None]
    if given:
        message = f"{' and '.join(given)} cannot be used with demo, which makes a catalogue of its own"
        raise UsageError(message, hint="Say where with: nearclass demo --dir DIR.")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    run_demo(folder, app.load(), keep=keep)
