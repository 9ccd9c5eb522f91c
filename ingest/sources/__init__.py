"""Reading files and streams: rows as they were written, and rows that could not be read."""

from .columns import Kind
from .expand import open_sources
from .formats import FORMATS
from .mapping import FIELDS, ColumnMapping, MappedRow, RowMapper, detect, map_row
from .rows import BadRow, RawRow
from .source import Source

__all__ = [
    "FIELDS",
    "FORMATS",
    "BadRow",
    "ColumnMapping",
    "Kind",
    "MappedRow",
    "RawRow",
    "RowMapper",
    "Source",
    "detect",
    "map_row",
    "open_sources",
]
