"""Labelled rows: items with the classes that are right for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import TaxonomyError
from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import item_text
from .sources import BadRow, Source
from .sources.mapping import ColumnMapping, RowMapper

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
) -> Iterator[Labelled | BadRow]:
    """Labelled items; rows without a label that are not marked as out of scope are passed over.

    A label is a class id, a full path or a unique name; one that names no class makes the row a bad one.
    """
    for source in sources:
        mapper = RowMapper(source.kind, mapping)
        for row in source.rows():
            if isinstance(row, BadRow):
                yield row
                continue
            mapped = mapper.map(row, default_id=f"line-{row.line}")
            if isinstance(mapped, BadRow):
                yield mapped
            elif need_text and not item_text(mapped.item):
                bad = (row.values, row.source, row.line, row.position)
                yield BadRow(*bad, "no_text", "title, description and text are empty")
            elif mapped.oos:
                yield Labelled(mapped.item, frozenset())
            elif mapped.label:
                try:
                    truth = frozenset(taxonomy.find(label).id for label in mapped.label)
                except TaxonomyError as error:
                    bad = (row.values, row.source, row.line, row.position)
                    yield BadRow(*bad, "unknown_label", error.message)
                else:
                    yield Labelled(mapped.item, truth)


def mapped_items(sources: Iterable[Source], mapping: ColumnMapping | None = None) -> Iterator[Item | BadRow]:
    """Items of the sources for a question that stores nothing: a row without an id is named by its line."""
    for source in sources:
        mapper = RowMapper(source.kind, mapping)
        for row in source.rows():
            if isinstance(row, BadRow):
                yield row
                continue
            mapped = mapper.map(row, default_id=f"line-{row.line}")
            yield mapped if isinstance(mapped, BadRow) else mapped.item
