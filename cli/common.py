"""What the commands share: the catalogue, options, and how rows are written."""

from __future__ import annotations

import csv
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import rich_click as click
from click.exceptions import Exit

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.sources import Source
    from ..ingest.sources.mapping import ColumnMapping
    from ..settings import LoadedSettings

__all__ = [
    "DONE_WITH_REJECTS",
    "FORMATS",
    "App",
    "Input",
    "Rows",
    "class_argument",
    "clean",
    "end_with_rejects",
    "filter_options",
    "format_option",
    "input_options",
    "note",
    "note_stale",
    "pass_app",
    "picture",
    "rejects_option",
    "safe_text",
    "space_option",
]

DONE_WITH_REJECTS: Final = 3
FORMATS: Final = ("table", "json", "jsonl", "csv")

_PATHS: Final = frozenset({"path", "nearest", "class"})
"""Columns whose lists are names from the root down."""

_F = TypeVar("_F", bound=Callable[..., Any])

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\x1b\\[[0-9;?]*[A-Za-z]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet would run (OWASP ASVS 1.2.10), also in full width."""


@dataclass(frozen=True)
class App:
    """Global options, and what they open."""

    flags: Mapping[str, Any]
    config_file: str | None

    def load(self) -> LoadedSettings:
        """Settings from flags, environment and file."""
        from ..settings import load_settings  # noqa: PLC0415 - help must not wait for pydantic

        return load_settings(self.flags, config=self.config_file)

    def open(self, *, any_encoder: bool = False, brief: bool = False, apart: bool = False) -> Catalog:
        """The catalogue; use it in a ``with`` statement.

        Args:
            any_encoder: Whether it goes by the encoders that it remembers, whatever the settings say.
            brief: Whether a few texts at most will probably be encoded.
            apart: Whether texts are encoded in a process of their own.
        """
        import logging  # noqa: PLC0415

        from ..catalog import Catalog  # noqa: PLC0415 - help must not wait for torch and pymilvus

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
        settings = self.load().settings
        if any_encoder:
            settings = settings.model_copy(update={"text_encoder": None, "image_encoder": None})
        return Catalog.open(settings=settings, brief=brief, apart=apart)


pass_app = click.make_pass_decorator(App)


def format_option(command: _F) -> _F:
    """Add ``-o``."""
    return click.option(
        "-o",
        "--output",
        "output",
        type=click.Choice(FORMATS),
        help="How rows are written; by default a table on a terminal, jsonl in a pipe.",
    )(command)


def rejects_option(command: _F) -> _F:
    """Add ``--rejects``."""
    return click.option(
        "--rejects",
        default="nearclass.rejects.jsonl",
        show_default=True,
        metavar="FILE",
        help="Where rows that cannot be used go, each with its reason.",
    )(command)


def space_option(command: _F) -> _F:
    """Add ``--space``."""
    return click.option(
        "--space",
        metavar="NAME",
        help="A space of precomputed vectors, from a column `vector`, instead of texts.",
    )(command)


def class_argument(command: _F) -> _F:
    """Add ``CLASS``."""
    return click.argument("class_id", metavar="CLASS")(command)


def filter_options(command: _F) -> _F:
    """Add ``--class`` and ``--where``."""
    command = click.option(
        "--where",
        multiple=True,
        metavar="FIELD=VALUE",
        help="Such as decision=novel or price<40, also != and >; repeatable, all must hold.",
    )(command)
    return click.option("--class", "class_id", metavar="ID", help="Only this class and everything below it.")(command)


@dataclass(frozen=True)
class Input:
    """What the options say of rows that come in: how to read them, and where those go that cannot be used."""

    flags: tuple[str, ...]
    file_format: str | None
    encoding: str | None
    space: str | None
    rejects: str

    def mapping(self) -> ColumnMapping | None:
        """The column mapping of ``--map``, if it was given."""
        from ..ingest.sources.mapping import ColumnMapping  # noqa: PLC0415

        return ColumnMapping.from_flags(self.flags) if self.flags else None

    def sources(self, paths: Sequence[str]) -> Iterator[Source]:
        """The sources behind paths."""
        from ..ingest.sources import open_sources  # noqa: PLC0415

        return open_sources(paths, format=self.file_format, encoding=self.encoding)


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--map``, ``--format``, ``--encoding``, ``--space`` and ``--rejects``, which come as one ``given``."""

    @functools.wraps(command)
    def collected(*args: Any, **options: Any) -> Any:
        given = Input(**{field.name: options.pop(field.name) for field in fields(Input)})
        return command(*args, given=given, **options)

    added = (
        click.option(
            "--map",
            "flags",
            multiple=True,
            metavar="FIELD=COLUMN",
            help="Which column a field is in; repeatable.",
        ),
        click.option(
            "--format",
            "file_format",
            metavar="FORMAT",
            help="csv, tsv, jsonl, json, parquet, text, google or shopify.",
        ),
        click.option("--encoding", metavar="NAME", help="Encoding of text files that are not UTF-8."),
        space_option,
        rejects_option,
    )
    return functools.reduce(lambda inner, add: add(inner), reversed(added), collected)


def picture(reference: str) -> tuple[str, str | None]:
    """Image and folder of an item, from a picture that was named on the command line: it may be anywhere."""
    if reference.lower().startswith(("http://", "https://")):
        return reference, None
    path = Path(reference).expanduser().absolute()
    return str(path), str(path.parent)


def end_with_rejects(count: int, rejects: str) -> None:
    """End the command with its own code if rows were rejected, and say where they are."""
    if count:
        note(f"{count} rows were rejected, with reasons, to {rejects}")
        raise Exit(DONE_WITH_REJECTS)


def note(text: str) -> None:
    """Tell the person something; on stderr, so that a pipe gets rows only."""
    click.echo(text, err=True)


def note_stale(count: int) -> None:
    """Tell that stored items have answers older than what answers are given by now, if there are any."""
    if count:
        note(f"{count} stored items have older answers; next: nearclass items reassign")


def clean(text: object) -> str:
    """Text without what a terminal would obey: control characters, escape sequences, changes of direction."""
    return _CONTROLS.sub("", "" if text is None else str(text))


class Rows:
    """Writes rows in the format asked for, as they come where the format allows it."""

    def __init__(self, output: str | None) -> None:
        self.format = output or ("table" if sys.stdout.isatty() else "jsonl")

    @property
    def for_people(self) -> bool:
        """Whether rows are written as words, and not as data."""
        return self.format in {"table", "csv"}

    def write(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, title: str = "") -> None:
        """Write rows; ``columns`` are those of the table and the CSV, the others have every key."""
        if self.format == "jsonl":
            import orjson  # noqa: PLC0415

            for row in rows:
                sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE, default=_plain))
            sys.stdout.buffer.flush()
        elif self.format == "json":
            import orjson  # noqa: PLC0415

            option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
            sys.stdout.buffer.write(orjson.dumps(list(rows), option=option, default=_plain))
            sys.stdout.buffer.flush()
        elif self.format == "csv":
            writer = csv.writer(sys.stdout)
            writer.writerow(columns)
            writer.writerows([_cell(row.get(column), column) for column in columns] for row in rows)
            sys.stdout.flush()
        else:
            _table(rows, columns, title)

    def one(self, row: Mapping[str, Any]) -> None:
        """Write a single object: JSON, or a table of names and values."""
        if self.format == "table":
            _table(({"name": name, "value": _words(value, name)} for name, value in row.items()), ("name", "value"), "")
        elif self.format == "csv":
            self.write([row], list(row))
        else:
            import orjson  # noqa: PLC0415

            option = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if self.format == "json" else 0)
            sys.stdout.buffer.write(orjson.dumps(row, option=option, default=_plain))
            sys.stdout.buffer.flush()


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], title: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(_words(row.get(column), column))) for column in columns))
    Console().print(table)


def _words(value: Any, column: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return (" > " if column in _PATHS else ", ").join(str(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_words(one)}" for name, one in value.items())
    return str(value)


def _cell(value: Any, column: str) -> Any:
    """A CSV cell; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return safe_text(_words(value, column))


def safe_text(text: str) -> str:
    """A text for a cell of a spreadsheet, with an apostrophe before one that it would run as a formula.

    >>> safe_text("=1+1"), safe_text("kettle")
    ("'=1+1", 'kettle')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
