"""A store for trying things out: it reads what another one has, and what is written to it stays in memory."""

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..errors import CollectionMissingError, StoreError
from ..schemas.collections import CollectionSpec
from ..schemas.filters import All, AnyOf, Attribute, Compare, Filter, In, Operator
from .columns import PAGE, Columns, of_rows
from .layout import KEY, VECTOR
from .reading import Hit
from .rows import Vectors
from .store import Store

__all__ = ["DraftStore"]

_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class DraftStore(Store):
    """Collections as another store has them, with changes that only this object knows; they go when it goes.

    What was written here is not found by ``search``, which is refused where there is any, and ``scan`` gives it last.
    """

    def __init__(self, base: Store) -> None:
        super().__init__(base._session)  # noqa: SLF001 - a store over the same connection
        self._base = base
        self._made: dict[str, str] = {}
        self._changed: dict[str, dict[str, dict[str, Any] | None]] = {}

    @property
    def embedded(self) -> bool:
        """True: no other process writes here."""
        return True

    def writes(self, name: str) -> int | None:  # noqa: ARG002 - of any
        """None: what is read here changes without a write to the collection."""
        return None

    def close(self) -> None:
        """Nothing; the other store is open as before."""

    def create(self, name: str, spec: CollectionSpec) -> None:  # noqa: ARG002 - rows are not checked against it
        """Make a collection, unless it is there."""
        if self.resolve(name) is None:
            self._made[name] = name

    def resolve(self, name: str) -> str | None:
        """Name of the collection behind a name or an alias; ``None`` if there is none."""
        return self._made.get(name) or self._base.resolve(name)

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection from now on."""
        self._made[alias] = self._target(name)

    def drop(self, name: str) -> None:
        """Refuse: nothing is dropped in a draft.

        Raises:
            StoreError: Always.
        """
        message = f"{name!r} is part of a draft, where nothing is dropped"
        raise StoreError(message)

    def upsert(self, name: str, spec: CollectionSpec, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: ARG002
        """Keep rows, each in place of the row with its key."""
        changed = self._changed.setdefault(self._target(name), {})
        for row in rows:
            changed[row[KEY]] = {**row, VECTOR: np.asarray(row[VECTOR], np.float32)}

    def delete(self, name: str, where: Filter) -> None:
        """Forget the rows that match."""
        found = self.query(name, where=where, fields=())
        self._changed.setdefault(self._target(name), {}).update(dict.fromkeys((row[KEY] for row in found), None))

    def query(
        self,
        name: str,
        *,
        where: Filter | None = None,
        fields: Sequence[str],
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Every row that matches, in order of the keys, as the other store and this one have it."""
        target = self._target(name)
        changed = self._changed.get(target)
        if not changed and self._base.resolve(target) is not None:
            return self._base.query(target, where=where, fields=fields, limit=limit)
        found = self._written(target, where, fields)
        if self._base.resolve(target) is not None:
            stored = self._base.query(target, where=where, fields=fields)
            found += [row for row in stored if row[KEY] not in (changed or {})]
        return sorted(found, key=lambda row: str(row[KEY]))[:limit]

    def scan(
        self, name: str, *, where: Filter | None = None, fields: Sequence[str], page: int = 2000
    ) -> Iterator[list[dict[str, Any]]]:
        """Every row that matches exactly once, at most ``page`` rows at a time; what was written here comes last."""
        target = self._target(name)
        written = self._written(target, where, fields)
        changed = frozenset(self._changed.get(target, ()))
        if self._base.resolve(target) is not None:
            for rows in self._base.scan(target, where=where, fields=fields, page=page):
                yield [row for row in rows if row[KEY] not in changed]
        for start in range(0, len(written), page):
            yield written[start : start + page]

    def columns(self, name: str, *, fields: Sequence[str], page: int = PAGE) -> Iterator[Columns]:
        """Every row exactly once, in pages of columns; what was written here comes last."""
        target = self._target(name)
        changed = self._changed.get(target, {})
        if self._base.resolve(target) is not None:
            for found in self._base.columns(target, fields=fields, page=page):
                yield _without(found, changed)
        written = self._written(target, None, fields)
        for start in range(0, len(written), page):
            yield of_rows(written[start : start + page], fields)

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
        """The rows nearest to each vector, where nothing was written.

        Raises:
            StoreError: Something was.
        """
        target = self._target(name)
        if self._changed.get(target):
            message = f"{name!r} was changed in a draft, which is not searched"
            raise StoreError(message)
        return self._base.search(target, vectors, k, where=where, fields=fields, strong=strong)

    def count(self, name: str, where: Filter | None = None) -> int:
        """How many rows match."""
        target = self._target(name)
        if not self._changed.get(target) and self._base.resolve(target) is not None:
            return self._base.count(target, where)
        return len(self.query(name, where=where, fields=()))

    def flush(self, *names: str) -> None:
        """Nothing: a draft is not kept."""

    def _target(self, name: str) -> str:
        target = self.resolve(name)
        if target is None:
            message = f"collection or alias {name!r} does not exist at {self.uri}"
            raise CollectionMissingError(message)
        return target

    def _written(self, target: str, where: Filter | None, fields: Sequence[str]) -> list[dict[str, Any]]:
        changed = self._changed.get(target, {})
        if isinstance(where, In) and where.field == KEY:
            rows = [changed.get(str(key)) for key in dict.fromkeys(where.values)]
        else:
            rows = [row for row in changed.values() if row is None or where is None or _matches(row, where)]
        return [{name: row[name] for name in (KEY, *fields)} for row in rows if row is not None]


def _without(columns: Columns, keys: Collection[str]) -> Columns:
    """The rows that do not have one of these keys."""
    if not keys:
        return columns
    left = [place for place, key in enumerate(columns[KEY]) if key not in keys]
    return {
        name: values[left] if isinstance(values, np.ndarray) else [values[place] for place in left]
        for name, values in columns.items()
    }


def _matches(row: Mapping[str, Any], where: Filter) -> bool:
    if isinstance(where, All):
        return all(_matches(row, part) for part in where.parts)
    if isinstance(where, AnyOf):
        return any(_matches(row, part) for part in where.parts)
    if isinstance(where, In):
        return row[where.field] in where.values
    return _holds(row, where)


def _holds(row: Mapping[str, Any], where: Compare) -> bool:
    """Of an absent attribute, and of values of another kind, nothing holds."""
    field = where.field
    value = row["attributes"].get(field.key) if isinstance(field, Attribute) else row[field]
    if isinstance(value, str) != isinstance(where.value, str) or value is None:
        return False
    return _COMPARE[where.op](value, where.value)
