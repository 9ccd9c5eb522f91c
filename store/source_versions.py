"""Versions of items and classes as their source counts them, and what several workers are writing at this moment.

An item's row says what it is, not how new: that is kept here, beside it, for every worker. A deleted item keeps its
version, or a late event would bring it back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ..schemas.collections import STATE_DIM, claims_spec, key_of, versions_spec
from ..schemas.filters import All, Compare, Filter, In
from .names import claims_collection, versions_collection
from .store import Store

__all__ = ["Claim", "Claims", "NoClaims", "Stamp", "Versions"]

_DUMMY: Final = np.eye(1, STATE_DIM, dtype=np.float32)[0]


@dataclass(frozen=True, slots=True)
class Stamp:
    """How new something is.

    Attributes:
        scope: What the id is of.
        entity_id: The id of an item or a class.
        version: As the source counts, from 0.
        digest: Of the content; decides between two contents that a source gave one version.
        deleted: Whether it is gone since.
    """

    scope: str
    entity_id: str
    version: int
    digest: str
    deleted: bool = False

    @property
    def target(self) -> str:
        """Key of what this is the version of."""
        return key_of(self.scope, self.entity_id)

    @property
    def order(self) -> tuple[int, str]:
        """What is greater is newer."""
        return self.version, self.digest


class Versions:
    """The newest settled version of each item and class: what is stored is at least as new."""

    def __init__(self, store: Store, catalog: str) -> None:
        """Make the collection, unless it is there."""
        self._store = store
        self._name = versions_collection(catalog)
        store.create(self._name, versions_spec())

    def known(self, targets: Collection[str]) -> dict[str, Stamp]:
        """The stamps there are, by key."""
        fields = ("scope", "entity_id", "version", "digest", "deleted")
        rows = self._store.query(self._name, where=In("key", list(targets)), fields=fields)
        return {
            row["key"]: Stamp(row["scope"], row["entity_id"], row["version"], row["digest"], bool(row["deleted"]))
            for row in rows
        }

    def settle(self, stamps: Sequence[Stamp]) -> None:
        """Note that these are stored, and return when that is durable."""
        if not stamps:
            return
        rows = [
            {
                "key": stamp.target,
                "vector": _DUMMY,
                "scope": stamp.scope,
                "entity_id": stamp.entity_id,
                "version": stamp.version,
                "digest": stamp.digest,
                "deleted": int(stamp.deleted),
            }
            for stamp in stamps
        ]
        self._store.upsert(self._name, versions_spec(), rows)
        self._store.flush(self._name)


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker is writing a version of something, or was when it died.

    Attributes:
        target: Key of what is written.
        worker: Who writes.
        version: Which version; -1 where what is stored is only answered anew.
        digest: Of the content.
        body: The event, so that whoever wrote an older version over this one can put it right; empty for none.
        at_ms: When, in milliseconds since 1970.
    """

    target: str
    worker: str
    version: int
    digest: str
    body: str
    at_ms: int

    @property
    def key(self) -> str:
        """Each worker has its own, so that nobody takes away a claim of somebody who is still writing."""
        return key_of(self.worker, self.target, str(self.version), self.digest)

    @property
    def order(self) -> tuple[int, str]:
        """What is greater is newer."""
        return self.version, self.digest


class Claims:
    """What workers are writing; few rows, and none while nobody writes."""

    def __init__(self, store: Store, catalog: str) -> None:
        """Make the collection, unless it is there."""
        self._store = store
        self._name = claims_collection(catalog)
        store.create(self._name, claims_spec())

    def announce(self, claims: Sequence[Claim]) -> None:
        """Let every worker that reads after this see these."""
        rows = [
            {
                "key": claim.key,
                "vector": _DUMMY,
                "target": claim.target,
                "worker": claim.worker,
                "version": claim.version,
                "digest": claim.digest,
                "at_ms": claim.at_ms,
                "body": claim.body,
            }
            for claim in claims
        ]
        if rows:
            self._store.upsert(self._name, claims_spec(), rows)

    def of(self, targets: Collection[str]) -> dict[str, list[Claim]]:
        """The claims on each of these; targets without any are left out."""
        found: dict[str, list[Claim]] = {}
        for claim in self._found(In("target", list(targets))):
            found.setdefault(claim.target, []).append(claim)
        return found

    def older(self, than_ms: int, *, limit: int | None = None, after: str = "") -> list[Claim]:
        """The claims made before a moment, in order of their keys.

        Args:
            than_ms: The moment, in milliseconds since 1970.
            limit: At most so many; all if absent.
            after: Only those whose keys come after this one.
        """
        return self._found(All((Compare("at_ms", "<", than_ms), Compare("key", ">", after))), limit)

    def withdraw(self, claims: Sequence[Claim]) -> None:
        """Take claims back."""
        if claims:
            self._store.delete(self._name, In("key", [claim.key for claim in claims]))

    def _found(self, where: Filter, limit: int | None = None) -> list[Claim]:
        fields = ("target", "worker", "version", "digest", "body", "at_ms")
        return [_claim(row) for row in self._store.query(self._name, where=where, fields=fields, limit=limit)]


class NoClaims(Claims):
    """For an embedded database, which has one process: nobody else writes."""

    def __init__(self) -> None:
        """Nothing is stored."""

    def announce(self, claims: Sequence[Claim]) -> None:
        """Nobody would read it."""

    def of(self, targets: Collection[str]) -> dict[str, list[Claim]]:  # noqa: ARG002
        """None."""
        return {}

    def older(self, than_ms: int, *, limit: int | None = None, after: str = "") -> list[Claim]:  # noqa: ARG002
        """None."""
        return []

    def withdraw(self, claims: Sequence[Claim]) -> None:
        """There are none."""


def _claim(row: Mapping[str, Any]) -> Claim:
    return Claim(row["target"], row["worker"], row["version"], row["digest"], row["body"], row["at_ms"])
