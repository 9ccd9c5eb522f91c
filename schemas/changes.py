"""What a change of the classes must keep, so that they stay a tree in which a path names one class."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .records import ClassSpec, ClassState

__all__ = ["MAX_ID_BYTES", "Problem", "ProblemCode", "problems_of"]

MAX_ID_BYTES: Final = 512
"""Longest class id, in bytes of its UTF-8 form."""

_NOT_IN_IDS: Final = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters, and halves of surrogate pairs, which UTF-8 cannot hold."""

ProblemCode = Literal[
    "bad_id", "id_too_long", "duplicate_id", "missing_name", "orphan_parent", "cycle", "duplicate_name", "merged_class"
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one class of a change is refused.

    Attributes:
        class_id: The id of the refused class.
        code: What is wrong, for programs.
        message: What is wrong, for people.
        index: Where the refused class stands among the classes of the change, from 0; ids may repeat there.
    """

    class_id: str
    code: ProblemCode
    message: str
    index: int


def problems_of(before: Mapping[str, ClassSpec], specs: Sequence[ClassSpec]) -> list[Problem]:
    """Gives what stands against adding or replacing these classes; see ``Taxonomy.check_change``."""
    return _Check(before, specs).run()


class _Check:
    """One run of the checks over a change, until nothing more has to be refused."""

    def __init__(self, before: Mapping[str, ClassSpec], specs: Sequence[ClassSpec]) -> None:
        self._before = before
        self._specs = specs
        self._problems: dict[int, Problem] = {}
        self._index: dict[str, int] = {}

    def run(self) -> list[Problem]:
        for index, spec in enumerate(self._specs):
            self._check_alone(index, spec)
        refused = -1
        # Refusing the change of an existing class brings its old place back, which may clash with another.
        while refused < len(self._problems):
            refused = len(self._problems)
            self._check_parents()
            self._check_cycles()
            self._check_names()
        return [self._problems[index] for index in sorted(self._problems)]

    def _refuse(self, class_id: str, code: ProblemCode, message: str) -> None:
        index = self._index[class_id]
        self._problems[index] = Problem(class_id, code, message, index)

    def _accepted(self) -> dict[str, ClassSpec]:
        kept = {class_id: index for class_id, index in self._index.items() if index not in self._problems}
        return {class_id: self._specs[index] for class_id, index in kept.items()}

    def _check_alone(self, index: int, spec: ClassSpec) -> None:
        flaw = _id_flaw(spec.id)
        if not flaw and spec.id in self._index:
            flaw = "duplicate_id", f"the class id {spec.id!r} occurs twice; the first one counts"
        if flaw:
            self._problems[index] = Problem(spec.id, *flaw, index)
            return
        self._index[spec.id] = index
        old = self._before.get(spec.id)
        if old is not None and old.merged_into is not None and spec.merged_into is None:
            self._refuse(spec.id, "merged_class", f"class {spec.id!r} was merged into {old.merged_into!r}")
        if not spec.name.strip():
            self._refuse(spec.id, "missing_name", f"class {spec.id!r} has no name")

    def _check_parents(self) -> None:
        accepted = self._accepted()
        below = defaultdict[str, list[str]](list)
        orphans = []
        for spec in accepted.values():
            if spec.parent_id is not None:
                below[spec.parent_id].append(spec.id)
                if spec.parent_id not in accepted and spec.parent_id not in self._before:
                    orphans.append(spec.id)
        while orphans:
            spec = accepted[orphans.pop()]
            why = "was refused" if spec.parent_id in self._index else "does not exist"
            self._refuse(spec.id, "orphan_parent", f"the parent {spec.parent_id!r} of {spec.id!r} {why}")
            if spec.id not in self._before:
                orphans.extend(below[spec.id])

    def _check_cycles(self) -> None:
        accepted = self._accepted()
        done: set[str] = set()
        for start in accepted:
            trail: dict[str, None] = {}
            at: str | None = start
            while at is not None and at not in done and at not in trail:
                trail[at] = None
                at = (accepted.get(at) or self._before[at]).parent_id
            done.update(trail)
            if at in trail:
                ring = list(trail)[list(trail).index(at) :]
                message = f"these classes would be each other's parents: {', '.join(ring[:10])}"
                for class_id in accepted.keys() & set(ring):
                    self._refuse(class_id, "cycle", message)

    def _check_names(self) -> None:
        accepted = self._accepted()
        # Whoever has a name already keeps it, whatever the order of the change.
        owners = {
            key: spec.id
            for spec in self._before.values()
            if (key := _place(spec)) and (spec.id not in accepted or _place(accepted[spec.id]) == key)
        }
        for spec in accepted.values():
            key = _place(spec)
            if key is None or (spec.id in self._before and _place(self._before[spec.id]) == key):
                continue
            owner = owners.setdefault(key, spec.id)
            if owner != spec.id:
                above = "at the top" if spec.parent_id is None else f"below {spec.parent_id!r}"
                message = f"the name {spec.name!r} of {spec.id!r} is taken {above} by {owner!r}"
                self._refuse(spec.id, "duplicate_name", message)


def _place(spec: ClassSpec) -> tuple[str | None, str] | None:
    """What only one active class may have: a name below a parent."""
    return (spec.parent_id, spec.name.strip().casefold()) if spec.state is ClassState.ACTIVE else None


def _id_flaw(class_id: str) -> tuple[ProblemCode, str] | None:
    if not class_id.strip():
        return "bad_id", "the class id is empty"
    if class_id != class_id.strip() or any(unicodedata.category(char) in _NOT_IN_IDS for char in class_id):
        return "bad_id", f"the class id {class_id!r} has spaces around it or control characters in it"
    size = len(class_id.encode())
    if size > MAX_ID_BYTES:
        return "id_too_long", f"the class id {class_id[:40]!r}... has {size} bytes, more than {MAX_ID_BYTES}"
    return None
