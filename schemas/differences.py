"""How the classes of one taxonomy differ from those of another."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from .records import MERGED_INTO, PATH_SEPARATOR, ClassSpec, ClassState
from .specs import spec_to_dict
from .taxonomy import Taxonomy

__all__ = ["ChangeKind", "Difference", "differences"]

ChangeKind = Literal[
    "added",
    "missing",
    "merged",
    "retired",
    "restored",
    "renamed",
    "moved",
    "texts",
    "pictures",
    "assignable",
    "attributes",
]

_FIELDS: Final[Mapping[str, ChangeKind]] = {
    "name": "renamed",
    "descriptions": "texts",
    "synonyms": "texts",
    "examples": "texts",
    "images": "pictures",
    "assignable": "assignable",
    "attributes": "attributes",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What is different about one class.

    Attributes:
        class_id: The class.
        path: Its names from the root down, of a missing one those it had.
        changes: What happened to it, each once; ``added`` and ``missing`` stand alone.
        before: The fields that are different, as they were: all of a missing class, none of an added one.
        after: The same as they are now; ``parent`` is a path.
    """

    class_id: str
    path: tuple[str, ...]
    changes: tuple[ChangeKind, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON-able data."""
        return {
            "id": self.class_id,
            "changes": list(self.changes),
            "path": list(self.path),
            "before": dict(self.before),
            "after": dict(self.after),
        }


def differences(before: Taxonomy, after: Taxonomy, missing: Container[str] = ()) -> list[Difference]:
    """Gives the classes that differ, in the order of ``after``, then those that are not there any more.

    Args:
        before: How it was.
        after: How it is.
        missing: Ids of classes that count as not there, though ``after`` has them.

    Example:
        >>> was, now = Taxonomy([ClassSpec("k", "Kettles")]), Taxonomy([ClassSpec("k", "Jugs"), ClassSpec("m", "Mugs")])
        >>> [(one.class_id, one.changes) for one in differences(was, now)]
        [('k', ('renamed',)), ('m', ('added',))]
    """
    there = [spec for spec in after if spec.id not in missing]
    found = [_of(before.get(spec.id), spec, before, after) for spec in there]
    gone = [spec for spec in before if spec.id not in after or spec.id in missing]
    return [one for one in found if one is not None] + [
        Difference(spec.id, before.path(spec.id), ("missing",), spec_to_dict(spec), {}) for spec in gone
    ]


def _of(old: ClassSpec | None, new: ClassSpec, before: Taxonomy, after: Taxonomy) -> Difference | None:
    path = after.path(new.id)
    if old is None:
        return Difference(new.id, path, ("added",), {}, spec_to_dict(new))
    if old == new:
        return None
    was, now = _state(old), _state(new)
    changes: list[ChangeKind] = []
    if was != now:
        changes.append("merged" if "merged_into" in now else "retired" if now else "restored")
    if old.parent_id != new.parent_id:
        changes.append("moved")
        was["parent"], now["parent"] = _above(old, before), _above(new, after)
    for name, kind in _FIELDS.items():
        one, other = _value(old, name), _value(new, name)
        if one != other:
            changes.append(kind)
            was[name], now[name] = one, other
    return Difference(new.id, path, tuple(dict.fromkeys(changes)), was, now) if changes else None


def _state(spec: ClassSpec) -> dict[str, Any]:
    """State and redirect of a class that is not active."""
    if spec.state is ClassState.ACTIVE:
        return {}
    into = spec.merged_into
    return {"state": spec.state.value} | ({} if into is None else {"merged_into": into})


def _above(spec: ClassSpec, taxonomy: Taxonomy) -> str | None:
    return None if spec.parent_id is None else PATH_SEPARATOR.join(taxonomy.path(spec.parent_id))


def _value(spec: ClassSpec, name: str) -> Any:
    value = getattr(spec, name)
    if name == "attributes":  # the redirect is told as a merge
        return {key: one for key, one in value.items() if key != MERGED_INTO}
    return list(value) if isinstance(value, tuple) else value
