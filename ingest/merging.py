"""Changes of several classes at once, as the classes that they add or replace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import TaxonomyError
from ..schemas.records import MERGED_INTO, ClassSpec, ClassState
from ..schemas.taxonomy import Taxonomy
from .sources import BadRow, RawRow
from .taxonomy import read_classes

__all__ = ["merged", "part_row", "redirected", "split_up"]


def merged(taxonomy: Taxonomy, class_ids: Sequence[str], into: str, *, evidence: bool) -> list[ClassSpec]:
    """What merging classes changes: they are retired and lead to ``into``, to which what is below them goes.

    Raises:
        ClassNotFoundError: A class is not there.
        TaxonomyError: The classes cannot be merged.
    """
    target = taxonomy.find(into)
    sources = list({spec.id: spec for spec in map(taxonomy.find, class_ids)}.values())
    if not taxonomy.is_live(target.id):
        message = f"class {target.id!r} is retired, and nothing can be merged into it"
        raise TaxonomyError(message, hint=f"Answer it again with `nearclass classes restore {target.id}`.")
    for spec in sources:
        if target.id in taxonomy.descendants(spec.id):
            message = f"class {spec.id!r} is {target.id!r} or above it, and cannot be merged into it"
            raise TaxonomyError(message, hint="Name the class that shall stay after --into.")
    changed = redirected(taxonomy, {spec.id: target.id for spec in sources})
    return [*changed, _grown(target, sources)] if evidence else changed


def redirected(taxonomy: Taxonomy, leads: Mapping[str, str]) -> list[ClassSpec]:
    """Classes that are retired and lead to others, by their ids; what is below them goes below those."""
    changed = [
        replace(taxonomy[old], state=ClassState.RETIRED, attributes={**taxonomy[old].attributes, MERGED_INTO: new})
        for old, new in leads.items()
    ]
    changed += [
        replace(taxonomy[child], parent_id=new)
        for old, new in leads.items()
        for child in taxonomy.children(old)
        if child not in leads and taxonomy[child].merged_into is None
    ]
    return changed


def _grown(target: ClassSpec, sources: Sequence[ClassSpec]) -> ClassSpec:
    """A class with the texts and pictures of others; their names are synonyms."""
    every = [target, *sources]
    names = [*target.synonyms, *(name for spec in sources for name in (spec.name, *spec.synonyms))]
    return replace(
        target,
        synonyms=tuple(name for key, name in _by_key(names).items() if key != target.name.casefold()),
        descriptions=tuple(dict.fromkeys(text for spec in every for text in spec.descriptions)),
        examples=tuple(dict.fromkeys(text for spec in every for text in spec.examples)),
        images=tuple(dict.fromkeys(one for spec in every for one in spec.images)),
    )


def _by_key(names: Sequence[str]) -> dict[str, str]:
    """Names by their form in small letters, the first of each."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.casefold(), name)
    return found


def part_row(text: str) -> dict[str, Any]:
    """The class row of a part that is written as ``NAME: description``.

    Example:
        >>> part_row("E-readers: Devices to read books on."), part_row("Slates")
        ({'name': 'E-readers', 'description': 'Devices to read books on.'}, {'name': 'Slates'})
    """
    name, colon, description = text.partition(":")
    row = {"name": name.strip()}
    return {**row, "description": description.strip()} if colon and description.strip() else row


def split_up(
    taxonomy: Taxonomy, class_id: str, parts: Sequence[Mapping[str, Any]], *, retire: bool
) -> tuple[list[ClassSpec], list[str]]:
    """What splitting a class changes, and the ids of its parts.

    Args:
        taxonomy: The classes.
        class_id: The class; it stays above the parts, or with ``retire`` is retired beside them.
        parts: Class rows, at least two.
        retire: Whether the class is retired.

    Raises:
        ClassNotFoundError: There is no such class.
        TaxonomyError: The parts cannot be classes.
    """
    spec = taxonomy.find(class_id)
    if len(parts) < 2:
        message = f"class {spec.id!r} would be split into {len(parts)} class"
        raise TaxonomyError(message, hint="Give at least two: --into 'NAME: description' 'NAME: description'.")
    parent = spec.parent_id if retire else spec.id
    placed = [{**row, "parent": parent} if parent is not None else dict(row) for row in parts]
    rows: list[RawRow | BadRow] = [RawRow(row, "--into", number, number - 1) for number, row in enumerate(placed, 1)]
    kept = replace(spec, state=ClassState.RETIRED) if retire else replace(spec, assignable=None)
    # A part may have the name of the class that is retired.
    found = read_classes(rows, taxonomy.with_changes([kept], taxonomy.revision))
    if found.rejects:
        raise TaxonomyError(
            found.rejects[0].message, hint="A part is a new class: 'NAME: description', or a class row."
        )
    ids = [one.id for one in found.specs]
    if known := next((one for one in ids if one in taxonomy), None):
        message = f"there is a class {known!r} already"
        raise TaxonomyError(message, hint="A part is a new class; give it another name or id.")
    return [*found.specs, *([kept] if kept != spec else [])], ids
