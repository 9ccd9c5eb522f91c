"""What the tour saw: the values that its narration and its report are made of."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..ingest.labelled import Labelled
from ..ingest.run import Counts
from ..learn.evaluate import Evaluation, Judged
from ..query.items import Found
from ..schemas.records import Assignment, ClassSpec, Decision, Item
from ..schemas.spaces import Space
from ..schemas.taxonomy import Taxonomy

__all__ = [
    "Imported",
    "Ingested",
    "Move",
    "Question",
    "Reassigned",
    "Stage",
    "Story",
    "Stranger",
    "has_class",
    "novel_count",
    "quoted",
]


_NOT_IN_DOUBLE: Final = re.compile(r"[\"$`\\!]")


@dataclass(frozen=True, slots=True)
class Imported:
    """The classes of the shop as they came in, and the seconds it took, loading the model included."""

    classes: int
    assignable: int
    branches: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ingested:
    """The items of the shop and the new products as they came in, and the seconds it took."""

    shop: Counts
    new: Counts
    seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """The answers for all new products at one state of the taxonomy, in their order.

    Attributes:
        title: What the shop knew then, in words.
        answers: One for each product.
        seconds: What the answers took, encoding included.
    """

    title: str
    answers: Sequence[Assignment]
    seconds: float

    def in_class(self, class_id: str) -> int:
        """How many products were assigned to the class."""
        return sum(has_class(answer, class_id) for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Move:
    """A stored item whose answer changed.

    Attributes:
        item: As it is stored now.
        before: Names from the root to the class it had; empty for none.
        right: Names from the root to the class that its file names as right; empty for none.
    """

    item: Found
    before: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def lost(self) -> bool:
        """Whether it left its right class."""
        return bool(self.right) and self.before == self.right != self.item.path

    @property
    def found(self) -> bool:
        """Whether it came to its right class."""
        return bool(self.right) and self.before != self.right == self.item.path


@dataclass(frozen=True, slots=True)
class Reassigned:
    """Stored items answered anew after a change: how many, which moved, and the seconds it took."""

    stale: int
    moves: Sequence[Move]
    seconds: float


@dataclass(frozen=True, slots=True)
class Stranger:
    """A thing that the shop does not sell, and its answer."""

    item: Item
    answer: Assignment


@dataclass(frozen=True, slots=True)
class Question:
    """A search over the stored items; ``class_name`` and ``where`` narrow it."""

    query: str
    class_name: str | None
    where: tuple[str, ...]
    found: Sequence[Found]

    @property
    def command(self) -> str:
        """What a person would type after ``nearclass``."""
        parts = [f"search {quoted(self.query)}"]
        parts += [f"--class {quoted(self.class_name)}"] if self.class_name else []
        parts += [f"--where {quoted(condition)}" for condition in self.where]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Story:
    """The whole tour.

    Attributes:
        items: The new products.
        new_class: The class that was added for them, as it is at the end.
        stages: The answers for the new products, at each state of the taxonomy.
        example: The product that was given to the class as an example, or None if none was left over.
        reassigned: The stored items answered anew, after each change.
        items_of: Number of stored items by class at the end, None standing for those without one.
        engine: Engine and version.
        seconds: What the tour took, without the reports.
    """

    imported: Imported
    ingested: Ingested
    items: Sequence[Item]
    new_class: ClassSpec
    stages: Sequence[Stage]
    example: Item | None
    reassigned: Sequence[Reassigned]
    strangers: Sequence[Stranger]
    questions: Sequence[Question]
    figures: Evaluation
    judged: Sequence[Judged]
    labelled: Sequence[Labelled]
    taxonomy: Taxonomy
    items_of: Mapping[str | None, int]
    space: Space
    version: str
    engine: str
    seconds: float


def quoted(text: str) -> str:
    r"""A text as one word of a command, in double quotes where those are enough.

    >>> quoted("price<120"), quoted('7" screen')
    ('"price<120"', '\'7" screen\'')
    """
    return shlex.quote(text) if _NOT_IN_DOUBLE.search(text) else f'"{text}"'


def has_class(answer: Assignment, class_id: str) -> bool:
    """Whether an answer assigns its item to the class."""
    return answer.decision is Decision.ASSIGNED and answer.class_id == class_id


def novel_count(strangers: Sequence[Stranger]) -> int:
    """How many strangers came back as fitting no class."""
    return sum(one.answer.decision is Decision.NOVEL for one in strangers)
