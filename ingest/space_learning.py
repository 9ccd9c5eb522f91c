"""Learning in one space: gather, learn, say what would change, store a version and take it into use."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from ..encoders.base import Encoder
from ..learn.learner import Learnt, learn
from ..query.live import LiveSpace
from ..schemas.learning import LearnedClass, Learner
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.learned import Learned
from ..store.state import State
from .lessons import Gathered, Lessons, Told
from .moves import EXAMPLE_CHARS, EXAMPLES, Move

__all__ = ["PARTS", "Attempt", "Learned", "Outcome", "SpaceLearning"]

_PAGE: Final = 4096
PARTS: Final = ("reading", "learning", "comparing")
"""Of the work in one space."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What learning found, and whether it is in use.

    Attributes:
        version: Number of the version that was stored, or None.
        method: ``adapted`` (no labels) or ``trained``.
        items: Stored items that were looked at.
        labels: Items with a class that somebody gave, from all sources.
        classes: Classes that learning knows.
        labelled_classes: Those of them with labels.
        evenness: Of the estimated class sizes, 0 to 1; low on long tails, where less is learnt from unlabelled items.
        changed: Items that would be nearest to another class.
        moves: Where they would move, most frequent first.
        held_out: Labels held out to measure the gain, or None.
        accuracy_before: Of class texts alone on them.
        accuracy_after: After learning.
        accuracy_low: Lower end of its 95 % Wilson interval.
        accuracy_high: Upper end.
        kept: Whether the result is better and worth a version.
        reason: Why it was kept or not, in words.
        seconds: How long it took.
        space: The space that all this is about.
        spaces: The same of every space that was learnt in, this one first; empty in these themselves.
    """

    version: int | None
    method: str
    items: int
    labels: int
    classes: int
    labelled_classes: int
    evenness: float
    changed: int
    moves: tuple[Move, ...]
    held_out: int | None
    accuracy_before: float | None
    accuracy_after: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    kept: bool
    reason: str
    seconds: float
    space: str = ""
    spaces: tuple["Outcome", ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON-able data."""
        found = asdict(self)
        for one in found["spaces"]:
            del one["spaces"]
        if not self.spaces:
            del found["spaces"]
        return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """What learning found in a space; nothing is stored yet."""

    gathered: Gathered
    learnt: Learnt
    changed: int
    outcome: Outcome


class SpaceLearning:
    """Learns in one space of a catalogue."""

    def __init__(self, store: Store, state: State, live: LiveSpace, encoder: Encoder) -> None:
        self.live = live
        self.learned = Learned(store, state, live.place)
        self.lessons = Lessons(store, live.place, encoder)

    def attempt(
        self,
        taxonomy: Taxonomy,
        given: Callable[[], Sequence[Told]] = lambda: (),
        on_part: Callable[[str], None] = lambda _: None,
    ) -> Attempt | None:
        """Learn from the stored items, every label there is and those given; None where there is neither.

        Args:
            taxonomy: Whose classes are learnt.
            given: Called for labels when what is stored has been read.
            on_part: Called with each of ``PARTS`` before it begins.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        started = time.perf_counter()
        parts = iter(PARTS)
        on_part(next(parts))
        gathered = self.lessons.gather(taxonomy, given)
        if gathered is None:
            return None
        on_part(next(parts))
        learnt = learn(gathered.lesson)
        on_part(next(parts))
        changed, moves = self._moves(gathered, learnt, taxonomy)
        kept, reason = _worth(learnt, changed, gathered.stored)
        labels = gathered.lesson.material.labels
        gain = learnt.gain
        outcome = Outcome(
            version=None,
            method=learnt.method,
            items=gathered.stored,
            labels=int((labels >= 0).sum()),
            classes=len(gathered.class_ids),
            labelled_classes=len(np.unique(labels[labels >= 0])),
            evenness=round(learnt.evenness, 4),
            changed=changed,
            moves=moves,
            held_out=gain.n if gain else None,
            accuracy_before=gain.before if gain else None,
            accuracy_after=gain.after if gain else None,
            accuracy_low=gain.low if gain else None,
            accuracy_high=gain.high if gain else None,
            kept=kept,
            reason=reason,
            seconds=round(time.perf_counter() - started, 2),
            space=self.live.place.space.name,
        )
        return Attempt(gathered, learnt, changed, outcome)

    def write(self, attempt: Attempt, taxonomy: Taxonomy, version: int) -> None:
        """Store fresh labels and the result, and note that this version is in use; class vectors follow later."""
        gathered, learnt, landmarks = attempt.gathered, attempt.learnt, attempt.gathered.landmarks
        self.lessons.keep(gathered.fresh, taxonomy.revision)
        report = {
            "made_at": int(time.time()),
            "revision": taxonomy.revision,
            "items": gathered.stored,
            "labels": attempt.outcome.labels,
            "changed": attempt.changed,
            "accuracy_after": learnt.gain.after if learnt.gain else None,
        }
        strange = (landmarks.strangeness, landmarks.least) if landmarks else (0.0, 0.0)
        learner = Learner(version, learnt.method, learnt.lexical_weight, learnt.newcomers, *strange, report)
        classes = [
            _learned_class(learnt, row, class_id, evidence)
            for row, (class_id, evidence) in enumerate(zip(gathered.class_ids, gathered.digests, strict=True))
        ]
        self.learned.write(learner, classes, landmarks)
        self.learned.use(version)

    def labelled(self) -> set[str]:
        """Identities of the labels that the version in use was learnt from; none where texts alone are in use."""
        if not self.learned.active_version():
            return set()
        assigner = self.live.assigner()
        ids = sorted(assigner.answerable)
        told = self.lessons.told([*ids, *assigner.taxonomy.merged(ids)], set())
        return {one.identity for one in told} | self.lessons.confirmed()

    def told_classes(self) -> set[str]:
        """Classes that the version in use had labels of; none where it left labels aside, or texts alone are in use."""
        active = self.learned.active()
        if active is None or active.method != "trained":
            return set()
        assigner = self.live.assigner()
        return {assigner.taxonomy.follow(one) for one in self.lessons.told_classes()} & assigner.answerable

    def _moves(self, gathered: Gathered, learnt: Learnt, taxonomy: Taxonomy) -> tuple[int, tuple[Move, ...]]:
        """How many stored items get another nearest class, and from where to where."""
        search = self.live.assigner().search
        moved: dict[tuple[str, str], list[int]] = {}
        lesson = gathered.lesson
        for start in range(0, gathered.stored, _PAGE):
            rows = np.arange(start, min(start + _PAGE, gathered.stored))
            part = None if lesson.material.lexical is None or lesson.features is None else lesson.features[rows]
            before = search.search(lesson.material.items[rows], 1, part).class_ids
            after = learnt.scores(lesson, rows).argmax(axis=1)
            for row, old, column in zip(rows.tolist(), before, after.tolist(), strict=True):
                new = gathered.class_ids[column]
                if old and old[0] != new:
                    moved.setdefault((old[0], new), []).append(row)
        ordered = sorted(moved.items(), key=lambda one: (-len(one[1]), one[0]))
        shown = [(new, row) for (_, new), rows in ordered for row in rows[:EXAMPLES]]
        vectors = lesson.material.items[[row for _, row in shown]]
        pieces = iter(self.live.assigner().evidence.nearest([new for new, _ in shown], vectors))
        moves = tuple(
            Move(
                taxonomy.path(old),
                taxonomy.path(new),
                len(rows),
                tuple(gathered.shown[row][:EXAMPLE_CHARS] for row in rows[:EXAMPLES]),
                tuple(next(iter(next(pieces)), None) for _ in rows[:EXAMPLES]),
            )
            for (old, new), rows in ordered
        )
        return sum(move.count for move in moves), moves


def _learned_class(learnt: Learnt, row: int, class_id: str, text_digest: str) -> LearnedClass:
    columns, weights = np.empty(0, np.int64), np.empty(0, np.float32)
    if learnt.lexical is not None:
        part = learnt.lexical[row]
        order = np.argsort(part.indices)
        columns, weights = part.indices[order].astype(np.int64), part.data[order].astype(np.float32)
    return LearnedClass(class_id, text_digest, learnt.vectors[row], float(learnt.biases[row]), columns, weights)


def _worth(learnt: Learnt, changed: int, stored: int) -> tuple[bool, str]:
    gain = learnt.gain
    measured = (
        f"{gain.after:.1%} of {gain.n} held-out labels are right, with texts alone {gain.before:.1%}" if gain else ""
    )
    if gain is not None and gain.after <= gain.before:
        return False, f"not better: {measured}"
    if gain is not None:
        return True, measured
    if stored and not changed and learnt.method == "adapted":
        return False, "nothing would change"
    return True, "too few labels to measure the gain: try some answers, and go back if they are worse"
