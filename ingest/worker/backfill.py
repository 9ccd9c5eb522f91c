"""Stored items answered anew after a change of the classes, some at a time, among workers that write meanwhile."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...store.source_versions import Claim, Stamp
from .applying import LEASE_MS, Applier

__all__ = ["Backfill"]

_LEADER: Final = Stamp("backfill", "leader", 0, "").target
_ASK_AGAIN_MS: Final = 5_000

_ANEW: Final = -1
"""Version of a claim on an item that is only answered anew."""


class Backfill:
    """Gives stored items the answers of the classes of now; in the thread of its applier."""

    def __init__(self, applier: Applier) -> None:
        """Write where the applier does."""
        self._applier = applier
        self._site = applier.site
        self._ask_at_ms = 0

    def some(self, limit: int) -> list[dict[str, Any]]:
        """Give at most ``limit`` stored items their new answers; these, to be published.

        Of several workers one does it, until it is done or dead.
        """
        site = self._site
        if site.now_ms() < self._ask_at_ms or not site.target.behind():
            return []
        leading = self._claim(_LEADER)
        if not self._leads(leading):
            self._ask_at_ms = site.now_ms() + _ASK_AGAIN_MS
            return []
        scope = f"item:{site.space}" if site.space else "item"
        stamps = {key: Stamp(scope, name, _ANEW, "") for key, name in site.target.others(limit).items()}
        busy = site.claims.of([stamp.target for stamp in stamps.values()])
        rows = self._answer_anew({key: stamp for key, stamp in stamps.items() if not self._rival(busy, stamp.target)})
        if not site.target.behind():
            site.claims.withdraw([leading])
        return rows

    def _answer_anew(self, stamps: Mapping[str, Stamp]) -> list[dict[str, Any]]:
        """Write new answers of items that nobody else writes, by their keys."""
        site, applier = self._site, self._applier
        claims = [self._claim(stamp.target) for stamp in stamps.values()]
        site.claims.announce(claims)
        changed = site.target.answer_anew(list(stamps))
        if not stamps:
            return []
        site.target.flush()
        # Whoever wrote one of them meanwhile saw the claim on it and left its own, with what it wrote.
        rivals = site.claims.of([stamp.target for stamp in stamps.values()])
        applier.apply([event for target in rivals for event in applier.events_of(rivals, target)])
        site.claims.withdraw(claims)
        applier.tally.backfilled += len(changed)
        known = site.versions.known([stamps[key].target for key in changed])
        versions = {key: known[one.target].version for key, one in stamps.items() if one.target in known}
        return [{**row, "version": versions.get(key)} for key, row in changed.items()]

    def _claim(self, target: str) -> Claim:
        return Claim(target, self._site.worker, _ANEW, "", "", self._site.now_ms())

    def _leads(self, leading: Claim) -> bool:
        """Whether no other worker is at it; of two that ask at once, none or the first by name."""
        site = self._site
        site.claims.announce([leading])
        others = [one for one in site.claims.of([_LEADER]).get(_LEADER, ()) if one.worker != site.worker]
        alive = [one for one in others if one.at_ms >= site.now_ms() - LEASE_MS]
        if any(one.worker < site.worker for one in alive):
            site.claims.withdraw([leading])
            return False
        return True

    def _rival(self, claims: Mapping[str, Sequence[Claim]], target: str) -> bool:
        return any(one.worker != self._site.worker for one in claims.get(target, ()))
