"""Rows written for other programs: spreadsheets, which must not run them, and programs that read them in again."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Final

import rich_click as click

from .common import safe_text

__all__ = ["export_options", "write_delimited", "write_parquet"]

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}
_GROUP_ROWS: Final = 2000


def export_options(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``-o`` with these formats, the first the default, and ``--raw``."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        text = "Leave texts as they are in csv and tsv, also those that a spreadsheet would run as formulas."
        command = click.option("--raw", is_flag=True, help=text)(command)
        kinds = click.Choice(formats)
        return click.option(
            "-o", "--output", "output", type=kinds, default=formats[0], show_default=True, help="How rows are written."
        )(command)

    return add


def write_delimited(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str, *, raw: bool) -> None:
    """Write CSV or TSV to standard output: lists and objects as JSON, what is absent as an empty cell.

    Unless ``raw``, a text that a spreadsheet would run as a formula gets an apostrophe before it, also a column name.
    """

    def cell(value: Any) -> Any:
        words = _plain(value)
        return words if raw or not isinstance(words, str) else safe_text(words)

    writer = csv.writer(sys.stdout, delimiter=_DELIMITERS[output])
    writer.writerow([cell(column) for column in columns])
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    sys.stdout.flush()


def write_parquet(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, frozenset[type]]) -> None:
    """Write Parquet to standard output; ``columns`` has the types of the values of those that may be of any.

    A column whose values are of several types, or lists or objects, holds texts, and what is no text as JSON.
    """
    if sys.stdout.isatty():
        message = "Parquet is no text for a terminal; write it to a file: > items.parquet"
        raise click.UsageError(message)
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(name, _type(name, kinds)) for name, kinds in columns.items()])
    stream: IO[bytes] = sys.stdout.buffer
    pending = iter(rows)
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        while page := list(itertools.islice(pending, _GROUP_ROWS)):
            arrays = [pa.array(_values(page, field.name, field.type), field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    stream.flush()


_TYPED: Final[Mapping[str, str]] = {
    "nearclass_path": "list",
    "nearclass_score": "float",
    "nearclass_confidence": "float",
    "nearclass_margin": "float",
    "nearclass_revision": "int",
    "vector": "vector",
}


def _type(name: str, kinds: frozenset[type]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    types = {"list": pa.list_(pa.string()), "float": pa.float64(), "int": pa.int64(), "vector": pa.list_(pa.float32())}
    if name in _TYPED:
        return types[_TYPED[name]]
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def _values(page: Sequence[Mapping[str, Any]], name: str, kind: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415

    values = [row.get(name) for row in page]
    if not pa.types.is_string(kind):
        return values
    return [value if value is None or isinstance(value, str) else _json(value) for value in values]


def _plain(value: Any) -> Any:
    """A value as one cell: a list of one plain text is that text, other lists are JSON."""
    if value is None:
        return ""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    only = value[0] if isinstance(value, list | tuple) and len(value) == 1 else None
    return only if isinstance(only, str) and "|" not in only and not only.startswith("[") else _json(value)


def _json(value: Any) -> str:
    import orjson  # noqa: PLC0415 - help must not wait for it

    return orjson.dumps(value).decode()
