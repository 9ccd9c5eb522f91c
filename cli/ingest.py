"""nearclass ingest: items in."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import rich_click as click

from .common import App, Input, Rows, end_with_rejects, format_option, input_options, note, pass_app

if TYPE_CHECKING:
    from ..distribution import Sharing
    from ..ingest.run import Progress
    from ..settings import Settings

__all__ = ["command"]


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--labels-are-confirmed", is_flag=True, help="The label of a row counts as confirmed by a person.")
@click.option(
    "--engine",
    type=click.Choice(("plain", "ray")),
    default="plain",
    show_default=True,
    help="Who embeds: this process, or many processes of Ray, each one file after another.",
)
@click.option("--ray-address", metavar="ADDRESS", help="Of a Ray cluster; by default Ray is started on this machine.")
@click.option("--actors", type=click.IntRange(1), help="Processes of Ray; by default by the GPUs or cores there are.")
@click.option("--parts", metavar="DIR", help="What is embedded and not stored yet, where all reach it.")
@click.option("--bulk", metavar="DIR", help="Folder or bucket that the Milvus server reads: import in bulk from there.")
@input_options
@format_option
@pass_app
def command(
    app: App,
    paths: tuple[str, ...],
    *,
    labels_are_confirmed: bool,
    engine: str,
    ray_address: str | None,
    actors: int | None,
    parts: str | None,
    bulk: str | None,
    given: Input,
    output: str | None,
) -> None:
    """Store items and assign each to its nearest class.

    PATH is a file, a folder, a URL, or - for standard input: CSV, TSV, JSONL, Parquet, a Google Merchant feed or a
    Shopify product export, each of the text formats also compressed with gzip; or pictures, or a folder of them. Run
    it again at any time: rows that are stored already are not embedded again, and a run that was cut off goes on where
    it stopped.

    Example: nearclass ingest products.csv --map title=product_name
    """
    if engine == "plain" and (ray_address or actors or parts or bulk):
        message = "--ray-address, --actors, --parts and --bulk go with --engine ray"
        raise click.UsageError(message)
    with app.open() as catalog:
        progress = _Bar()
        sharing = _ray(catalog.settings, ray_address, actors, parts, bulk) if engine == "ray" else None
        counts = catalog.ingest(
            list(paths),
            rejects=given.rejects,
            space=given.space,
            flags=given.flags,
            labels_are_confirmed=labels_are_confirmed,
            format=given.file_format,
            encoding=given.encoding,
            on_progress=progress,
            sharing=sharing,
        )
        progress.done()
    Rows(output).one({name: getattr(counts, name) for name in counts.__slots__})
    end_with_rejects(counts.rejected, given.rejects)


def _ray(settings: Settings, address: str | None, actors: int | None, parts: str | None, bulk: str | None) -> Sharing:
    from ..distribution import Sharing  # noqa: PLC0415
    from ..ingest.distributed.ray_engine import RayEngine  # noqa: PLC0415

    engine = RayEngine(address or settings.ray_address, actors=actors, threads=settings.threads, device=settings.device)
    return Sharing(engine, parts or "nearclass.parts", bulk, note)


class _Bar:
    """Rate and time left on stderr, on a terminal only."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._shown = 0.0
        self._on = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._on or now - self._shown < 0.5:  # twice a second is enough for a person
            return
        self._shown = now
        rate = progress.counts.read / max(now - self._started, 1e-9)
        text = f"{progress.source}: {progress.counts.read:,} rows, {rate:,.0f}/s"
        if progress.bytes_total and progress.bytes_read:
            share = min(1.0, progress.bytes_read / progress.bytes_total)
            left = (now - self._started) * (1 - share) / share
            text += f", {share:.0%}, {left:,.0f} s left"
        if progress.counts.rejected:
            text += f", {progress.counts.rejected:,} rejected"
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)

    def done(self) -> None:
        """Clear the line."""
        if self._on and self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)
