"""What may be wrong with a taxonomy, from its texts and where stored items went; pure computation.

Nothing here is sure: each finding says what was measured, and a person decides.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..schemas.records import ClassSpec, ClassState
from ..schemas.taxonomy import Taxonomy

__all__ = ["Code", "Finding", "Texts", "alike_above", "lint"]

Code = Literal["alike", "same_name", "off_description", "hub", "never_wins", "thin", "orphan", "empty_group", "depth"]

_EIGHTH: Final = 8
"""Two classes are alike where they are eight times nearer to the same text than two classes usually are. With MiniLM
that is a cosine of about 0.9: nothing among 77 bank questions, `meeting schedule` beside `schedule meeting` among 150
requests, and the same names under other parents in shops; 0.85 would flag red beside white wines."""
_SURVEYED: Final = 2000
_SCORES_AT_ONCE: Final = 4_000_000
_NEIGHBOURS: Final = 5
_HUB: Final = 8
"""A hub is among the five nearest of eight times as many classes as there are on average: 40."""
_HUB_ITEMS: Final = 0.2
"""Share of the stored items from which a class is a hub, where there are ten classes or more."""
_FEWEST_CLASSES: Final = 10
_ITEMS_A_CLASS: Final = 5
"""Stored items for each class, on average, from which a class without any says something."""
_USUAL_DEPTH: Final = 0.9
"""Share of the assignable classes that must have the same depth for another one to be odd."""
_SHOWN: Final = 5
_PLURALS: Final = (
    (re.compile(r"(?<=\w)ies\b"), "y"),
    (re.compile(r"(?<=ss|sh|ch)es\b|(?<=[xz])es\b"), ""),
    (re.compile(r"(?<=[^\Ws])s\b"), ""),
)
"""Endings of English plurals, and what stands in their place."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may be wrong.

    Attributes:
        code: What kind, for programs.
        message: What was found, with its figures, for people.
        classes: Ids of the classes concerned, the one to change first; of many, the first five.
        paths: Their paths, in the same order.
        value: The figure: a cosine, a share, a count or a depth.
        command: What would mend it.
    """

    code: Code
    message: str
    classes: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    value: float | None
    command: str


@dataclass(frozen=True, slots=True)
class Texts:
    """Vectors of K classes, shape (K, dim), unit rows.

    Attributes:
        ids: Their ids, sorted.
        classes: Made of all their texts.
        names: Of their names alone.
        descriptions: Of their descriptions; of length 0 where there are none.
        items: Stored items of each class; None where they are not counted.
    """

    ids: Sequence[str]
    classes: Floats
    names: Floats
    descriptions: Floats
    items: Mapping[str, int] | None = field(default=None)


def alike_above(vectors: Floats) -> float:
    """The cosine above which two classes are alike, from how far apart classes usually are; no labels are needed.

    Args:
        vectors: Unit vectors of the classes, shape (K, dim).

    >>> round(alike_above(np.eye(4, dtype=np.float32)), 3)
    0.875
    """
    if len(vectors) < 2:
        return 1.0
    some = vectors[:: -(-len(vectors) // _SURVEYED)]
    usual = float(np.median((some @ some.T)[np.triu_indices(len(some), 1)]))
    return 1 - (1 - usual) / _EIGHTH


def lint(taxonomy: Taxonomy, texts: Texts) -> list[Finding]:
    """Everything that may be wrong, the gravest kind first, and of a kind the clearest first.

    Args:
        taxonomy: All classes.
        texts: Those of them that can be answered.
    """
    found = [*_orphans(taxonomy), *_empty_groups(taxonomy), *_same_names(taxonomy)]
    if len(texts.ids):
        near, hubs = _neighbours(taxonomy, texts)
        found += [*near, *_off_descriptions(taxonomy, texts), *hubs]
    return [*found, *_by_items(taxonomy, texts), *_thin(taxonomy), *_depths(taxonomy)]


def _finding(
    taxonomy: Taxonomy, code: Code, message: str, ids: Sequence[str], value: float | None, command: str
) -> Finding:
    return Finding(code, message, tuple(ids), tuple(map(taxonomy.path, ids)), value, command)


def _command(what: str, class_id: str, rest: str = "") -> str:
    return f"nearclass classes {what} {shlex.quote(class_id)}{rest}"


def _orphans(taxonomy: Taxonomy) -> Iterator[Finding]:
    for spec in taxonomy:
        parent = None if spec.parent_id is None else taxonomy[spec.parent_id]
        if parent and spec.state is ClassState.ACTIVE and parent.state is ClassState.RETIRED:
            message = f"is active, but {parent.id!r} above it is retired, so that it is never answered"
            yield _finding(taxonomy, "orphan", message, [spec.id, parent.id], None, _command("restore", parent.id))


def _empty_groups(taxonomy: Taxonomy) -> Iterator[Finding]:
    answered = set(taxonomy.assignable())
    for spec in taxonomy:
        if taxonomy.is_live(spec.id) and spec.assignable is False and not answered & set(taxonomy.descendants(spec.id)):
            message = "groups nothing that can be answered, and cannot be answered itself"
            yield _finding(
                taxonomy, "empty_group", message, [spec.id], None, _command("edit", spec.id, " --assignable")
            )


def _same_names(taxonomy: Taxonomy) -> Iterator[Finding]:
    below: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for spec in taxonomy:
        if taxonomy.is_live(spec.id):
            below[spec.parent_id, _singular(spec.name)].append(spec.id)
    for ids in below.values():
        if len(ids) > 1:
            names = " and ".join(repr(taxonomy[one].name) for one in ids[:_SHOWN])
            merge = _command("merge", ids[-1], f" --into {shlex.quote(ids[0])}")
            message = f"{names} differ only in case, punctuation or plural, under one parent"
            yield _finding(taxonomy, "same_name", message, ids[::-1], None, merge)


def _singular(name: str) -> str:
    """The name without what case, punctuation and plurals add.

    >>> _singular("Wine-Glasses") == _singular("wine glass")
    True
    """
    words = re.sub(r"[\W_]+", " ", name.casefold()).strip()
    for ending, instead in _PLURALS:
        words = ending.sub(instead, words)
    return words or name


def _neighbours(taxonomy: Taxonomy, texts: Texts) -> tuple[list[Finding], list[Finding]]:
    """Pairs that are alike, and classes that are near to too many others."""
    least = alike_above(texts.classes)
    pairs: list[tuple[float, str, str]] = []
    near: Counter[int] = Counter()
    wanted = min(_NEIGHBOURS, len(texts.ids) - 1)
    for start, cosines in _cosines(texts.classes, texts.classes):
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -1
        if wanted > 0:
            near.update(np.argpartition(-cosines, wanted - 1, axis=1)[:, :wanted].ravel().tolist())
        for row, column in np.argwhere(cosines > least).tolist():
            if row + start < column:
                pairs.append((-float(cosines[row, column]), texts.ids[row + start], texts.ids[column]))
    alike = []
    for negative, first, second in sorted(pairs):
        message = f"are alike: cosine {-negative:.3f}, above {least:.3f}, which is eight times nearer than usual"
        command = _command("edit", second, ' -d "What sets it apart."')
        alike.append(_finding(taxonomy, "alike", message, [second, first], round(-negative, 4), command))
    hubs = [(-n, texts.ids[place]) for place, n in near.items() if n >= _HUB * _NEIGHBOURS]
    return alike, [_hub(taxonomy, class_id, -negative) for negative, class_id in sorted(hubs)]


def _hub(taxonomy: Taxonomy, class_id: str, count: int) -> Finding:
    message = f"is among the {_NEIGHBOURS} nearest of {count} classes, {count / _NEIGHBOURS:.0f} times as many as usual"
    return _finding(taxonomy, "hub", message, [class_id], count, _command("edit", class_id, ' -d "What belongs here."'))


def _off_descriptions(taxonomy: Taxonomy, texts: Texts) -> list[Finding]:
    """Descriptions that are nearer to the name of another class, above or below in no line, than to their own."""
    described = np.flatnonzero(np.linalg.norm(texts.descriptions, axis=1) > 0.5)
    found = []
    for start, cosines in _cosines(texts.descriptions[described], texts.names):
        for row, place in enumerate(described[start : start + len(cosines)].tolist()):
            own, other = float(cosines[row, place]), int(cosines[row].argmax())
            ids = [texts.ids[place], texts.ids[other]]
            if cosines[row, other] - own < 1e-4 or taxonomy.common_ancestor(ids) in ids:
                continue
            gap = float(cosines[row, other]) - own
            message = (
                f"has a description that is nearer to the name of the other: {cosines[row, other]:.3f}, own {own:.3f}"
            )
            command = _command("edit", ids[0], ' -d "What belongs here and not there."')
            found.append(_finding(taxonomy, "off_description", message, ids, round(gap, 4), command))
    return sorted(found, key=lambda one: (-(one.value or 0), one.classes))


def _cosines(rows: Floats, columns: Floats) -> Iterator[tuple[int, Floats]]:
    step = max(1, _SCORES_AT_ONCE // max(1, len(columns)))
    for start in range(0, len(rows), step):
        yield start, rows[start : start + step] @ columns.T


def _by_items(taxonomy: Taxonomy, texts: Texts) -> Iterator[Finding]:
    """Classes that win too many stored items, or none."""
    items = texts.items or {}
    total = sum(items.values())
    if total < _ITEMS_A_CLASS * len(texts.ids) or not total:
        return
    for class_id in sorted(items, key=lambda one: (-items[one], one)):
        share = items[class_id] / total
        if share >= _HUB_ITEMS and len(texts.ids) >= _FEWEST_CLASSES and class_id in taxonomy:
            message = f"has {share:.0%} of the {total} stored items that have a class"
            command = f"nearclass items list --class {shlex.quote(class_id)}"
            yield _finding(taxonomy, "hub", message, [class_id], round(share, 4), command)
    for class_id in texts.ids:
        if not items.get(class_id):
            message = f"has none of the {total} stored items that have a class"
            command = _command("edit", class_id, ' --example "An item that belongs here."')
            yield _finding(taxonomy, "never_wins", message, [class_id], 0.0, command)


def _thin(taxonomy: Taxonomy) -> Iterator[Finding]:
    answered = [taxonomy[class_id] for class_id in taxonomy.assignable()]
    bare = [spec.id for spec in answered if not _says_something(spec)]
    message = "has a name and nothing else: no description, synonym or example"
    if len(bare) > len(answered) / 2 and len(bare) > _SHOWN:
        many = f"{len(bare)} of {len(answered)} classes have a name and nothing else, these among them"
        yield _many(taxonomy, "thin", many, bare)
        return
    for class_id in bare:
        command = _command("edit", class_id, ' -d "What belongs here."')
        yield _finding(taxonomy, "thin", message, [class_id], 0, command)


def _says_something(spec: ClassSpec) -> bool:
    return bool(spec.descriptions or spec.synonyms or spec.examples)


def _many(taxonomy: Taxonomy, code: Code, message: str, ids: Sequence[str]) -> Finding:
    command = _command("edit", ids[0], ' -d "What belongs here."')
    return _finding(taxonomy, code, message, ids[:_SHOWN], len(ids), command)


def _depths(taxonomy: Taxonomy) -> Iterable[Finding]:
    answered = taxonomy.assignable()
    depths = {class_id: taxonomy.depth(class_id) for class_id in answered}
    usual, count = Counter(depths.values()).most_common(1)[0] if depths else (0, 0)
    if count < _USUAL_DEPTH * len(depths):
        return
    for class_id, depth in depths.items():
        if depth != usual:
            message = f"is at depth {depth}, where {count} of {len(depths)} classes are at {usual}"
            yield _finding(taxonomy, "depth", message, [class_id], depth, _command("show", class_id))
