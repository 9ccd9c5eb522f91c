"""The command: its groups, what all of them share, and how it ends."""

import os
import sys
from collections.abc import Sequence

import rich_click as click

from ..errors import NearclassError
from . import (
    assign,
    calibrate,
    classes,
    config,
    demo,
    discover,
    doctor,
    evaluate,
    ingest,
    items,
    key,
    learn,
    mcp,
    reembed,
    search,
    serve,
    worker,
)
from .backup import backup, restore
from .common import App

__all__ = ["cli", "run"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, 128 + SIGINT, as shells expect."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--uri", metavar="URI", help="A path for an embedded database, or the URL of a Milvus server.")
@click.option("--catalog", metavar="NAME", help="Name of the catalogue in that database.")
@click.option("--config", "config_file", metavar="FILE", help="Configuration file, instead of ./nearclass.toml.")
@click.version_option(package_name="nearclass")
@click.pass_context
def cli(context: click.Context, uri: str | None, catalog: str | None, config_file: str | None) -> None:
    r"""Assign anything described in words to its nearest class, on Milvus.

    Give it classes, then items; add a class and it is live. Every setting can also be given as NEARCLASS_... in the
    environment or in nearclass.toml.

    \b
    nearclass classes import classes.jsonl
    nearclass ingest items.csv
    nearclass assign "6-inch reader with adjustable light"
    """
    context.obj = App({"uri": uri, "catalog": catalog}, config_file)


cli.add_command(classes.group)
cli.add_command(ingest.command)
cli.add_command(assign.command)
cli.add_command(search.command)
cli.add_command(items.group)
cli.add_command(learn.command)
cli.add_command(discover.command)
cli.add_command(calibrate.command)
cli.add_command(reembed.group)
cli.add_command(evaluate.command)
cli.add_command(serve.command)
cli.add_command(key.group)
cli.add_command(mcp.command)
cli.add_command(backup)
cli.add_command(restore)
cli.add_command(worker.command)
cli.add_command(demo.command)
cli.add_command(doctor.command)
cli.add_command(config.group)


def run(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    try:
        code = cli.main(list(arguments), prog_name="nearclass", standalone_mode=False)
    except NearclassError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"next:  {error.hint}", err=True)
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has enough; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
