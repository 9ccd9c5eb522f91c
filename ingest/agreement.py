"""How the stored answers of two spaces compare: how many are the same, in which branch, and examples of others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..schemas.filters import In
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.spaces import SpaceCollections

__all__ = ["Agreement", "BranchAgreement", "Changed", "agreement"]

_PAGE: Final = 2000
_ANSWER: Final = ("class_id", "decision")
_SHOWN: Final = ("item_id", "title", "description", "text", *_ANSWER)
_EXAMPLES: Final = 20
_BRANCHES: Final = 100
_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class BranchAgreement:
    """Items that were answered in a branch before: how many, and how many have the same answer now."""

    branch: str
    items: int
    same: int


@dataclass(frozen=True, slots=True)
class Changed:
    """An item with another answer: id, text, and the path before and after; a decision in parentheses for none."""

    id: str
    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Stored answers of two spaces compared.

    Attributes:
        items: Items in both.
        same: Those with the same class and the same decision.
        assigned: Those that both spaces assign.
        same_class: Those of them that are assigned to the same class.
        branches: By the top class of the answer before, largest first; items without a class stand under "".
        changed: Examples of items with another answer.
    """

    items: int
    same: int
    assigned: int
    same_class: int
    branches: tuple[BranchAgreement, ...]
    changed: tuple[Changed, ...]


def agreement(store: Store, old: SpaceCollections, new: SpaceCollections, taxonomy: Taxonomy) -> Agreement:
    """Compare what is stored; nothing is answered anew."""
    items = same = assigned = same_class = 0
    of_branch: Counter[str] = Counter()
    same_of: Counter[str] = Counter()
    changed: list[Changed] = []
    there = all(store.resolve(place.items) is not None for place in (old, new))
    for page in store.scan(old.items, fields=_SHOWN, page=_PAGE) if there else ():
        keys = [row["key"] for row in page]
        after = {row["key"]: row for row in store.query(new.items, where=In("key", keys), fields=("key", *_ANSWER))}
        for row in page:
            other = after.get(row["key"])
            if other is None:
                continue
            mine, theirs = (_answer(one, taxonomy) for one in (row, other))
            branch = _branch(mine[0], taxonomy)
            items += 1
            of_branch[branch] += 1
            if row["decision"] == other["decision"] == "assigned":
                assigned += 1
                same_class += mine[0] == theirs[0]
            if mine == theirs:
                same += 1
                same_of[branch] += 1
            elif len(changed) < _EXAMPLES:
                text = (row["title"] or row["text"] or row["description"])[:_CHARS]
                changed.append(Changed(row["item_id"], text, _path(mine, taxonomy), _path(theirs, taxonomy)))
    ordered = sorted(of_branch.items(), key=lambda one: (-one[1], one[0]))[:_BRANCHES]
    branches = tuple(BranchAgreement(name, count, same_of[name]) for name, count in ordered)
    return Agreement(items, same, assigned, same_class, branches, tuple(changed))


def _answer(row: Mapping[str, Any], taxonomy: Taxonomy) -> tuple[str, str]:
    return taxonomy.follow(row["class_id"]), str(row["decision"])


def _branch(class_id: str, taxonomy: Taxonomy) -> str:
    return taxonomy.path(class_id)[0] if class_id in taxonomy else ""


def _path(answer: tuple[str, str], taxonomy: Taxonomy) -> tuple[str, ...]:
    class_id, decision = answer
    return taxonomy.path(class_id) if class_id in taxonomy else (f"({decision or 'no answer'})",)
