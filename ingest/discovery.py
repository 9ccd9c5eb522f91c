"""Classes that a catalogue lacks: groups of items that no class fits, proposed, kept, and accepted one by one.

Proposals are kept as documents of the catalogue, under the revision of the taxonomy that they were made for, so that
the number that a person accepts is the one that was read. A change of the classes by anybody else makes them void.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EmptyTaxonomyError, NearclassError, UsageError
from ..learn.discover import MIN_SIZE, Group, discover
from ..query.live import LiveSpace
from ..schemas.progress import SILENT, OnProgress
from ..schemas.records import ClassSpec, Decision, Item
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import clip_bytes, item_text
from ..store import Store
from ..store.state import Document, State
from .classes import text_vectors
from .editing import ClassEditor
from .stored import StoredItems
from .taxonomy import slug_id

__all__ = ["Accepted", "Discovery", "Proposal"]

_FIELDS: Final = ("item_id", "title", "description", "text", "decision", "confirmed_class", "vector")
_MOST_ITEMS: Final = 40_000
"""Of more, those with the first keys are looked at: keys are digests, so that they are a fair sample."""
_EXAMPLE_BYTES: Final = 2000
_NEAREST: Final = 3
_PARTS: Final = 5
_PROPOSAL: Final = "proposal"
_PROPOSALS: Final = "proposals"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A class that the catalogue may lack.

    Attributes:
        number: From 1, the largest first; what ``accept`` is told.
        name: A phrase of its items that is rare in others; may be empty.
        size: How many items.
        cohesion: Mean cosine of its items to their centre.
        terms: More phrases of that kind.
        nearest: Path of the class whose texts are nearest to the centre.
        nearest_id: Its id.
        similarity: Its cosine to the centre.
        parent: Path of the deepest class above two of the three nearest; empty for the top.
        parent_id: Its id, or None.
        examples: Texts of central items, without duplicates; they become the examples of the class.
    """

    number: int
    name: str
    size: int
    cohesion: float
    terms: tuple[str, ...]
    nearest: tuple[str, ...]
    nearest_id: str
    similarity: float
    parent: tuple[str, ...]
    parent_id: str | None
    examples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The proposal as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Proposal":
        """The proposal that ``to_dict`` gave."""
        lists = {name: tuple(data[name]) for name in ("terms", "nearest", "parent", "examples")}
        return cls(**{**data, **lists})


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a proposal.

    Attributes:
        spec: The new class.
        assigned: Stored items that belong to it now.
        changed: Stored items that have another answer now, these among them.
    """

    spec: ClassSpec
    assigned: int
    changed: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """Items as they are stored, in the order of their ids."""

    vectors: Floats
    texts: list[str]

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]], dim: int) -> "_Stored":
        vectors = np.stack([row["vector"] for row in rows]) if rows else np.empty((0, dim), np.float32)
        return cls(vectors, [_text(row) for row in rows])


class Discovery:
    """Proposes classes for one space of a catalogue, and makes those that are accepted."""

    def __init__(self, store: Store, state: State, live: LiveSpace, classes: ClassEditor, stored: StoredItems) -> None:
        """Look at the items of ``live``; accepted classes go through ``classes``, and ``stored`` are answered anew."""
        self._store = store
        self._state = state
        self._live = live
        self._place = live.place
        self._classes = classes
        self._stored = stored
        self._name = live.place.space.name

    def propose(
        self,
        min_size: int = MIN_SIZE,
        *,
        review: bool = False,
        weakest: float = 0.0,
        on_progress: OnProgress = SILENT,
    ) -> list[Proposal]:
        """Propose classes, the largest first, and keep the proposals.

        Args:
            min_size: Items of the smallest proposal, 2 at least.
            review: Whether to look at items under review too, and not at novel ones only.
            weakest: Share of the items to look at besides, from 0 to 1: those that class texts fit worst.
            on_progress: Called before each part of the work, the last time before anything is stored.

        Raises:
            UsageError: The space is one of pictures, ``min_size`` is below 2, or ``weakest`` is no share.
            EmptyTaxonomyError: There is no class yet.
        """
        if min_size < 2:
            message = f"a group of {min_size} is none"
            raise UsageError(message, hint="Give --min-size 2 or more.")
        if not 0 <= weakest <= 1:
            message = f"{weakest} is no share of the items"
            raise UsageError(message, hint="Give --weakest a percentage from 0 to 100.")
        if self._place.space.kind == "image":
            message = f"classes are discovered among texts or given vectors, and {self._name} is a space of pictures"
            raise UsageError(message, hint="Leave --space off.")
        taxonomy = self._live.assigner().taxonomy
        decisions = {Decision.NOVEL.value, *([Decision.REVIEW.value] if review else [])}
        on_progress("classes", 0, _PARTS)
        made = self._class_texts(taxonomy)
        on_progress("items", 1, _PARTS)
        pool, others = self._gather(decisions, weakest, np.stack(list(made.values())))
        on_progress("groups", 2, _PARTS)
        groups = discover(pool.vectors, pool.texts, others.vectors, others.texts, min_size)
        on_progress("names", 3, _PARTS)
        proposals = _described(groups, pool, taxonomy, made)
        on_progress("storing", 4, _PARTS)
        self._keep(proposals, groups, taxonomy.revision)
        return proposals

    def kept(self) -> list[Proposal]:
        """The proposals that can be accepted: of the latest search, while no class has changed since."""
        head = self._state.get(_PROPOSALS, self._name)
        if head is None or head.revision != self._classes.taxonomy.revision:
            return []
        bodies = {one.name: one.body for one in self._state.every(_PROPOSAL)}
        names = (f"{self._name}/{number}" for number in head.body["numbers"])
        return [Proposal.from_dict(dict(bodies[name]["proposal"])) for name in names if name in bodies]

    def accept(self, number: int, name: str, *, parent: str | None = None, id: str | None = None) -> Accepted:  # noqa: A002 - the word of the vocabulary
        """Make a class of a kept proposal, and answer the stored items anew.

        Args:
            number: Of the proposal.
            name: What people shall call the class.
            parent: Id, full path or unique name of the class above it; by default at the top.
            id: Stable id; by default made of the path.

        Raises:
            NearclassError: There is no such proposal, or the classes have changed since.
            ClassNotFoundError: There is no such parent.
            TaxonomyError: The id or the name is taken, or not allowed.
        """
        head, body = self._kept(number)
        proposal = Proposal.from_dict(body["proposal"])
        if self._place.space.kind == "precomputed":
            spec = self._add_given(name, parent, id, proposal, body["centre"])
        else:
            spec = self._classes.add(name, id=id, parent=parent, examples=proposal.examples)
        # The other proposals stand: this change is one they knew of.
        left = [one for one in head.body["numbers"] if one != number]
        revision = self._classes.taxonomy.revision
        self._state.put(Document(_PROPOSALS, self._name, {"numbers": left}, revision))
        moved = self._stored.reassign()
        return Accepted(spec, sum(answer.class_id == spec.id for _, answer in moved), len(moved))

    def _add_given(
        self, name: str, parent: str | None, class_id: str | None, proposal: Proposal, centre: Sequence[float]
    ) -> ClassSpec:
        """Add a class to a space of given vectors, where its centre is its vector."""
        taxonomy = self._classes.taxonomy
        above = taxonomy.find(parent).id if parent else None
        path = (*taxonomy.path(above), name) if above is not None else (name,)
        spec = ClassSpec(
            class_id if class_id is not None else slug_id(path), name, above, examples=proposal.examples,
            vector=tuple(centre),
        )  # fmt: skip
        if spec.id in taxonomy:
            message = f"there is a class {spec.id!r} already"
            raise NearclassError(message, hint="Give another --id.")
        change = self._classes.put([spec], text=False)
        if change.problems:
            raise NearclassError(change.problems[0].message, hint="`nearclass classes list` shows the tree.")
        self._classes.put_vectors([spec], self._place.space)
        return change.taxonomy[spec.id]

    def _class_texts(self, taxonomy: Taxonomy) -> dict[str, Floats]:
        made = text_vectors(self._store, self._place, sorted(taxonomy.assignable()))
        if not made:
            message = "there is no class yet that an item could not fit"
            raise EmptyTaxonomyError(message, hint="Add one with `nearclass classes add NAME`.")
        return dict(sorted(made.items()))

    def _gather(self, decisions: set[str], weakest: float, classes: Floats) -> tuple[_Stored, _Stored]:
        """Items with one of these decisions or that fit worst, and that nobody confirmed; and the others."""
        parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        if self._store.resolve(self._place.items) is not None:
            for page in self._store.scan(self._place.items, fields=_FIELDS):
                for row in page:
                    wanted = row["decision"] in decisions and not row["confirmed_class"]
                    if len(parts[wanted]) < _MOST_ITEMS:
                        parts[wanted].append(dict(row))
        others, pool = parts
        if weakest and others:
            best = [float((classes @ row["vector"]).max()) for row in others]
            least = float(np.quantile(best, weakest))
            weak = [one <= least and not row["confirmed_class"] for one, row in zip(best, others, strict=True)]
            pool += [row for row, is_weak in zip(others, weak, strict=True) if is_weak]
            others = [row for row, is_weak in zip(others, weak, strict=True) if not is_weak]
        found = [_Stored.of(sorted(rows, key=lambda row: row["item_id"]), len(classes[0])) for rows in (pool, others)]
        return found[0], found[1]

    def _keep(self, proposals: Sequence[Proposal], groups: Sequence[Group], revision: int) -> None:
        """Write the proposals first and what says that they hold last."""
        documents = [
            Document(
                _PROPOSAL,
                f"{self._name}/{proposal.number}",
                {"proposal": proposal.to_dict(), "centre": [round(float(one), 7) for one in group.centre]},
                revision,
            )
            for proposal, group in zip(proposals, groups, strict=True)
        ]
        self._state.put(*documents)
        numbers = [proposal.number for proposal in proposals]
        self._state.put(Document(_PROPOSALS, self._name, {"numbers": numbers}, revision))

    def _kept(self, number: int) -> tuple[Document, dict[str, Any]]:
        head = self._state.get(_PROPOSALS, self._name)
        if head is None:
            raise NearclassError("nothing has been proposed yet", hint="Run `nearclass discover`.")
        revision = self._classes.taxonomy.revision
        if head.revision != revision:
            message = f"the proposals were made under revision {head.revision}, and the catalogue is at {revision}"
            raise NearclassError(message, hint="Run `nearclass discover` again, and accept what it prints then.")
        found = self._state.get(_PROPOSAL, f"{self._name}/{number}") if number in head.body["numbers"] else None
        if found is None:
            have = ", ".join(map(str, head.body["numbers"])) or "none"
            raise NearclassError(f"there is no proposal {number}", hint=f"Proposals that are left: {have}.")
        return head, dict(found.body)


def _described(
    groups: Sequence[Group], pool: _Stored, taxonomy: Taxonomy, made: Mapping[str, Floats]
) -> list[Proposal]:
    """Groups with the classes around them; ``made`` has the text vector of each class, by their ids in order."""
    ids = list(made)
    classes = np.stack(list(made.values()))
    found = []
    for number, group in enumerate(groups, 1):
        cosines = classes @ group.centre
        nearest = [ids[place] for place in np.argsort(-cosines, kind="stable")[:_NEAREST].tolist()]
        parent = _shared(taxonomy, nearest)
        texts = [pool.texts[row] for row in group.examples.tolist()]
        found.append(
            Proposal(
                number=number,
                name=group.name,
                size=len(group.rows),
                cohesion=round(group.cohesion, 4),
                terms=group.terms,
                nearest=taxonomy.path(nearest[0]),
                nearest_id=nearest[0],
                similarity=round(float(cosines.max()), 4),
                parent=taxonomy.path(parent) if parent else (),
                parent_id=parent,
                examples=tuple(clip_bytes(text, _EXAMPLE_BYTES) for text in texts if text),
            )
        )
    return found


def _shared(taxonomy: Taxonomy, nearest: Sequence[str]) -> str | None:
    """The deepest class above two of these, the nearest of them where it is as deep; None at the top."""
    pairs = [(first, second) for place, first in enumerate(nearest) for second in nearest[place + 1 :]]
    above = [one for pair in pairs if (one := taxonomy.common_ancestor(pair)) is not None]
    return max(above, key=taxonomy.depth) if above else None


def _text(row: dict[str, Any]) -> str:
    return item_text(Item(row["item_id"], title=row["title"], description=row["description"], text=row["text"]))
