"""The nouns that travel through nearclass: items, classes, candidates, assignments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "MERGED_INTO",
    "PATH_SEPARATOR",
    "Assignment",
    "Candidate",
    "ClassSpec",
    "ClassState",
    "Decision",
    "Evidence",
    "EvidenceKind",
    "Item",
    "Role",
]

PATH_SEPARATOR: Final = " > "
"""Between the names of a path when it is written as one string, as product taxonomies publish them."""


MERGED_INTO: Final = "merged_into"
"""Attribute of a retired class that names the class it was merged into, to which it leads from then on."""


class Role(StrEnum):
    """Which side of the comparison a text stands on; models may prompt the two differently."""

    CLASS = "class"
    ITEM = "item"


class ClassState(StrEnum):
    """Whether a class may be answered."""

    ACTIVE = "active"
    RETIRED = "retired"


class Decision(StrEnum):
    """What the answer for one item amounts to."""

    ASSIGNED = "assigned"
    ANCESTOR = "ancestor"
    REVIEW = "review"
    NOVEL = "novel"


class EvidenceKind(StrEnum):
    """Where a piece of evidence for a class comes from."""

    NAME = "name"
    PARENT = "parent"
    DESCRIPTION = "description"
    TERM = "term"
    """One of the terms of a description that lists what belongs to the class."""
    SYNONYM = "synonym"
    EXAMPLE = "example"
    VECTOR = "vector"
    LABEL = "label"
    """An item that somebody said belongs to the class."""
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Item:
    """A thing to be assigned: an id and at least one of title, description and text (or a given vector).

    Attributes:
        id: The user's own id, any non-empty string of at most 512 bytes in UTF-8.
        title: Short name, as a seller writes it.
        description: Longer text.
        text: The full text, where the source has just one.
        image: Reference to a picture, a path or an address.
        folder: Where a path of a picture begins, and what it must stay in; None for the working directory.
        vector: A vector from another model, for items of a precomputed space; shape (dim,), finite, not zero.
        attributes: Everything else that the source row had.
    """

    id: str
    title: str | None = None
    description: str | None = None
    text: str | None = None
    image: str | None = None
    vector: tuple[float, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """A node of the taxonomy, as the user defines it.

    Attributes:
        id: Stable id, any non-empty string of at most 512 bytes in UTF-8.
        name: What people call it.
        parent_id: The node above it, or None for a root.
        descriptions: Sentences that say what belongs here.
        synonyms: Other names.
        examples: Texts of items that belong here.
        images: References to pictures of what belongs here, paths or addresses.
        vector: A vector from another model, for a class of a precomputed space; shape (dim,).
        assignable: Whether items may be assigned to it; None means the default, which is true for leaves only.
        state: Active, or retired: kept for history but never answered.
        attributes: Everything else that the source row had.
    """

    id: str
    name: str
    parent_id: str | None = None
    descriptions: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    vector: tuple[float, ...] | None = None
    assignable: bool | None = None
    state: ClassState = ClassState.ACTIVE
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def merged_into(self) -> str | None:
        """Id of the class that this one was merged into, or None."""
        into = self.attributes.get(MERGED_INTO)
        return into if self.state is ClassState.RETIRED and isinstance(into, str) else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One class that may fit an item; higher scores are nearer.

    Attributes:
        class_id: The class.
        path: Names from the root to the class.
        score: Inner product with the class vector (before anything is learnt, the cosine similarity), plus the bias of
            the class, plus the weighted lexical similarity.
        confidence: Calibrated probability that the class is right, or None until there is a calibration.
    """

    class_id: str
    path: tuple[str, ...]
    score: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a class, and how near the item is to it.

    Attributes:
        class_id: The class it speaks for.
        kind: Name, parent, description, synonym, example, picture or a given vector.
        text: The words, or the reference of a picture, or empty for a vector.
        similarity: Cosine similarity to the item, from -1 to 1.
        space: Name of the space in which the two were compared.
    """

    class_id: str
    kind: EvidenceKind
    text: str
    similarity: float
    space: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The answer for one item.

    Attributes:
        id: The item's id.
        decision: What the answer amounts to.
        class_id: The class decided on: for ``assigned`` the best candidate, for ``ancestor`` the safe parent, and
            None for ``review`` and ``novel``.
        path: Names from the root to that class; empty where class_id is None.
        score: Score of the best candidate.
        confidence: Calibrated probability that class_id is right, or where that is None, that the best candidate is;
            None until there is a calibration.
        margin: Score of the best candidate minus that of the second, or None with one candidate.
        candidates: The nearest classes, best first; ties stand in the order of their ids.
        evidence: What matched for the best candidate, nearest first.
        truncated: Whether the item's text was longer than the encoder reads.
        space: Name of the vector space; where text and picture were both compared, both names with a + between them.
        revision: Revision of the taxonomy that the answer was given under.
        rule: The rule that decided, in words.
        fit: How well any class fits: what ``novel`` is decided by. The score of the best candidate, before anything was
            learnt from items; since then also how near the item is to those, and how well classes fit these.
    """

    id: str
    decision: Decision
    class_id: str | None
    path: tuple[str, ...]
    score: float
    confidence: float | None
    margin: float | None
    candidates: tuple[Candidate, ...]
    evidence: tuple[Evidence, ...]
    truncated: bool
    space: str
    revision: int
    rule: str
    fit: float

    def row(self, *, explain: bool = False) -> dict[str, Any]:
        """The answer as every way out writes it; the rule and the fit only where they are to explain it."""
        return {name: getattr(self, name) for name in self.__slots__ if explain or name not in {"rule", "fit"}}
