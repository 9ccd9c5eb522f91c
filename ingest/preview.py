"""What a change of the classes would do to the stored items."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..query.items import Found, ItemReader
from ..schemas.collections import key_of
from ..schemas.filters import Compare, In
from ..schemas.records import Assignment
from ..schemas.taxonomy import Taxonomy
from .space_learning import Move

__all__ = ["Preview", "preview"]

_EXAMPLES: Final = 3
_EXAMPLE_CHARS: Final = 120
_LOSING: Final = 10
_MOVES_WITH_EXAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Preview:
    """What answering the stored items anew would change.

    Attributes:
        items: Stored items.
        changed: Those that would get another class or another decision.
        moves: From where to where, most frequent first; where there is no class, the decision stands for the path.
        losing: The classes that lose most: path, and how many items less they would have.
        conflicts: Ids of confirmed items that would be answered with another class, or with none, than a person
            confirmed and they are answered with now; confirmed items never move by themselves.
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


def preview(reader: ItemReader, before: Taxonomy, moved: Sequence[tuple[str, Assignment]]) -> Preview:
    """What answering items anew changed.

    Args:
        reader: Reads the items.
        before: The taxonomy that they were answered under.
        moved: The class that each changed item had, empty for none, and its new answer.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for old, answer in moved:
        groups.setdefault((old, answer.class_id or "", answer.decision.value), []).append(answer.id)
    ordered = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    wanted = [item_id for _, ids in ordered[:_MOVES_WITH_EXAMPLES] for item_id in ids[:_EXAMPLES]]
    titles = {item.id: item.title[:_EXAMPLE_CHARS] for item in _by_ids(reader, wanted)}
    paths = {answer.class_id: answer.path for _, answer in moved if answer.class_id}
    moves = tuple(
        Move(
            before.path(old) if old in before else (),
            paths.get(new) or (f"({decision})",),
            len(ids),
            tuple(titles[one] for one in ids[:_EXAMPLES] if one in titles),
        )
        for (old, new, decision), ids in ordered
    )
    balance = Counter(answer.class_id for _, answer in moved if answer.class_id)
    balance.subtract(old for old, _ in moved if old)
    losing = [(one, -count) for one, count in balance.items() if count < 0]
    shown = tuple(
        (before.path(one) if one in before else (one,), count)
        for one, count in sorted(losing, key=lambda pair: (-pair[1], pair[0]))[:_LOSING]
    )
    return Preview(reader.count(), len(moved), moves, shown, _conflicts(reader, before, moved))


def _conflicts(reader: ItemReader, before: Taxonomy, moved: Sequence[tuple[str, Assignment]]) -> tuple[str, ...]:
    left = {answer.id: (old, answer.class_id) for old, answer in moved}
    confirmed = reader.matching(where=Compare("confirmed_class", "!=", ""))
    found = [
        item.id
        for item in confirmed
        if item.id in left
        and before.follow(left[item.id][0]) in {item.confirmed_class, before.follow(item.confirmed_class or "")}
        and left[item.id][1] != item.confirmed_class
    ]
    return tuple(sorted(found))


def _by_ids(reader: ItemReader, item_ids: Sequence[str]) -> list[Found]:
    return reader.matching(where=In("key", [key_of(one) for one in item_ids])) if item_ids else []
