"""Confirmations of a file: ids, each with the class that is right for it, or all with the same."""

from collections.abc import Iterable, Iterator

from ..errors import NearclassError
from ..schemas.taxonomy import Taxonomy
from .sources import BadRow, RawRow, Source
from .sources.mapping import ColumnMapping, RowMapper
from .sources.rows import Code, RowProblemError
from .sources.values import is_absent, name_list, user_id

__all__ = ["read_confirmations", "unknown_item"]


def read_confirmations(
    sources: Iterable[Source], mapping: ColumnMapping | None, taxonomy: Taxonomy | None
) -> Iterator[tuple[RawRow, str, str] | BadRow]:
    """Each row with the id of its item and that of its class, or why it has none.

    Rows without a label are passed over: of a list for review only some may be decided. A line of text is an id.

    Args:
        sources: Rows with an id, of any format.
        mapping: Which columns the id and the label are in; what it leaves open is found by the names.
        taxonomy: What the labels mean; None where only the ids are wanted, whose class is then empty.
    """
    for source in sources:
        mapper = RowMapper(source.kind, mapping, source.base)
        for row in source.rows():
            if isinstance(row, BadRow):
                yield row
                continue
            fields = mapper.mapping(tuple(row.values)).fields
            try:
                item_id = _id(row, "text" if source.format == "text" else fields.get("id"))
                labels = [] if taxonomy is None else _labels(row, fields.get("label"))
                classes = [taxonomy.find(label).id for label in labels] if taxonomy is not None else [""]
            except RowProblemError as problem:
                yield _rejected(row, problem.code, problem.message)
            except NearclassError as error:
                yield _rejected(row, "unknown_label", error.message)
            else:
                if classes:
                    yield row, item_id, classes[0]


def unknown_item(row: RawRow, item_id: str) -> BadRow:
    """A row whose item is not stored."""
    return _rejected(row, "unknown_item", f"there is no item {item_id!r}")


def _rejected(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(row.values, row.source, row.line, row.position, code, message)


def _id(row: RawRow, column: str | None) -> str:
    value = None if column is None else row.values.get(column)
    if is_absent(value):
        raise RowProblemError(
            Code.MISSING_ID, "there is no id; if a column has it under another name, type id=<column>"
        )
    return user_id(value)


def _labels(row: RawRow, column: str | None) -> tuple[str, ...]:
    value = None if column is None else row.values.get(column)
    return () if is_absent(value) else name_list(value, "label")
