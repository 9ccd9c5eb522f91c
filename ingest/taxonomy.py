"""Rows to classes: every row becomes a class or a reject that says why not."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..schemas.records import ClassSpec
from ..schemas.taxonomy import MAX_ID_BYTES, Taxonomy
from .class_fields import Draft, RefusedError, fold, read_columns, read_draft, read_rest
from .published import parse_google, parse_shopify, sniff_taxonomy
from .sources.rows import BadRow, RawRow, clip

__all__ = ["ClassFile", "parse_google", "parse_shopify", "read_classes", "slug_id", "sniff_taxonomy"]


@dataclass(frozen=True, slots=True)
class ClassFile:
    """What the rows of a class file come to.

    Attributes:
        specs: The classes, in the order of the file; an implied one stands before the first that needs it.
        lines: Source and line of each class, by its id; for an implied one, of the first row that needs it.
        rejects: The rows that became no class, in the order of the file.
        implied: Number of classes that have no row of their own and stand only in the path of others.
        named: Ids of every row that has a place, also of those that were refused.
        folder: Full path or address of the folder that the file is in, where that is known.
    """

    specs: list[ClassSpec]
    lines: dict[str, tuple[str, int]]
    rejects: list[BadRow]
    implied: int
    named: frozenset[str] = frozenset()
    folder: str | None = None


def read_classes(rows: Iterable[RawRow | BadRow], existing: Taxonomy | None = None) -> ClassFile:
    """Gives the classes of a file; rows may come in any order.

    Args:
        rows: What a reader gave, bad rows included.
        existing: The tree that the classes join; paths may continue in it, and what it has is replaced.

    Example:
        >>> found = read_classes([RawRow({"path": "Home > Kettles"}, "classes.csv", 2, 0)])
        >>> [(spec.id, spec.parent_id) for spec in found.specs], found.implied
        ([('home', None), ('home/kettles', 'home')], 1)
    """
    before = Taxonomy([]) if existing is None else existing
    drafts: dict[int, Draft] = {}
    rejects: dict[int, BadRow] = {}
    for order, row in enumerate(rows):
        if isinstance(row, BadRow):
            rejects[order] = row
            continue
        try:
            fields, attributes = read_columns(row.values)
            drafts[order] = read_draft(row, fields)
            drafts[order].rest = read_rest(fields, attributes)
        except RefusedError as refused:
            rejects[order] = _reject(row, refused.code, refused.message)
        except RecursionError:
            rejects[order] = _reject(row, "bad_nesting", "a value is nested too deeply")
    placed = _Placement(before, drafts, rejects.keys())
    problems = {problem.index: problem for problem in before.check_change(spec for _, spec in placed.found)}
    for index, problem in problems.items():
        order, spec = placed.found[index]
        if spec.id not in placed.implied:
            rejects.setdefault(order, _reject(drafts[order].row, problem.code, problem.message))
    kept = [pair for index, pair in enumerate(placed.found) if index not in problems]
    needless = _needless([spec for _, spec in kept], placed.implied)
    kept = [(order, spec) for order, spec in kept if spec.id not in needless]
    return ClassFile(
        specs=[spec for _, spec in kept],
        lines={spec.id: (drafts[order].row.source, drafts[order].row.line) for order, spec in kept},
        rejects=[rejects[order] for order in sorted(rejects)],
        implied=sum(spec.id in placed.implied for _, spec in kept),
        named=frozenset(spec.id for _, spec in placed.found),
    )


def _needless(kept: Sequence[ClassSpec], implied: Mapping[str, int]) -> set[str]:
    """Implied classes that every row which needed them was rejected for; as leaves they would be answered."""
    below = Counter(spec.parent_id for spec in kept)
    parents = {spec.id: spec.parent_id for spec in kept if spec.id in implied}
    needless = set()
    for class_id in reversed([class_id for class_id in implied if class_id in parents]):
        if not below[class_id]:
            needless.add(class_id)
            below[parents[class_id]] -= 1
    return needless


def _reject(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(clip(row.values), row.source, row.line, row.position, code, message)


class _Placement:
    """Finds the id and the parent of every draft.

    Attributes:
        found: Row order and class, in the order of the file.
        implied: Ids of the classes made up from paths, parents first, each with the first row that needs it.
    """

    def __init__(self, before: Taxonomy, drafts: Mapping[int, Draft], failed: Container[int]) -> None:
        own = {draft.id for draft in drafts.values() if draft.id}
        self._taken = own | set(before.ids())
        self._next: Counter[str] = Counter()
        self._at: dict[tuple[str | None, str], str] = {}
        self.implied: dict[str, int] = {}
        self._made: dict[str, ClassSpec] = {}
        # A class with a row of its own stands where that row says; a live one comes before a retired one.
        others = [spec for spec in before if spec.id not in own]
        for spec in sorted(others, key=lambda spec: not before.is_live(spec.id)):
            self._at.setdefault((spec.parent_id, fold(spec.name)), spec.id)
        specs: dict[int, ClassSpec] = {}
        for order, draft in sorted(drafts.items(), key=lambda pair: _turn(pair[1])):
            spec = self._place(order, draft)
            # What is below a row that failed already is refused with it, as below any class without a name.
            specs[order] = replace(spec, name="") if order in failed else spec
        made = [(order, self._made[class_id]) for class_id, order in self.implied.items()]
        # Stable: of one row, first the classes that its path implies, from the root down, then its own.
        self.found = sorted([*made, *specs.items()], key=lambda pair: pair[0])

    def _place(self, order: int, draft: Draft) -> ClassSpec:
        parent = draft.parent
        if parent is None:
            for depth in range(1, len(draft.path)):
                parent = self._step(order, parent, draft.path[:depth])
        key = (parent, fold(draft.name))
        class_id = draft.id or self._at.get(key)
        if class_id is None:
            prefix = "" if draft.path or parent is None else f"{parent}/"
            class_id = self._new_id(prefix + slug_id(draft.path or (draft.name,)))
        self._at.setdefault(key, class_id)
        return ClassSpec(id=class_id, name=draft.name, parent_id=parent, **draft.rest)

    def _step(self, order: int, parent: str | None, path: tuple[str, ...]) -> str:
        """The class at a path below a known parent, made up where there is none."""
        key = (parent, fold(path[-1]))
        class_id = self._at.get(key)
        if class_id is None:
            class_id = self._at[key] = self._new_id(slug_id(path))
            self._made[class_id] = ClassSpec(id=class_id, name=path[-1], parent_id=parent)
        if class_id in self._made:
            self.implied[class_id] = min(order, self.implied.get(class_id, order))
        return class_id

    def _new_id(self, wanted: str) -> str:
        class_id = wanted
        while class_id in self._taken:
            self._next[wanted] += 1
            class_id = f"{wanted}-{self._next[wanted] + 1}"
        self._taken.add(class_id)
        return class_id


def _turn(draft: Draft) -> tuple[bool, bool, int]:
    """When a draft is placed: those with a parent, then by depth, so that a path meets the rows above it."""
    return (draft.parent is None, draft.parent is not None and draft.id is None, len(draft.path))


def slug_id(path: Sequence[str]) -> str:
    """Gives an id that is made from the names of a path, in letters, digits and hyphens of any script.

    Example:
        >>> slug_id(("Home & Garden", "Kettles, 2 l")), slug_id(("Küche",))
        ('home-garden/kettles-2-l', 'küche')
    """
    slug = "/".join(_slug(name) for name in path)
    spare = MAX_ID_BYTES - 32
    if len(slug.encode()) <= spare:
        return slug
    start = slug.encode()[:spare].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(slug.encode()).hexdigest()[:12]}"


def _slug(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Marks belong to the letter before them: without, words of Indic scripts would fall to pieces.
    kept = "".join(char if char.isalnum() or unicodedata.category(char)[0] == "M" else "-" for char in folded)
    return re.sub("-+", "-", kept).strip("-") or "class"
