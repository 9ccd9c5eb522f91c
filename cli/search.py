"""nearclass search: stored items by description or picture."""

from __future__ import annotations

from dataclasses import asdict

import rich_click as click

from .common import App, Rows, filter_options, format_option, pass_app

__all__ = ["command"]


@click.command("search")
@click.argument("query", required=False)
@click.option("--image", metavar="PATH", help="A picture of what to find, a path or an address.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="Items to find.")
@filter_options
@format_option
@pass_app
def command(
    app: App,
    query: str | None,
    image: str | None,
    k: int,
    class_id: str | None,
    where: tuple[str, ...],
    output: str | None,
) -> None:
    """Find stored items by what they are in words, by a picture, or by both.

    Words find items by their texts and by their pictures; a picture finds pictures.

    Example: nearclass search "something for dry hair" --class "Personal Care" --where "price<30"
    """
    if not query and not image:
        message = 'give words or --image, for example: nearclass search "red kettle"'
        raise click.UsageError(message)
    with app.open(brief=True) as catalog:
        found = catalog.search(query, k, image=image, class_id=class_id, where=where)
    columns = ("id", "similarity", "title", "path")
    Rows(output).write((asdict(item) for item in found), columns)
