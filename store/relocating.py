"""A whole catalogue taken to another database, with every vector, and compared there row by row."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ..errors import StoreError, UsageError
from ..settings import Settings
from .copying import CatalogReader, CatalogWriter, Table, changed_meanwhile, copy_catalog, is_opening
from .location import DirectoryAddress, locate
from .opening import open_store

__all__ = ["Relocated", "relocate", "settings_at"]

OnRows = Callable[[str, int, int], None]
"""Called with what is being done, how many rows are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Relocated:
    """A catalogue that was copied.

    Attributes:
        uri: Where it is now, without credentials.
        catalog: Its name there.
        spaces: Names of its spaces.
        rows: Number of rows of each table.
        sha256: Digest of all rows, which is the same in both places.
    """

    uri: str
    catalog: str
    spaces: tuple[str, ...]
    rows: dict[str, int]
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-able data."""
        return asdict(self)


def settings_at(settings: Settings, uri: str, catalog: str | None = None) -> Settings:
    """The settings for another database: what is for servers only is left off for a path."""
    update: dict[str, Any] = {"uri": uri, "catalog": catalog or settings.catalog}
    if isinstance(locate(uri), DirectoryAddress):
        update |= {"token": None, "database": None, "tls_ca": None}
    return settings.model_copy(update=update)


def relocate(
    settings: Settings,
    uri: str,
    catalog: str | None = None,
    on_rows: OnRows = lambda _what, _done, _of: None,
) -> Relocated:
    """Copy the catalogue that the settings name into another database, where it must not be yet; it stays as it is.

    Cut off at any moment, it leaves nothing that can be opened; called again, it starts over.

    Args:
        settings: Of the source; a token and a certificate count for the target too, if that is a server.
        uri: Path of an embedded database, or URL of a server, with credentials if it has others.
        catalog: Name of the catalogue there, by default the same.
        on_rows: Called as it goes on.

    Raises:
        UsageError: It is the same catalogue.
        StoreError: The target is not empty, the source was changed meanwhile, or a row is another one there.
    """
    here, there = settings_at(settings, settings.uri), settings_at(settings, uri, catalog)
    same = locate(here.uri) == locate(there.uri)
    if same and here.catalog == there.catalog:
        message = f"{uri} is where the catalogue {here.catalog!r} is already"
        raise UsageError(message, hint="Give another place with --to, or another name with --to-catalog.")
    with ExitStack() as stack:
        source = stack.enter_context(open_store(here, new=False))
        target = source if same else stack.enter_context(open_store(there))
        reader = CatalogReader(source, here.catalog)
        total, done = sum(map(reader.count, reader.tables())), 0

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            on_rows("rows", done, max(done, total))

        rows = copy_catalog(reader, CatalogWriter(target, there.catalog), f"the catalogue {here.catalog!r}", count)
        copied = CatalogReader(target, there.catalog)
        digests = [(_digest(reader, table), _digest(copied, table)) for table in reader.tables()]
        if other := [table.name for table, (one, two) in zip(reader.tables(), digests, strict=True) if one != two]:
            if reader.mark() != copied.mark() or sum(map(reader.count, reader.tables())) != sum(rows.values()):
                raise changed_meanwhile(f"the catalogue {here.catalog!r}")
            message = f"rows of {', '.join(other)} are not the same at {target.uri} as they are at {source.uri}"
            raise StoreError(message, hint="Nothing else may write to either meanwhile. Remove the copy and try again.")
        whole = hashlib.sha256("\n".join(one for one, _ in digests).encode()).hexdigest()
        names = tuple(space.name for space in copied.spaces)
        return Relocated(target.uri, there.catalog, names, rows, whole)


def _digest(reader: CatalogReader, table: Table) -> str:
    """SHA-256 over every row in the order of the keys."""
    seen = hashlib.sha256()
    for page in reader.pages(table):
        for row in page:
            if table.space is None and is_opening(row):
                continue
            rest = {name: value for name, value in row.items() if name != "vector"}
            seen.update(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS))
            seen.update(row["vector"].tobytes())
    return seen.hexdigest()
