"""Where classes lead that were merged into others: for ever, whatever is merged afterwards."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from .records import ClassSpec

__all__ = ["Redirects"]


class Redirects:
    """The merged classes of a tree.

    Example:
        >>> from .records import ClassState
        >>> old = ClassSpec("a", "A", state=ClassState.RETIRED, attributes={"merged_into": "b"})
        >>> redirects = Redirects({"a": old, "b": ClassSpec("b", "B")})
        >>> redirects.follow("a"), redirects.sources["b"]
        ('b', ['a'])
    """

    def __init__(self, specs: Mapping[str, ClassSpec]) -> None:
        """Read the classes, by their ids."""
        self._specs = specs

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

    @cached_property
    def sources(self) -> dict[str, list[str]]:
        """The ids of the classes that lead to each class."""
        found = defaultdict[str, list[str]](list)
        for spec in self._specs.values():
            if spec.merged_into is not None and (into := self.follow(spec.id)) != spec.id:
                found[into].append(spec.id)
        return dict(found)
