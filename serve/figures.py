"""Counts of the stored items for people: by decision, class and day, what people corrected, what shifts."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..schemas.records import Decision
from ..schemas.taxonomy import Taxonomy

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["Drift", "Figures", "figures_of"]

_FIELDS: Final = ("decision", "class_id", "confirmed_class", "updated_at")
_DAYS: Final = 30
_RECENT_DAYS: Final = 7
_LEAST: Final = 50
"""Items before and in the recent days from which their shares are compared."""

_SHOWN: Final = 8
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Drift:
    """A class whose share of the items is another one lately."""

    class_id: str
    before: float
    lately: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What the stored items say, once each.

    Attributes:
        items: How many there are.
        decisions: How many have each decision.
        confirmed: How many a person confirmed.
        judged: How many of these had been assigned.
        right: How many of those to the class that was confirmed, or to one below it.
        classes: Items of each class: confirmed there, or answered with it.
        below: The same with those of all classes below.
        days: The latest days with items, oldest first: the day, and its decisions.
        pairs: Classes that people corrected: answered, confirmed, how often.
        drift: Classes whose share changed most in the last week, most first; None where there is too little to say.
        at: When this was counted, in seconds since 1970.
    """

    items: int
    decisions: Mapping[str, int]
    confirmed: int
    judged: int
    right: int
    classes: Mapping[str, int]
    below: Mapping[str, int]
    days: Sequence[tuple[str, Mapping[str, int]]]
    pairs: Sequence[tuple[str, str, int]]
    drift: Sequence[Drift] | None
    at: float

    def share(self, decision: Decision) -> float:
        """Share of the items with this decision."""
        return self.decisions.get(decision.value, 0) / self.items if self.items else 0.0


def figures_of(catalog: "Catalog", now: float | None = None) -> Figures:
    """Count the stored items of a catalogue, in one pass."""
    at = time.time() if now is None else now
    taxonomy = catalog.classes.taxonomy
    counted = _Counted(taxonomy, at)
    for page in catalog.items().reader.rows(_FIELDS):
        for row in page:
            counted.add(row)
    return counted.figures()


class _Counted:
    def __init__(self, taxonomy: Taxonomy, now: float) -> None:
        self._taxonomy = taxonomy
        self._now = now
        self._items = self._confirmed = self._judged = self._right = 0
        self._decisions: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._lately: Counter[str] = Counter()
        self._days: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._pairs: Counter[tuple[str, str]] = Counter()

    def add(self, row: Mapping[str, Any]) -> None:
        self._items += 1
        decision = row["decision"] or "none"
        self._decisions[decision] += 1
        answered = self._taxonomy.follow(row["class_id"])
        confirmed = self._taxonomy.follow(row["confirmed_class"])
        seconds = row["updated_at"] / 1000
        self._days[time.strftime("%Y-%m-%d", time.gmtime(seconds))][decision] += 1
        belongs = confirmed or answered
        if belongs in self._taxonomy:
            self._classes[belongs] += 1
            if seconds > self._now - _RECENT_DAYS * _DAY_S:
                self._lately[belongs] += 1
        if confirmed:
            self._confirmed += 1
            self._judge(decision, answered, confirmed)

    def _judge(self, decision: str, answered: str, confirmed: str) -> None:
        if answered not in self._taxonomy or confirmed not in self._taxonomy:
            return
        right = answered == confirmed or confirmed in self._taxonomy.ancestors(answered)
        if decision == Decision.ASSIGNED.value:
            self._judged += 1
            self._right += right
        if not right and answered not in self._taxonomy.ancestors(confirmed):
            self._pairs[answered, confirmed] += 1

    def figures(self) -> Figures:
        below: Counter[str] = Counter(self._classes)
        for class_id, count in self._classes.items():
            for above in self._taxonomy.ancestors(class_id):
                below[above] += count
        return Figures(
            items=self._items,
            decisions=dict(self._decisions),
            confirmed=self._confirmed,
            judged=self._judged,
            right=self._right,
            classes=dict(self._classes),
            below=dict(below),
            days=[(day, dict(self._days[day])) for day in sorted(self._days)[-_DAYS:]],
            pairs=[(*pair, count) for pair, count in self._pairs.most_common(_SHOWN)],
            drift=self._drift(),
            at=self._now,
        )

    def _drift(self) -> list[Drift] | None:
        lately = self._lately.total()
        before = self._classes.total() - lately
        if min(lately, before) < _LEAST:
            return None
        found = [
            Drift(one, (count - self._lately[one]) / before, self._lately[one] / lately)
            for one, count in self._classes.items()
        ]
        found.sort(key=lambda one: (-abs(one.lately - one.before), one.class_id))
        return found[:_SHOWN]
