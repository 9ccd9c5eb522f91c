"""nearclass serve: the HTTP API and the page."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from .common import App, pass_app

__all__ = ["command"]


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--no-keys", is_flag=True, help="Let everybody on this machine in without an API key.")
@click.option("--https", is_flag=True, help="The page is reached by https only: its cookie goes nowhere else.")
@click.option(
    "--picture-folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where uploaded pictures of stored items are kept; without it they are refused.",
)
@click.option(
    "--drain", default=30.0, show_default=True, type=click.FloatRange(1, 3600), metavar="SECONDS",
    help="How long requests may take to end after SIGTERM.",
)  # fmt: skip
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
@pass_app
def command(
    app: App,
    host: str,
    port: int,
    *,
    no_keys: bool,
    https: bool,
    picture_folder: Path | None,
    drain: float,
    log_level: str,
) -> None:
    """Serve the catalogue over HTTP: the API under /v1, health, metrics, and the page.

    Callers need an API key, which `nearclass key add` makes.

    Example: nearclass serve --no-keys
    """
    import logging  # noqa: PLC0415

    from ..serve import needs  # noqa: PLC0415
    from ..serve.options import ServiceOptions  # noqa: PLC0415

    needs()
    options = ServiceOptions(
        host=host, port=port, keys=not no_keys, secure_cookies=https, picture_folder=picture_folder, drain_s=drain
    )
    options.check()
    from ..serve.run import serve  # noqa: PLC0415

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Not pymilvus: what it logs is raised as well, so the store has it silent, and this would let it speak again.
    for noisy in ("faiss", "milvus_lite", "PIL", "sentence_transformers", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with app.open(apart=True) as catalog:
        serve(catalog, options)
