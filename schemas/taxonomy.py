"""The tree of classes as an immutable value."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from ..errors import ClassNotFoundError, TaxonomyError
from .changes import MAX_ID_BYTES, Problem, ProblemCode, problems_of
from .naming import Names, close_ids
from .records import PATH_SEPARATOR, ClassSpec, ClassState
from .redirects import Redirects
from .specs import spec_from_dict, spec_to_dict

__all__ = ["MAX_ID_BYTES", "Problem", "ProblemCode", "Taxonomy", "spec_from_dict", "spec_to_dict"]


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
        self._redirects = Redirects(self._specs)

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
        return [class_id for class_id in self._order if self.is_assignable(class_id)]

    def is_assignable(self, class_id: str) -> bool:
        """Says whether items may be assigned to the class."""
        told = self[class_id].assignable
        return self.is_live(class_id) and (not self._has_active(class_id) if told is None else told)

    def row(self, class_id: str) -> dict[str, Any]:
        """Gives the class as people and programs are shown it: what defines it, and what follows from the others."""
        spec = self[class_id]
        return {
            **spec_to_dict(spec),
            "path": list(self.path(class_id)),
            "state": spec.state.value,
            "assignable": self.is_assignable(class_id),
        }

    def _has_active(self, class_id: str) -> bool:
        below = self._children.get(class_id, ())
        return any(self._specs[child].state is ClassState.ACTIVE for child in below)

    def follow(self, class_id: str) -> str:
        """Gives the id of the class that a merged one leads to, and that of any other class, or of none, as it is."""
        return self._redirects.follow(class_id)

    def merged(self, class_ids: Iterable[str]) -> list[str]:
        """Gives the ids of the classes that lead to these since they were merged."""
        return [source for class_id in class_ids for source in self._redirects.sources.get(class_id, ())]

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
        found = self._by_path.ids(text) or self._by_name.ids(text)
        live = [class_id for class_id in found if self.is_live(class_id)]
        return [self._specs[one] for one in dict.fromkeys(map(self.follow, live or found))]

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
    def _by_path(self) -> Names:
        return Names((class_id, PATH_SEPARATOR.join(self.path(class_id))) for class_id in self._order)

    @cached_property
    def _by_name(self) -> Names:
        return Names((spec.id, spec.name) for spec in self)

    def _not_found(self, text: str) -> ClassNotFoundError:
        close = close_ids(text, self._order, self._by_name)
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
        return problems_of(self._specs, list(specs))
