"""What a change of the classes would do to the stored items."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..schemas.records import Evidence
from ..schemas.taxonomy import Taxonomy
from .moves import EXAMPLE_CHARS, EXAMPLES, Move
from .renewal import Renewed

__all__ = ["Preview", "preview"]

_LOSING: Final = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What answering the stored items anew changes.

    Attributes:
        items: Stored items.
        changed: Those that get another class or another decision.
        moves: From where to where, most frequent first; where there is no class, the decision stands for the path.
        losing: The classes that lose most: path, and how many items less they have.
        conflicts: Ids of items that have the class that a person confirmed, and would be answered with another one or
            with none. They stay as they are and are not among the changed ones.
    """

    items: int
    changed: int
    moves: tuple[Move, ...]
    losing: tuple[tuple[tuple[str, ...], int], ...]
    conflicts: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The preview as JSON-able data."""
        found = asdict(self)
        found["losing"] = [{"path": path, "items": items} for path, items in self.losing]
        return found


def preview(
    items: int,
    before: Taxonomy,
    renewed: Sequence[Renewed],
    evidence: Callable[[Sequence[Renewed]], Mapping[str, Evidence]],
) -> Preview:
    """What answering items anew changes.

    Args:
        items: How many are stored.
        before: The taxonomy that they were answered under.
        renewed: Those whose answer would be another one.
        evidence: Gives by key what speaks most for the answers of some of them.
    """
    moved = sorted((one for one in renewed if one.moved and not one.conflict), key=lambda one: one.item_id)
    groups: dict[tuple[str, str, str], list[Renewed]] = {}
    for one in moved:
        groups.setdefault((one.before, *_now(one)), []).append(one)
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    why = evidence([one for _, group in ordered for one in group[:EXAMPLES]])
    moves = tuple(
        Move(
            before.path(old) if old in before else (),
            next((one.answer.path for one in group if one.answer and new), (f"({decision})",)),
            len(group),
            tuple(one.shown[:EXAMPLE_CHARS] for one in group[:EXAMPLES]),
            tuple(why.get(one.key) for one in group[:EXAMPLES]),
        )
        for (old, new, decision), group in ordered
    )
    balance = Counter(new for new in (_now(one)[0] for one in moved) if new)
    balance.subtract(one.before for one in moved if one.before)
    losing = [(one, -count) for one, count in balance.items() if count < 0]
    shown = tuple(
        (before.path(one) if one in before else (one,), count)
        for one, count in sorted(losing, key=lambda pair: (-pair[1], pair[0]))[:_LOSING]
    )
    return Preview(items, len(moved), moves, shown, tuple(sorted(one.item_id for one in renewed if one.conflict)))


def _now(one: Renewed) -> tuple[str, str]:
    """Class and decision of the new answer."""
    return ("", "no class") if one.answer is None else (one.answer.class_id or "", one.answer.decision.value)
