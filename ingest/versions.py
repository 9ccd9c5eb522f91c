"""A new version of a taxonomy: the classes of its file, and what becomes of those that it no longer has."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..schemas.records import ClassSpec, ClassState
from ..schemas.taxonomy import Taxonomy
from .class_mapping import Lead, Names
from .merging import redirected
from .sources import BadRow, RawRow
from .sources.rows import clip
from .taxonomy import ClassFile, read_classes

__all__ = ["Version", "read_version"]


@dataclass(frozen=True, slots=True)
class Version:
    """What importing a version of a taxonomy comes to.

    Attributes:
        file: The classes of the file, and its rows that are none.
        specs: Every class that is added or replaced: those of the file, those that lead elsewhere, those retired.
        leads: New class of each old one that leads to one.
        several: New classes of each old one that became several; it is retired, because its items belong to any.
        missing: Live classes of the catalogue that neither the file nor the mapping has, in the order of the tree.
        unknown: How many old classes of the mapping the catalogue does not have.
        rejects: Rows of file and mapping that were not taken.
    """

    file: ClassFile
    specs: tuple[ClassSpec, ...]
    leads: Mapping[str, str]
    several: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    unknown: int
    rejects: tuple[BadRow, ...]


def read_version(
    rows: Iterable[RawRow | BadRow],
    existing: Taxonomy,
    mapping: Sequence[Lead | BadRow] = (),
    *,
    retire_missing: bool = False,
) -> Version:
    """Gives what the rows of a file, and a mapping from the classes that are there, come to.

    What the file has stays where the file says, whatever the mapping says of it. A new class may take the name and
    place of an old one that leads elsewhere or is retired.

    Args:
        rows: Of the file.
        existing: The classes that are there.
        mapping: Old classes and the new ones that they lead to.
        retire_missing: Whether classes that neither file nor mapping has are retired.
    """
    kept = list(rows)
    first = read_classes(kept, existing)
    named = first.named
    bad = [one for one in mapping if isinstance(one, BadRow)]
    wanted, unknown = _wanted([one for one in mapping if isinstance(one, Lead)], existing, named)
    while True:
        there = named | wanted.keys()
        missing = [spec for spec in existing if existing.is_live(spec.id) and spec.id not in there]
        retired = [_retired(spec) for spec in missing] if retire_missing else []
        freed = existing.with_changes([*(_retired(existing[old]) for old in wanted), *retired], existing.revision)
        found = read_classes(kept, freed) if wanted or retired else first
        after = freed.with_changes(found.specs, existing.revision)
        targets = {old: _targets(lead, after, wanted) for old, lead in wanted.items()}
        lost = {old: why for old, new in targets.items() if (why := _why_lost(old, new, after, wanted))}
        if not lost:
            break
        bad += [_reject(wanted.pop(old), why) for old, why in lost.items()]
    leads = {old: new[0] for old, new in targets.items() if len(new) == 1}
    several = {old: new for old, new in targets.items() if len(new) > 1}
    specs = {spec.id: spec for spec in [*found.specs, *retired, *(after[old] for old in several)]}
    specs |= {spec.id: spec for spec in redirected(after, leads)}
    return Version(
        found,
        tuple(specs.values()),
        leads,
        several,
        tuple(spec.id for spec in missing),
        unknown,
        (*found.rejects, *bad),
    )


def _wanted(leads: Sequence[Lead], existing: Taxonomy, named: frozenset[str]) -> tuple[dict[str, Lead], int]:
    """What the mapping says of each live class that the file does not have, and how many classes are not there."""
    wanted: dict[str, Lead] = {}
    unknown = 0
    for lead in leads:
        old = _known(lead.old, existing)
        if old is None:
            unknown += 1
        elif old not in named and existing[old].merged_into is None:
            known = wanted.get(old)
            wanted[old] = lead if known is None else replace(known, new=(*known.new, *lead.new))
    return wanted, unknown


def _targets(lead: Lead, after: Taxonomy, wanted: Mapping[str, Lead]) -> tuple[str, ...]:
    """The live classes that an old one leads to, through others that lead on; none if one of them is not there."""
    found: dict[str, None] = {}
    todo, seen = list(lead.new), set()
    while todo:
        one = _known(todo.pop(0), after)
        if one is not None and one in wanted and one not in seen:
            seen.add(one)
            todo = [*wanted[one].new, *todo]
        elif one is None or not after.is_live(one):
            return ()
        else:
            found[one] = None
    return tuple(found)


def _known(names: Names, taxonomy: Taxonomy) -> str | None:
    """The class that one of these names means; an id of a merged class means the one it leads to."""
    for name in names:
        if len(found := taxonomy.matches(name)) == 1:
            return found[0].id
    return None


def _retired(spec: ClassSpec) -> ClassSpec:
    return replace(spec, state=ClassState.RETIRED)


def _why_lost(old: str, new: Sequence[str], after: Taxonomy, wanted: Container[str]) -> str:
    """Why an old class cannot lead to these, in words; empty if it can."""
    if not new:
        return f"class {old!r} leads to a class that is not in the new version, or is below {old!r} itself"
    left = [one for one in after.children(old) if one not in wanted and after[one].state is ClassState.ACTIVE]
    if len(new) > 1 and left:
        return f"class {old!r} leads to several, and neither file nor mapping has {left[0]!r}, which is below it"
    return ""


def _reject(lead: Lead, message: str) -> BadRow:
    return BadRow(clip(lead.row.values), lead.row.source, lead.row.line, lead.row.position, "unknown_class", message)
