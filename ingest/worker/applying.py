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
from typing import Any, Final

from ...store.source_versions import Claim, Claims, Stamp, Versions
from .events import BadEventError, Event, parse
from .outcomes import Failure, Row, Tally, Target

__all__ = ["LEASE_MS", "Applier", "Site"]

LEASE_MS: Final = 600_000
"""A claim of this age is of a dead worker: one that lives withdraws its claims after each flush."""

_Order = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Site:
    """Where one worker writes.

    Attributes:
        target: The catalogue.
        versions: The versions that are settled.
        claims: What every worker is writing.
        worker: Name of this one, like no other.
        space: Name of the space of given vectors that items are for; empty for texts and pictures.
        now_ms: The clock, in milliseconds since 1970.
    """

    target: Target
    versions: Versions
    claims: Claims
    worker: str
    space: str = ""
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Held:
    """What was written since the last commit: by target the newest event and its answer, and every claim made."""

    newest: dict[str, Event] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    refused: set[tuple[str, _Order]] = field(default_factory=set)


class Applier:
    """Applies events for one worker, in one thread. After a ``StoreError`` the same call may be made again.

    Attributes:
        site: Where it writes.
        tally: What became of events.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.tally = Tally()
        self._held = _Held()
        self._swept_to = ""

    def apply(self, events: Sequence[Event], coming: Sequence[Event] = ()) -> dict[int, Failure]:
        """Write what is newer than what is there; nothing is durable before ``commit``.

        Args:
            events: What to write.
            coming: What will probably be written next; some of the work on it begins while these are written.

        Returns:
            Which events could not be stored, by place, and why. In the place of such a one the next newest stands.
        """
        for some in (events, coming):
            self.site.target.expect(some)
        places: dict[str, dict[_Order, list[int]]] = {}
        for place, event in enumerate(events):
            places.setdefault(event.target, {}).setdefault(event.order, []).append(place)
        self._announce([events[same[0]] for orders in places.values() for same in orders.values()])
        rivals = self.site.claims.of(places)
        # After the claims: one that is gone by now was settled before it went.
        settled = self.site.versions.known(places)
        todo = {
            target: _newest_first([*(events[same[0]] for same in orders.values()), *self.events_of(rivals, target)])
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
        self.site.target.flush()
        targets = {claim.target for claim in held.claims.values()}
        while newer := self._newer(rivals := self.site.claims.of(targets)):
            self.tally.repaired += len(newer) - len(self._put(newer))
            self.site.target.flush()
        self.site.versions.settle([event.stamp for event in held.newest.values()])
        self.site.claims.withdraw([claim for claim in held.claims.values() if self._is_over(claim, rivals)])
        rows = [{**row, "version": held.newest[target].version} for target, row in held.rows.items()]
        self._held = _Held()
        return rows

    def sweep(self, limit: int) -> int:
        """Go over some of what dead workers left behind; how many claims of theirs were read, at most ``limit``.

        Each call goes on after the one before, and one that reads fewer has come to the end: many dead workers leave
        much, and it is never held at once. Commit comes next.
        """
        before_ms = self.site.now_ms() - LEASE_MS
        some = self.site.claims.older(before_ms, limit=limit, after=self._swept_to)
        # All that are on the same items go together, or one that is left would hold on to the claims made here.
        found = self.site.claims.of({claim.target for claim in some})
        old = {target: [claim for claim in claims if claim.at_ms < before_ms] for target, claims in found.items()}
        self.apply([event for target in old for event in self.events_of(old, target)])
        self._held.claims |= {claim.key: claim for claims in old.values() for claim in claims}
        self._swept_to = some[-1].key if len(some) == limit else ""
        return len(some)

    def events_of(self, rivals: Mapping[str, Sequence[Claim]], target: str) -> list[Event]:
        """The events that other workers claim; what they cannot store either is left out."""
        bodies = [
            claim.body
            for claim in rivals.get(target, ())
            if claim.body and claim.worker != self.site.worker and (target, claim.order) not in self._held.refused
        ]
        events = []
        for body in bodies:
            try:
                events.append(parse(body.encode(), self.site.space))
            except BadEventError:  # of a later version of this program; its own worker deals with it
                continue
        return events

    def _announce(self, events: Sequence[Event]) -> None:
        now = self.site.now_ms()
        claims = [Claim(one.target, self.site.worker, *one.order, one.body, now) for one in events]
        self._held.claims |= {claim.key: claim for claim in claims}
        self.site.claims.announce(claims)

    def _put(self, events: Sequence[Event]) -> dict[Event, Failure]:
        """Write events of different targets; those that failed."""
        failed: dict[Event, Failure] = {}
        for event, row in zip(events, self.site.target.put(events), strict=True):
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
        newest = (_newest_first(self.events_of(rivals, target))[:1] for target in rivals if target in self._held.newest)
        return [event for found in newest for event in found if event.order > self._held.newest[event.target].order]

    def _is_over(self, claim: Claim, rivals: Mapping[str, Sequence[Claim]]) -> bool:
        """Whether nobody needs a claim any more: it does not tell what a slower worker with an older version must."""
        newest = self._held.newest.get(claim.target)
        if claim.worker != self.site.worker or newest is None or claim.order != newest.order:
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
