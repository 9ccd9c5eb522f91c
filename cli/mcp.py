"""nearclass mcp: the catalogue for agents."""

from __future__ import annotations

import rich_click as click

from .common import App, pass_app

__all__ = ["command"]


@click.command("mcp")
@click.option("--allow-writes", is_flag=True, help="Also offer tools that confirm items, add classes and retire them.")
@pass_app
def command(app: App, *, allow_writes: bool) -> None:
    """Offer the catalogue to an agent, over the Model Context Protocol on standard input and output.

    Tools: assign, explain, search, list_classes.

    Example: nearclass mcp
    """
    from ..serve.agents import agent_server, needs_mcp  # noqa: PLC0415 - help must not wait for what it needs

    needs_mcp()
    with app.open() as catalog:
        catalog.warm_up()
        agent_server(catalog, allow_writes=allow_writes).run("stdio")
