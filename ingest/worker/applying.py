"""Events into the store, so that the newest of each item and class stands, whoever else writes at the same time.

An engine has no write that depends on what is there. So before a worker writes a version it announces a claim that
holds the event, and after its writes are durable it looks at the claims again:

    claim the versions  ->  read the claims, then what is settled  ->  write the newest  ->  flush
    ->  read the claims again; while there is a newer one: write that one's event, flush
    ->  settle the versions  ->  withdraw the claims

Take two workers with versions 3 and 5 of one item. If 3 is written last, it was claimed before its worker could see 5,
so the worker of 5 sees the claim on 3 and leaves its own in place; and the worker of 3, when it looks again, finds 5
and writes it. A worker that dies in between has acknowledged nothing: whoever gets its events does all of it again.
Claims that nobody withdrew in time are gone over once more.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ...store.source_versions import Claim, Claims, Stamp, Versions
from .events import BadEventError, Event, parse

__all__ = ["BROKE", "LEASE_MS", "Applier", "Failure", "Tally", "Target"]

LEASE_MS: Final = 600_000
"""A claim of this age is of a dead worker: one that lives withdraws its claims after each flush."""

BROKE: Final = "failed"
"""Code of a failure that nobody foresaw; what else can be wrong with an event has a code of its own."""

_LEADER: Final = Stamp("backfill", "leader", 0, "").target
_ASK_AGAIN_MS: Final = 5_000

_ANEW: Final = -1
"""Version of a claim on an item that is only answered anew."""

_Order = tuple[int, str]
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event could not be stored."""

    code: str
    message: str


class Target(Protocol):
    """Where events go: the catalogue. Every method may raise ``StoreError``."""

    def put(self, events: Sequence[Event]) -> list[_Row | Failure | None]:
        """Store or remove items and classes; for each event the answer of its item, if it has one, or the failure."""
        ...

    def flush(self) -> None:
        """Return when everything put is durable."""
        ...

    def behind(self) -> bool:
        """Whether the classes have changed since all stored items were answered."""
        ...

    def others(self, limit: int) -> dict[str, str]:
        """Keys and ids of the next stored items that the classes of now would answer otherwise, or none of a page."""
        ...

    def answer_anew(self, keys: Sequence[str]) -> dict[str, _Row]:
        """Write the new answers of some of those; the answers by key. Others of them are left for another round."""
        ...


@dataclass(slots=True)
class Tally:
    """How many events did what, since the start.

    Attributes:
        applied: Stored.
        superseded: Not needed: something newer of the same id was there, or came with them.
        repeated: Stored before, and delivered again.
        repaired: Newer versions of other workers that this one put back.
        backfilled: Stored items answered anew after a change of the classes.
    """

    applied: int = 0
    superseded: int = 0
    repeated: int = 0
    repaired: int = 0
    backfilled: int = 0


@dataclass(slots=True)
class _Held:
    """What was written since the last commit: by target the newest event and its answer, and every claim made."""

    newest: dict[str, Event] = field(default_factory=dict)
    rows: dict[str, _Row] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    refused: set[tuple[str, _Order]] = field(default_factory=set)


class Applier:
    """Applies events for one worker, in one thread. After a ``StoreError`` the same call may be made again."""

    def __init__(
        self,
        target: Target,
        versions: Versions,
        claims: Claims,
        *,
        worker: str,
        space: str = "",
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Apply to a target.

        Args:
            target: The catalogue.
            versions: The versions that are settled.
            claims: What every worker is writing.
            worker: Name of this one, like no other.
            space: Name of the space of given vectors that items are for.
            now_ms: The clock, in milliseconds since 1970.
        """
        self.tally = Tally()
        self._target = target
        self._versions = versions
        self._claims = claims
        self._worker = worker
        self._space = space
        self._now_ms = now_ms
        self._held = _Held()
        self._ask_at_ms = 0

    def apply(self, events: Sequence[Event]) -> dict[int, Failure]:
        """Write what is newer than what is there; nothing is durable before ``commit``.

        Returns:
            Which events could not be stored, by place, and why. In the place of such a one the next newest stands.
        """
        places: dict[str, dict[_Order, list[int]]] = {}
        for place, event in enumerate(events):
            places.setdefault(event.target, {}).setdefault(event.order, []).append(place)
        self._announce([events[same[0]] for orders in places.values() for same in orders.values()])
        rivals = self._claims.of(places)
        # After the claims: one that is gone by now was settled before it went.
        settled = self._versions.known(places)
        todo = {
            target: _newest_first([*(events[same[0]] for same in orders.values()), *self._events(rivals, target)])
            for target, orders in places.items()
        }
        failures: dict[int, Failure] = {}
        while todo := {target: rest for target, rest in todo.items() if rest and self._wants(rest[0], settled)}:
            tops = [rest.pop(0) for rest in todo.values()]
            for event, failure in self._put(tops).items():
                failures |= dict.fromkeys(places[event.target].get(event.order, ()), failure)
        for target, orders in places.items():
            self._count(orders, settled.get(target), failures)
        return failures

    def commit(self) -> list[dict[str, Any]]:
        """Make everything applied durable and settle it; the answers of its items, to be published."""
        held = self._held
        if not held.claims:
            return []
        self._target.flush()
        targets = {claim.target for claim in held.claims.values()}
        while newer := self._newer(rivals := self._claims.of(targets)):
            self.tally.repaired += len(newer) - len(self._put(newer))
            self._target.flush()
        self._versions.settle([event.stamp for event in held.newest.values()])
        self._claims.withdraw([claim for claim in held.claims.values() if self._is_over(claim, rivals)])
        rows = [{**row, "version": held.newest[target].version} for target, row in held.rows.items()]
        self._held = _Held()
        return rows

    def backfill(self, limit: int) -> list[dict[str, Any]]:
        """Give some stored items the answers of the classes of now; these answers, to be published.

        Of several workers one does it, until it is done or dead.
        """
        if self._now_ms() < self._ask_at_ms or not self._target.behind():
            return []
        leading = Claim(_LEADER, self._worker, _ANEW, "", "", self._now_ms())
        if not self._leads(leading):
            self._ask_at_ms = self._now_ms() + _ASK_AGAIN_MS
            return []
        scope = f"item:{self._space}" if self._space else "item"
        stamps = {key: Stamp(scope, name, _ANEW, "") for key, name in self._target.others(limit).items()}
        busy = self._claims.of([stamp.target for stamp in stamps.values()])
        rows = self._answer_anew({key: stamp for key, stamp in stamps.items() if not self._rival(busy, stamp.target)})
        if not self._target.behind():
            self._claims.withdraw([leading])
        return rows

    def _answer_anew(self, stamps: Mapping[str, Stamp]) -> list[dict[str, Any]]:
        """Write new answers of items that nobody else writes, by their keys."""
        claims = [Claim(stamp.target, self._worker, _ANEW, "", "", self._now_ms()) for stamp in stamps.values()]
        self._claims.announce(claims)
        changed = self._target.answer_anew(list(stamps))
        if not stamps:
            return []
        self._target.flush()
        # Whoever wrote one of them meanwhile saw the claim on it and left its own, with what it wrote.
        rivals = self._claims.of([stamp.target for stamp in stamps.values()])
        self.apply([event for target in rivals for event in self._events(rivals, target)])
        self._claims.withdraw(claims)
        self.tally.backfilled += len(changed)
        known = self._versions.known([stamps[key].target for key in changed])
        versions = {key: known[one.target].version for key, one in stamps.items() if one.target in known}
        return [{**row, "version": versions.get(key)} for key, row in changed.items()]

    def _leads(self, leading: Claim) -> bool:
        """Whether no other worker is at it; of two that ask at once, none or the first by name."""
        self._claims.announce([leading])
        others = [one for one in self._claims.of([_LEADER]).get(_LEADER, ()) if one.worker != self._worker]
        alive = [one for one in others if one.at_ms >= self._now_ms() - LEASE_MS]
        if any(one.worker < self._worker for one in alive):
            self._claims.withdraw([leading])
            return False
        return True

    def _rival(self, claims: Mapping[str, Sequence[Claim]], target: str) -> bool:
        return any(one.worker != self._worker for one in claims.get(target, ()))

    def sweep(self) -> int:
        """Go over what dead workers left behind; how many claims that were. Commit comes next."""
        old = self._claims.older(self._now_ms() - LEASE_MS)
        self.apply([event for target in old for event in self._events(old, target)])
        claims = [claim for found in old.values() for claim in found]
        self._held.claims |= {claim.key: claim for claim in claims}
        return len(claims)

    def _announce(self, events: Sequence[Event]) -> None:
        now = self._now_ms()
        claims = [Claim(one.target, self._worker, *one.order, one.body, now) for one in events]
        self._held.claims |= {claim.key: claim for claim in claims}
        self._claims.announce(claims)

    def _put(self, events: Sequence[Event]) -> dict[Event, Failure]:
        """Write events of different targets; those that failed."""
        failed: dict[Event, Failure] = {}
        for event, row in zip(events, self._target.put(events), strict=True):
            if isinstance(row, Failure):
                failed[event] = row
                self._held.refused.add((event.target, event.order))
                continue
            self._held.newest[event.target] = event
            self._held.rows.pop(event.target, None)
            if row is not None:
                self._held.rows[event.target] = row
        return failed

    def _wants(self, event: Event, settled: Mapping[str, Stamp]) -> bool:
        """Whether an event is at least as new as what is stored, and newer than what this worker has written."""
        held, there = self._held.newest.get(event.target), settled.get(event.target)
        return (held is None or event.order > held.order) and (there is None or event.order >= there.order)

    def _newer(self, rivals: Mapping[str, Sequence[Claim]]) -> list[Event]:
        """The newest event of each target that another worker claims, where this one wrote an older one."""
        newest = (_newest_first(self._events(rivals, target))[:1] for target in rivals if target in self._held.newest)
        return [event for found in newest for event in found if event.order > self._held.newest[event.target].order]

    def _events(self, rivals: Mapping[str, Sequence[Claim]], target: str) -> list[Event]:
        """The events that other workers claim; what they cannot store either is left out."""
        bodies = [
            claim.body
            for claim in rivals.get(target, ())
            if claim.body and claim.worker != self._worker and (target, claim.order) not in self._held.refused
        ]
        events = []
        for body in bodies:
            try:
                events.append(parse(body.encode(), self._space))
            except BadEventError:  # of a later version of this program; its own worker deals with it
                continue
        return events

    def _is_over(self, claim: Claim, rivals: Mapping[str, Sequence[Claim]]) -> bool:
        """Whether nobody needs a claim any more: it does not tell what a slower worker with an older version must."""
        newest = self._held.newest.get(claim.target)
        if claim.worker != self._worker or newest is None or claim.order != newest.order:
            return True
        others = (one for one in rivals.get(claim.target, ()) if one.key not in self._held.claims)
        return not any(one.order < claim.order for one in others)

    def _count(
        self, orders: Mapping[_Order, Sequence[int]], settled: Stamp | None, failures: Mapping[int, Failure]
    ) -> None:
        """Count the events of one target."""
        good = {order: same for order, same in orders.items() if same[0] not in failures}
        newest = max(good, default=None)
        for order, same in good.items():
            if order != newest or (settled is not None and settled.order > order):
                self.tally.superseded += len(same)
            elif settled is not None and settled.order == order:
                self.tally.repeated += len(same)
            else:
                self.tally.applied += 1
                self.tally.repeated += len(same) - 1


def _newest_first(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.order, reverse=True)
