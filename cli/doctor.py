"""nearclass doctor: what works here and what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import rich_click as click

from .common import App, Rows, format_option, note, pass_app

__all__ = ["command"]


@click.command("doctor")
@click.option(
    "--recall",
    is_flag=True,
    help="Also measure how many of the nearest items the database's search finds; reads every stored vector.",
)
@format_option
@pass_app
def command(app: App, recall: bool, output: str | None) -> int:
    """Check the installation, the machine, the database and the encoder, and say how to mend what is wrong.

    Nothing is created or downloaded. Ends with 1 if there is a problem, and with 0 otherwise.

    Example: nearclass doctor
    """
    from ..health.examine import examine  # noqa: PLC0415 - help must not wait for pydantic

    states: Counter[str] = Counter()

    def rows() -> Iterator[dict[str, Any]]:
        for finding in examine(app.load, recall=recall):
            states[finding.state.value] += 1
            yield {
                "name": finding.name,
                "state": finding.state.value,
                "found": finding.found,
                "fix": finding.fix,
            }

    writer = Rows(output)
    if writer.format == "table":
        note("checking; the model is loaded for it, which takes some seconds")
    writer.write(rows(), ("name", "state", "found", "fix"))
    note(f"{states['problem']} problems, {states['warning']} warnings, {states['ok']} ok")
    return 1 if states["problem"] else 0
