"""Labelled rows: items with the classes that are right for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import TaxonomyError
from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import item_text
from .sources import BadRow, RawRow, Source
from .sources.mapping import ColumnMapping, MappedRow, RowMapper

__all__ = ["Labelled", "mapped_items", "read_labelled"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An item and the ids of the classes any of which is right; none for an item out of scope."""

    item: Item
    truth: frozenset[str]


def read_labelled(
    sources: Iterable[Source],
    taxonomy: Taxonomy,
    mapping: ColumnMapping | None = None,
    *,
    need_text: bool = True,
    pictures: bool = False,
) -> Iterator[Labelled | BadRow]:
    """Labelled items; rows without a label that are not marked as out of scope are passed over.

    A label is a class id, a full path or a unique name; one that names no class makes the row a bad one.

    Args:
        sources: Where the rows are.
        taxonomy: Resolves the labels.
        mapping: Which column is which field, where their names do not say it.
        need_text: Whether a row without a text is a bad one.
        pictures: Whether a picture will do in place of a text.
    """
    for row, mapped in _mapped(sources, mapping):
        if isinstance(mapped, BadRow):
            yield mapped
        elif need_text and not item_text(mapped.item) and not (pictures and mapped.item.image):
            yield _bad(row, "no_text", "title, description and text are empty")
        elif mapped.oos:
            yield Labelled(mapped.item, frozenset())
        elif mapped.label:
            try:
                truth = frozenset(taxonomy.find(label).id for label in mapped.label)
            except TaxonomyError as error:
                yield _bad(row, "unknown_label", error.message)
            else:
                yield Labelled(mapped.item, truth)


def mapped_items(sources: Iterable[Source], mapping: ColumnMapping | None = None) -> Iterator[Item | BadRow]:
    """Items of the sources for a question that stores nothing: a row without an id is named by its line."""
    for _, mapped in _mapped(sources, mapping):
        yield mapped if isinstance(mapped, BadRow) else mapped.item


def _mapped(
    sources: Iterable[Source], mapping: ColumnMapping | None
) -> Iterator[tuple[RawRow | BadRow, MappedRow | BadRow]]:
    """Each row as it was read, and as an item."""
    for source in sources:
        mapper = RowMapper(source.kind, mapping, source.base)
        for row in source.rows():
            mapped = row if isinstance(row, BadRow) else mapper.map(row, default_id=f"line-{row.line}")
            yield row, mapped


def _bad(row: RawRow | BadRow, code: str, message: str) -> BadRow:
    values = row.raw if isinstance(row, BadRow) else row.values
    return BadRow(values, row.source, row.line, row.position, code, message)
