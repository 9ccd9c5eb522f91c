"""The store: collections of rows, searched by inner product, in an embedded engine or on a server."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import CollectionMissingError, StoreError, StoreUnavailableError
from ..schemas.collections import CollectionSpec
from ..schemas.filters import Filter
from . import reading
from .columns import PAGE, Columns, of_rows
from .filters import matches_nothing, render, split
from .imports import Imports
from .layout import VECTOR, check_name, check_same, described, expected, schema_of
from .reading import Hit
from .rows import Vectors, batches, check_queries
from .session import Session

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient

__all__ = ["Hit", "Store"]

_ALIASES: Final = ""
"""Stands for the one file of aliases, as a collection's name stands for its log, in locks."""


class Store:
    """Collections of rows in Milvus; every method may be called from several threads.

    ``name`` may be an alias everywhere but in ``drop``. A row is a mapping of every field of its
    specification, with ``key`` (text) and ``vector`` ((dim,) float32). Every method raises ``StoreError`` or
    one of its subclasses: ``StoreUnavailableError`` when no answer comes before the deadline,
    ``CollectionMissingError`` for a name that does not exist.

    Attributes:
        recovery_notes: What the embedded engine dropped or missed when it opened its files; empty if all was
        well.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.recovery_notes: list[str] = session.engine.notes if session.engine is not None else []

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        token: str | None = None,
        database: str | None = None,
        tls_ca: Path | None = None,
        timeout_s: float = 30.0,
    ) -> Self:
        """Open a store; close it, or use it in a ``with`` statement.

        Args:
            uri: Path of an embedded database, made if it does not exist, or URL of a server.
            token: ``user:password`` or an API key, for a server.
            database: Database of a server; its default if absent.
            tls_ca: Certificate of the authority that signed a server's certificate, for an ``https`` URL.
            timeout_s: Seconds that one call to the engine may take.

        Raises:
            ConfigError: ``uri`` is neither, or the rest does not go with it.
            StoreLockedError: Another process, or this one, has the database open.
            StoreUnavailableError: No server answers.
            StoreDamagedError: Files of the database cannot be read.
        """
        return cls(Session(uri, token=token or "", database=database or "", tls_ca=tls_ca, timeout_s=timeout_s))

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return self._session.engine is not None

    @property
    def engine(self) -> str:
        """Engine and version, such as ``milvus-lite 3.2.2``."""
        return self._session.version

    @property
    def uri(self) -> str:
        """Where the store is: the absolute path, or the URL without credentials."""
        return self._session.uri

    @property
    def path(self) -> Path | None:
        """Directory of the embedded database."""
        return self._session.engine.path if self._session.engine is not None else None

    @property
    def imports(self) -> Imports:
        """Files that a server imports by itself."""
        return Imports(self._session)

    def writes(self, name: str) -> int | None:
        """How often a collection was written to since the store was opened; None where others may write to it too.

        What was read stays true while the number stays.
        """
        target = self.resolve(name) if self.embedded else None
        return None if target is None else self._session.writes[target]

    def close(self) -> None:
        """Flush and release an embedded database for other processes, or disconnect from a server."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def collections(self) -> list[str]:
        """Names of the collections, without aliases, in order."""
        timeout_s = self._session.timeout_s
        names = self._session.read("list collections", "", lambda c: c.list_collections(timeout=timeout_s))
        return sorted(names)

    def create(self, name: str, spec: CollectionSpec) -> None:
        """Create and load a collection, unless it exists with the same layout.

        Raises:
            SchemaMismatchError: It exists with another layout.
        """
        check_name(name)
        session = self._session
        with session.one_writer(name):
            if self._is_same(name, spec):
                return
            call = partial(_create, name=name, schema=schema_of(spec), timeout_s=session.write_timeout_s)
            try:
                session.write("create", name, call)
            except StoreError:
                if not self._is_same(name, spec):  # Another process may have been faster.
                    raise
            self._index(name)

    def resolve(self, name: str) -> str | None:
        """Name of the collection behind a name or an alias; ``None`` if there is none."""
        check_name(name)
        session = self._session
        if session.engine is not None:
            return session.physical(name)
        try:
            return str(self._describe(name)["collection_name"])
        except CollectionMissingError:
            return None

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection from now on."""
        session, timeout_s = self._session, self._session.timeout_s
        check_name(alias)
        with session.one_writer(_ALIASES):
            target, before = self._physical(name), self.resolve(alias)
            if before == alias:
                raise StoreError(f"{alias!r} is a collection and cannot be an alias of {target!r}")
            if before is None:
                try:
                    session.write("create alias", alias, lambda c: c.create_alias(target, alias, timeout=timeout_s))
                except StoreError:
                    before = self.resolve(alias)  # Another process may have been faster.
                    if before is None:
                        raise
            if before not in {None, target}:
                session.write("alter alias", alias, lambda c: c.alter_alias(target, alias, timeout=timeout_s))

    def drop(self, name: str) -> None:
        """Delete a collection with its rows; nothing happens if it does not exist.

        Raises:
            StoreError: ``name`` is an alias.
        """
        with self._session.one_writer(_ALIASES):
            target = self.resolve(name)
            if target is None:
                return
            if target != name:
                raise StoreError(
                    f"{name!r} is an alias of the collection {target!r}, which is not dropped through it",
                    hint=f"drop {target!r} itself",
                )
            self._session.drop(name)

    def release(self, alias: str) -> None:
        """Delete the collection behind an alias, and the alias; nothing happens if there is none.

        Raises:
            StoreError: ``alias`` is a collection.
        """
        session, timeout_s = self._session, self._session.timeout_s
        with session.one_writer(_ALIASES):
            target = self.resolve(alias)
            if target is None:
                return
            if target == alias:
                raise StoreError(f"{alias!r} is a collection and no alias", hint="drop it by its name")
            if session.engine is None:  # The embedded engine drops the aliases of a collection with it.
                session.write("drop alias", alias, lambda c: c.drop_alias(alias, timeout=timeout_s))
            self.drop(target)

    def upsert(self, name: str, spec: CollectionSpec, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, each in place of the row with its key; of rows with one key, the last.

        All rows are checked before any is sent.

        Raises:
            StoreError: A row does not fit; the field, the key, the value and the bound are named.
            StoreWriteError: The embedded engine failed; it says what is kept.
        """
        session, target = self._session, self._physical(name)
        for batch, size in batches(spec, rows):
            call = partial(_upsert, name=target, rows=batch, timeout_s=session.write_timeout_s)
            session.write("upsert into", target, call, size=size)

    def delete(self, name: str, where: Filter) -> None:
        """Delete the rows that match.

        Raises:
            StoreError: The filter is empty and would match every row.
        """
        if matches_nothing(where):
            return
        if not render(where):
            raise StoreError(f"an empty filter would delete every row of {name!r}", hint="drop the collection instead")
        session, target = self._session, self._physical(name)
        for part in split(where):
            call = partial(_delete, name=target, expression=render(part), timeout_s=session.write_timeout_s)
            session.write("delete from", target, call)

    def query(
        self,
        name: str,
        *,
        where: Filter | None = None,
        fields: Sequence[str],
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Every row that matches, those just written included, in order of the keys, with ``fields`` and ``key``.

        A ``vector`` asked for comes as (dim,) float32.

        Args:
            name: Collection or alias.
            where: What to match; all rows if absent.
            fields: Names of the fields to return.
            limit: At most so many rows, those of the smallest keys; all if absent.
        """
        return reading.query(self._session, check_name(name), where, fields, limit)

    def scan(
        self, name: str, *, where: Filter | None = None, fields: Sequence[str], page: int = 2000
    ) -> Iterator[list[dict[str, Any]]]:
        """Every row that matches exactly once, in order of the keys, at most ``page`` rows at a time."""
        return reading.scan(self._session, check_name(name), where, fields, page)

    def columns(self, name: str, *, fields: Sequence[str], page: int = PAGE) -> Iterator[Columns]:
        """Every row exactly once, in pages of columns and in no order: the quick way to read a whole collection.

        Args:
            name: Collection or alias.
            fields: Names of the fields to return, of texts, numbers and the vector; ``key`` comes with them.
            page: Rows at a time.
        """
        if self._session.engine is not None:
            yield from self._session.snapshot(check_name(name)).columns(fields, page)
            return
        for rows in self.scan(name, fields=fields, page=page):
            yield of_rows(rows, fields)

    def search(
        self,
        name: str,
        vectors: Vectors,
        k: int,
        *,
        where: Filter | None = None,
        fields: Sequence[str] = (),
        strong: bool = False,
    ) -> list[list[Hit]]:
        """The k rows of the highest inner product with each vector, best first, ties in order of the keys.

        Args:
            name: Collection or alias.
            vectors: (n, dim) float32.
            k: At most so many rows for each.
            where: Which rows may be found; all if absent.
            fields: Names of the fields to return with each hit.
            strong: Whether rows just written must be seen; a server needs 0.2 s for that (measured on 2.3.5).
        """
        return reading.search(self._session, check_name(name), check_queries(vectors), k, where, fields, strong=strong)

    def count(self, name: str, where: Filter | None = None) -> int:
        """How many rows match, those just written included."""
        return reading.count(self._session, check_name(name), where)

    def flush(self, *names: str) -> None:
        """Make the rows of these collections, or of all, survive a loss of power.

        Rows that a server has acknowledged are in its log; there this only checks that the collections exist.
        """
        for name in names or self.collections():
            self._session.flush(self._physical(name))

    def _physical(self, name: str) -> str:
        target = self.resolve(name)
        if target is None:
            raise CollectionMissingError(f"collection or alias {name!r} does not exist at {self.uri}")
        return target

    def _describe(self, name: str) -> Mapping[str, Any]:
        timeout_s = self._session.timeout_s
        answer = self._session.read("describe", name, lambda c: c.describe_collection(name, timeout=timeout_s))
        return dict(answer)

    def _is_same(self, name: str, spec: CollectionSpec) -> bool:
        """Whether a collection of this name exists and is complete; fails if it has another layout."""
        try:
            check_same(name, described(self._describe(name)), expected(spec))
        except CollectionMissingError:
            return False
        # The process that created it may have died before it had an index.
        self._index(name)
        return True

    def _index(self, name: str) -> None:
        session = self._session
        call = partial(_ensure_index, name=name, lite=session.lite, timeout_s=session.timeout_s)
        try:
            session.write("index", name, call)
        except StoreUnavailableError:
            raise
        except StoreError:  # Another process may have been faster; then there is one now, and only loading is left.
            if session.engine is not None:
                raise
            session.write("index", name, call)


def _create(client: "MilvusClient", *, name: str, schema: "CollectionSchema", timeout_s: float) -> None:
    # What a collection is created with is what ordered queries get, whatever they ask for: the client sends no level
    # with them (pymilvus 3.0.2, ``construct_guarantee_ts``). Its default would hide rows just written.
    client.create_collection(name, schema=schema, consistency_level="Strong", timeout=timeout_s)


def _upsert(client: "MilvusClient", *, name: str, rows: list[dict[str, Any]], timeout_s: float) -> None:
    client.upsert(name, rows, timeout=timeout_s)


def _delete(client: "MilvusClient", *, name: str, expression: str, timeout_s: float) -> None:
    # Never by ids: the client puts them into an expression as they are.
    client.delete(name, filter=expression, timeout=timeout_s)


def _ensure_index(client: "MilvusClient", *, name: str, lite: bool, timeout_s: float) -> None:
    if not client.list_indexes(name, timeout=timeout_s):
        parameters = client.prepare_index_params()
        # Lite's approximate indexes lose most hits of a narrow filter; FLAT is exact and as fast at its
        # sizes.
        parameters.add_index(VECTOR, index_type="FLAT" if lite else "AUTOINDEX", metric_type="IP")
        # Waiting for it here has no deadline in the client; loading waits for it, with one.
        client.create_index(name, parameters, timeout=timeout_s, sync=False)
    # A server takes 3 s (measured on 2.3.5), several collections at a time: the first call that reads one waits for it.
    client.load_collection(name, timeout=timeout_s, _async=not lite)
