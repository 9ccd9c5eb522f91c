"""The tree of classes as an immutable value, what a change to it must keep, and classes as plain data."""

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from ..errors import ClassNotFoundError, TaxonomyError
from .records import PATH_SEPARATOR, ClassSpec, ClassState

__all__ = ["MAX_ID_BYTES", "Problem", "ProblemCode", "Taxonomy", "spec_from_dict", "spec_to_dict"]

MAX_ID_BYTES: Final = 512
"""Longest class id, in bytes of its UTF-8 form."""

_MAX_SUGGESTIONS: Final = 3

_NOT_IN_IDS: Final = frozenset({"Cc", "Cs"})
"""Unicode categories: control characters, and halves of surrogate pairs, which UTF-8 cannot hold."""

_TEXTS: Final = ("descriptions", "synonyms", "examples", "images")

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


class Taxonomy:
    """All classes of a catalogue at one revision, as an immutable tree.

    Everything that lists classes does so in one stable order: a class, then all that is below it, siblings as
    they were given.

    Attributes:
        revision: Number of the state; every change raises it.

    Example:
        >>> taxonomy = Taxonomy([ClassSpec("k", "Kettles", parent_id="h"), ClassSpec("h", "Home")])
        >>> [spec.id for spec in taxonomy]
        ['h', 'k']
        >>> taxonomy.path("k")
        ('Home', 'Kettles')
        >>> taxonomy.find("home > kettles").id
        'k'
    """

    def __init__(self, specs: Iterable[ClassSpec], revision: int = 0) -> None:
        """Builds the tree.

        Args:
            specs: The classes, in any order.
            revision: Number of the state.

        Raises:
            TaxonomyError: An id occurs twice, a parent is missing, or classes are below each other in a ring.
        """
        self.revision = revision
        self._specs: dict[str, ClassSpec] = {}
        self._children: dict[str | None, list[str]] = {None: []}
        for spec in specs:
            if spec.id in self._specs:
                message = f"the class id {spec.id!r} occurs twice"
                raise TaxonomyError(message)
            self._specs[spec.id] = spec
            self._children.setdefault(spec.parent_id, []).append(spec.id)
        self._order = self._walk()
        self._position = {class_id: position for position, class_id in enumerate(self._order)}
        if len(self._order) < len(self._specs):
            raise TaxonomyError(self._why_unreachable())
        self._end, self._live = self._measure()
        self._paths: dict[str, tuple[str, ...]] = {}

    def _walk(self) -> list[str]:
        order = []
        stack = self._children[None][::-1]
        while stack:
            class_id = stack.pop()
            order.append(class_id)
            stack.extend(reversed(self._children.get(class_id, ())))
        return order

    def _measure(self) -> tuple[list[int], list[bool]]:
        """Per position: where the subtree ends, and whether neither the class nor one above it is retired."""
        end = [position + 1 for position in range(len(self._order))]
        live = [self._specs[class_id].state is ClassState.ACTIVE for class_id in self._order]
        above = [None if spec.parent_id is None else self._position[spec.parent_id] for spec in self]
        for position, parent in enumerate(above):
            live[position] = live[position] and (parent is None or live[parent])
        for position, parent in reversed(list(enumerate(above))):
            if parent is not None:
                end[parent] = max(end[parent], end[position])
        return end, live

    def _why_unreachable(self) -> str:
        for parent, children in self._children.items():
            if parent is not None and parent not in self._specs:
                return f"the parent {parent!r} of class {children[0]!r} does not exist"
        lost = next(class_id for class_id in self._specs if class_id not in self._position)
        return f"class {lost!r} is in or below a ring of classes that are each other's parents"

    def __len__(self) -> int:
        """Gives the number of classes, retired ones included."""
        return len(self._order)

    def __iter__(self) -> Iterator[ClassSpec]:
        """Gives the classes, parents before children."""
        return (self._specs[class_id] for class_id in self._order)

    def __contains__(self, class_id: object) -> bool:
        """Says whether there is a class with this id."""
        return class_id in self._specs

    def __getitem__(self, class_id: str) -> ClassSpec:
        """Gives the class with this id.

        Raises:
            ClassNotFoundError: There is none; the hint names ids and names that look alike.
        """
        spec = self._specs.get(class_id)
        if spec is None:
            raise self._not_found(class_id)
        return spec

    def __eq__(self, other: object) -> bool:
        """Says whether revision, classes and order are the same."""
        if not isinstance(other, Taxonomy):
            return NotImplemented
        return self.revision == other.revision and list(self) == list(other)

    def __hash__(self) -> int:
        """Gives a number that is the same for equal trees."""
        return hash((self.revision, *self._order))

    def __repr__(self) -> str:
        """Gives the size and the revision."""
        return f"Taxonomy({len(self)} classes, revision={self.revision})"

    def get(self, class_id: str) -> ClassSpec | None:
        """Gives the class with this id, or None."""
        return self._specs.get(class_id)

    def ids(self) -> list[str]:
        """Gives the ids of all classes, parents before children."""
        return list(self._order)

    def children(self, class_id: str | None) -> list[str]:
        """Gives the ids of the classes directly below a class, or of the roots for None."""
        return list(self._children.get(None if class_id is None else self[class_id].id, ()))

    def parent(self, class_id: str) -> str | None:
        """Gives the id of the class directly above, or None for a root."""
        return self[class_id].parent_id

    def ancestors(self, class_id: str) -> list[str]:
        """Gives the ids of the classes above, from the root down, without the class itself."""
        above = []
        parent = self[class_id].parent_id
        while parent is not None:
            above.append(parent)
            parent = self._specs[parent].parent_id
        return above[::-1]

    def path(self, class_id: str) -> tuple[str, ...]:
        """Gives the names from the root to the class."""
        if class_id not in self._paths:
            line = [*self.ancestors(class_id), class_id]
            self._paths[class_id] = tuple(self._specs[above].name for above in line)
        return self._paths[class_id]

    def descendants(self, class_id: str) -> list[str]:
        """Gives the ids of the class itself and of everything below it."""
        start = self._position[self[class_id].id]
        return self._order[start : self._end[start]]

    def depth(self, class_id: str) -> int:
        """Gives the number of names in the path: 1 for a root."""
        return len(self.path(class_id))

    def is_live(self, class_id: str) -> bool:
        """Says whether neither the class nor one above it is retired."""
        return self._live[self._position[self[class_id].id]]

    def leaves(self) -> list[str]:
        """Gives the ids of live classes that have no active child."""
        return [class_id for class_id in self._order if self.is_live(class_id) and not self._has_active(class_id)]

    def assignable(self) -> list[str]:
        """Gives the ids of the classes that items may be assigned to: live leaves, unless a class says."""
        return [
            spec.id
            for spec in self
            if self.is_live(spec.id) and (not self._has_active(spec.id) if spec.assignable is None else spec.assignable)
        ]

    def _has_active(self, class_id: str) -> bool:
        below = self._children.get(class_id, ())
        return any(self._specs[child].state is ClassState.ACTIVE for child in below)

    def follow(self, class_id: str) -> str:
        """Gives the id of the class that a merged one leads to, and that of any other class, or of none, as it is."""
        seen = {class_id}
        while (spec := self._specs.get(class_id)) is not None:
            into = spec.merged_into
            if into is None or into not in self._specs or into in seen:
                break
            class_id = into
            seen.add(class_id)
        return class_id

    def merged(self, class_ids: Iterable[str]) -> list[str]:
        """Gives the ids of the classes that lead to these since they were merged."""
        return [source for class_id in class_ids for source in self._merged.get(class_id, ())]

    @cached_property
    def _merged(self) -> dict[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for spec in self:
            if spec.merged_into is not None and (into := self.follow(spec.id)) != spec.id:
                found[into].append(spec.id)
        return dict(found)

    def common_ancestor(self, class_ids: Iterable[str]) -> str | None:
        """Gives the deepest class that is each of the classes or above it, or None without one.

        Example:
            >>> taxonomy = Taxonomy([ClassSpec("a", "A"), ClassSpec("b", "B", "a"), ClassSpec("c", "C", "a")])
            >>> taxonomy.common_ancestor(["b", "c"]), taxonomy.common_ancestor(["b"])
            ('a', 'b')
        """
        lines = [[*self.ancestors(class_id), class_id] for class_id in class_ids]
        deepest = None
        for level in zip(*lines, strict=False):
            if len(set(level)) > 1:
                break
            deepest = level[0]
        return deepest

    def matches(self, text: str) -> list[ClassSpec]:
        """Gives the classes that a text names: none, one, or several that it cannot tell apart.

        It is read as an id, else as a full path with ``>`` between the names, else as a name; paths and names
        first as they are written, then in any letter case. Retired classes count only where no live one fits. One that
        was merged stands for the class it was merged into.
        """
        if text in self._specs:
            return [self._specs[self.follow(text)]]
        wanted = _one_spacing(text)
        for exact, folded in (self._by_path, self._by_name):
            if found := exact.get(wanted) or folded.get(wanted.casefold()):
                live = [class_id for class_id in found if self.is_live(class_id)]
                return [self._specs[one] for one in dict.fromkeys(map(self.follow, live or found))]
        return []

    def find(self, text: str) -> ClassSpec:
        """Gives the one class that a text names by its id, its full path or its name.

        Raises:
            ClassNotFoundError: No class is named so.
            TaxonomyError: Several are; the hint lists their paths.
        """
        found = self.matches(text)
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._not_found(text)
        message = f"{len(found)} classes are named {text!r}"
        paths = [f"  {PATH_SEPARATOR.join(self.path(spec.id))}  (id {spec.id})" for spec in found]
        raise TaxonomyError(message, hint="\n".join(["Give a full path or an id:", *paths]))

    @cached_property
    def _by_path(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        return self._index(lambda class_id: PATH_SEPARATOR.join(self.path(class_id)))

    @cached_property
    def _by_name(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        return self._index(lambda class_id: self._specs[class_id].name)

    def _index(self, name_of: Callable[[str], str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Ids by name as written, and by name in any letter case."""
        exact, folded = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for class_id in self._order:
            name = _one_spacing(name_of(class_id))
            exact[name].append(class_id)
            folded[name.casefold()].append(class_id)
        return exact, folded

    def _not_found(self, text: str) -> ClassNotFoundError:
        close = difflib.get_close_matches(text, self._order, n=_MAX_SUGGESTIONS)
        if not close:
            name = text.rpartition(">")[2].strip().casefold()
            folded = self._by_name[1]
            close = [folded[name][0] for name in difflib.get_close_matches(name, folded, n=_MAX_SUGGESTIONS)]
        meant = " or ".join(f"{class_id} ({PATH_SEPARATOR.join(self.path(class_id))})" for class_id in close)
        return ClassNotFoundError(f"there is no class {text!r}", hint=f"Did you mean {meant}?" if meant else "")

    def with_changes(self, upserts: Iterable[ClassSpec], revision: int) -> "Taxonomy":
        """Gives the tree with classes added, or put in the place of those with the same id.

        Raises:
            TaxonomyError: The result would not be a tree; ``check_change`` says why per class.
        """
        return Taxonomy({**self._specs, **{spec.id: spec for spec in upserts}}.values(), revision)

    def check_change(self, specs: Iterable[ClassSpec]) -> list[Problem]:
        """Gives what stands against adding or replacing these classes: one problem per class that is refused.

        What is not refused can be applied together. A class below a refused new one is refused as an orphan;
        a refused change of an existing class leaves that class as it was.

        Example:
            >>> [problem.code for problem in Taxonomy([]).check_change([ClassSpec("a", "A", parent_id="a")])]
            ['cycle']
        """
        return _Change(self._specs, list(specs)).check()


class _Change:
    """One run of the checks over a change, until nothing more has to be refused."""

    def __init__(self, before: Mapping[str, ClassSpec], specs: Sequence[ClassSpec]) -> None:
        self._before = before
        self._specs = specs
        self._problems: dict[int, Problem] = {}
        self._index: dict[str, int] = {}

    def check(self) -> list[Problem]:
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


def _one_spacing(text: str) -> str:
    """The path with one way of spacing, whatever was typed around the separators.

    Example:
        >>> _one_spacing(" Home>Kitchen  >Kettles")
        'Home > Kitchen > Kettles'
    """
    return PATH_SEPARATOR.join(" ".join(name.split()) for name in text.split(">"))


def spec_to_dict(spec: ClassSpec) -> dict[str, Any]:
    """Gives a class as plain data, without what is absent; it can be imported again as a class row.

    Example:
        >>> spec_to_dict(ClassSpec("k", "Kettles", parent_id="h", synonyms=("teapot",), assignable=False))
        {'id': 'k', 'name': 'Kettles', 'parent': 'h', 'synonyms': ['teapot'], 'label': False}
    """
    row: dict[str, Any] = {"id": spec.id, "name": spec.name}
    if spec.parent_id is not None:
        row["parent"] = spec.parent_id
    row |= {key: list(texts) for key in _TEXTS if (texts := getattr(spec, key))}
    if spec.vector is not None:
        row["vector"] = list(spec.vector)
    if spec.assignable is not None:
        row["label"] = spec.assignable
    if spec.state is not ClassState.ACTIVE:
        row["state"] = spec.state.value
    if spec.attributes:
        row["attributes"] = dict(spec.attributes)
    return row


def spec_from_dict(row: Mapping[str, Any]) -> ClassSpec:
    """Gives back the class that ``spec_to_dict`` wrote; keys that it does not write are passed over.

    Raises:
        TaxonomyError: The id or the name is missing.
    """
    if missing := [key for key in ("id", "name") if key not in row]:
        message = f"a stored class has no {' and no '.join(missing)}: {dict(row)!r}"
        raise TaxonomyError(message)
    vector = row.get("vector")
    texts = {key: tuple(row.get(key, ())) for key in _TEXTS}
    return ClassSpec(
        id=row["id"],
        name=row["name"],
        parent_id=row.get("parent"),
        vector=None if vector is None else tuple(vector),
        assignable=row.get("label"),
        state=ClassState(row.get("state", ClassState.ACTIVE)),
        attributes=dict(row.get("attributes", {})),
        **texts,
    )
