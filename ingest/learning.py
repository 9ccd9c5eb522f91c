"""Learning from a catalogue: gather items, texts and labels, learn, say what would change, store and use a version."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..encoders.background import BACKGROUND
from ..encoders.base import Encoder
from ..errors import EmptyTaxonomyError, NearclassError
from ..learn.adapt import Material
from ..learn.landmarks import landmarks
from ..learn.learner import Learnt, Lesson, fits, learn
from ..learn.lexical import features, profiles, strongest
from ..learn.resolve import digest, evidence_texts
from ..learn.thresholds import NOVEL_QUANTILE
from ..query.live import LiveSpace
from ..schemas.collections import MAX_TEXT_BYTES, key_of
from ..schemas.filters import All, Compare, In
from ..schemas.learning import Landmarks, LearnedClass, Learner
from ..schemas.records import EvidenceKind, Item, Role
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import clip_bytes, item_text
from ..store import Store
from ..store.learned import Learned
from ..store.state import State
from .classes import text_vectors
from .labelled import Labelled

__all__ = ["Learning", "Move", "Outcome"]

_MOST_ITEMS: Final = 40_000
"""Of more items a fair sample is learnt from: class vectors are means, and settle long before."""
_MOST_SCORES: Final = 100_000_000
"""Items times classes that are looked at in each round; with 10,000 classes that is 10,000 items."""
_PAGE: Final = 4096
_EXAMPLES: Final = 3
_FIELDS: Final = ("item_id", "title", "description", "text", "confirmed_class", "vector")


@dataclass(frozen=True, slots=True)
class Move:
    """Items whose nearest class is another one after learning.

    Attributes:
        before: Path of the class they were nearest to.
        after: Path of the class they are nearest to now.
        count: How many.
        examples: Texts of some.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    count: int
    examples: tuple[str, ...]


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

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Gathered:
    """A lesson, and what its rows and columns stand for; the first ``stored`` rows are items of the catalogue."""

    lesson: Lesson
    landmarks: Landmarks | None
    texts: list[str]
    class_ids: list[str]
    digests: list[str]
    stored: int


class Learning:
    """Learns in the text space of a catalogue, and takes versions in and out of use."""

    def __init__(
        self, store: Store, state: State, live: LiveSpace, encoder: Encoder, settle: Callable[[], bool]
    ) -> None:
        """Learn in the space of ``live``; ``settle`` brings class vectors up to the version in use."""
        self._store = store
        self._live = live
        self._place = live.place
        self._encoder = encoder
        self._settle = settle
        self._learned = Learned(store, state, live.place)

    def learn(self, labelled: Sequence[Labelled] = (), *, dry_run: bool = False) -> Outcome:
        """Learn from the stored items, every label there is and those given; store and use the result if it is better.

        Labels that are given are kept as evidence of their classes, so that the next learning has them too. Those of
        several right classes or of none are passed over.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
            NearclassError: There is neither an item nor a label.
        """
        started = time.perf_counter()
        taxonomy = self._live.assigner().taxonomy
        fresh = [(one.item, next(iter(one.truth))) for one in labelled if len(one.truth) == 1]
        vectors = self._encode([item_text(item) for item, _ in fresh])
        gathered = self._gather(taxonomy, fresh, vectors)
        learnt = learn(gathered.lesson)
        changed, moves = self._moves(gathered, learnt, taxonomy)
        kept, reason = _worth(learnt, changed, gathered.stored)
        version = None
        if kept and not dry_run:
            self._keep_labels(fresh, vectors, taxonomy.revision)
            version = self._write(gathered, learnt, taxonomy, changed)
        labels = gathered.lesson.material.labels
        gain = learnt.gain
        return Outcome(
            version=version,
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
        )

    def use(self, version: int) -> None:
        """Take a stored version into use, or with 0 the class texts alone.

        Raises:
            NearclassError: There is no such version.
        """
        if version and self._learned.get(version) is None:
            have = ", ".join(str(learner.version) for learner in self._learned.versions()) or "none"
            message = f"there is no version {version}"
            raise NearclassError(message, hint=f"Stored versions: {have}; 0 stands for class texts alone.")
        self._learned.use(version)
        self._settle()

    def versions(self) -> list[Learner]:
        """Every stored version, oldest first."""
        return self._learned.versions()

    def active_version(self) -> int:
        """The version in use, 0 for class texts alone."""
        return self._learned.active_version()

    def labelled_texts(self) -> set[str]:
        """Canonical texts of the labels that the version in use was learnt from; none where texts alone are in use."""
        if not self._learned.active_version():
            return set()
        told = self._told(sorted(self._live.assigner().answerable), set())
        confirmed: list[dict[str, Any]] = []
        if self._store.resolve(self._place.items) is not None:
            where = Compare("confirmed_class", "!=", "")
            fields = ("item_id", "title", "description", "text")
            confirmed = self._store.query(self._place.items, where=where, fields=fields)
        return {row["text"] for row in told} | {_text(row) for row in confirmed}

    def _gather(
        self, taxonomy: Taxonomy, fresh: Sequence[tuple[Item, str]], fresh_vectors: NDArray[np.float32]
    ) -> _Gathered:
        made = text_vectors(self._store, self._place, sorted(taxonomy.assignable()))
        class_ids = sorted(made)
        if not class_ids:
            message = "there is no class to learn"
            raise EmptyTaxonomyError(
                message, hint="Add one with `nearclass classes add NAME`, or `classes import FILE`."
            )
        place = {class_id: row for row, class_id in enumerate(class_ids)}
        labels = {item_text(item): class_id for item, class_id in fresh}
        rows = self._items(min(_MOST_ITEMS, _MOST_SCORES // len(class_ids)), set(labels))
        told = self._told(class_ids, set(labels))
        vectors = [row["vector"] for row in rows] + [row["vector"] for row in told] + list(fresh_vectors)
        if not vectors:
            message = "there is nothing to learn from: no item is stored, and no label is given"
            raise NearclassError(message, hint="Ingest items first, or give labelled items with --labels FILE.")
        texts = [_text(row) for row in rows] + [row["text"] for row in told] + [item_text(item) for item, _ in fresh]
        classes = [row["confirmed_class"] for row in rows] + [row["class_id"] for row in told]
        classes += [class_id for _, class_id in fresh]
        items = np.stack(vectors)
        class_vectors = np.stack([made[class_id] for class_id in class_ids])
        evidence = [evidence_texts(taxonomy, class_id) for class_id in class_ids]
        found = features(texts)
        background = self._encode(BACKGROUND) @ class_vectors.T
        threshold = float(np.quantile(background.max(axis=1), NOVEL_QUANTILE))
        material = Material(
            items,
            class_vectors,
            strongest(found, profiles(evidence, BACKGROUND)),
            fits(items, class_vectors, threshold),
            np.asarray([place.get(class_id, -1) for class_id in classes], np.int64),
        )
        joined = [" ".join(text.text for text in one) for one in evidence]
        digests = [digest(one) for one in evidence]
        lesson = Lesson(material, found, features(joined))
        return _Gathered(lesson, landmarks(material, threshold), texts, class_ids, digests, len(rows))

    def _items(self, most: int, known: set[str]) -> list[dict[str, Any]]:
        """Stored items whose text is not in ``known``: all that are confirmed, then others in the order of their keys.

        Keys are digests, so that the first of them are a fair sample.
        """
        if self._store.resolve(self._place.items) is None:
            return []
        rows: list[dict[str, Any]] = []
        for confirmed in ("!=", "=="):
            where = Compare("confirmed_class", confirmed, "")
            for page in self._store.scan(self._place.items, where=where, fields=_FIELDS):
                rows.extend(row for row in page if _text(row) not in known)
                if len(rows) >= most:
                    return rows[:most]
        return rows

    def _told(self, class_ids: Sequence[str], known: set[str]) -> list[dict[str, Any]]:
        """Labels that are kept as evidence, and examples of the class definitions."""
        kinds = [EvidenceKind.LABEL.value, EvidenceKind.EXAMPLE.value]
        fields = ("class_id", "text", "vector")
        rows: list[dict[str, Any]] = []
        for start in range(0, len(class_ids), 1000):
            where = All([In("class_id", class_ids[start : start + 1000]), In("kind", kinds)])
            rows += self._store.query(self._place.evidence, where=where, fields=fields)
        return [row for row in rows if row["text"] not in known]

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self._place.space.dim), np.float32)
        return self._encoder.encode(list(texts), Role.ITEM).vectors

    def _moves(self, gathered: _Gathered, learnt: Learnt, taxonomy: Taxonomy) -> tuple[int, tuple[Move, ...]]:
        """How many stored items get another nearest class, and from where to where."""
        search = self._live.assigner().search
        moved: dict[tuple[str, str], list[int]] = {}
        lesson = gathered.lesson
        for start in range(0, gathered.stored, _PAGE):
            rows = np.arange(start, min(start + _PAGE, gathered.stored))
            part = None if lesson.features is None else lesson.features[rows]
            before = search.search(lesson.material.items[rows], 1, part).class_ids
            after = learnt.scores(lesson, rows).argmax(axis=1)
            for row, old, column in zip(rows.tolist(), before, after.tolist(), strict=True):
                new = gathered.class_ids[column]
                if old and old[0] != new:
                    moved.setdefault((old[0], new), []).append(row)
        ordered = sorted(moved.items(), key=lambda one: (-len(one[1]), one[0]))
        moves = tuple(
            Move(
                taxonomy.path(old),
                taxonomy.path(new),
                len(rows),
                tuple(gathered.texts[row][:120] for row in rows[:_EXAMPLES]),
            )
            for (old, new), rows in ordered
        )
        return sum(move.count for move in moves), moves

    def _keep_labels(self, fresh: Sequence[tuple[Item, str]], vectors: NDArray[np.float32], revision: int) -> None:
        rows = [
            {
                "key": key_of(EvidenceKind.LABEL, hashlib.sha256(item_text(item).encode()).hexdigest()),
                "vector": vector,
                "class_id": class_id,
                "kind": EvidenceKind.LABEL.value,
                "position": 0,
                "text": clip_bytes(item_text(item), MAX_TEXT_BYTES),
                "weight": 1.0,
                "revision": revision,
            }
            for (item, class_id), vector in zip(fresh, vectors, strict=True)
        ]
        if rows:
            self._store.upsert(self._place.evidence, self._place.specs[self._place.evidence], rows)
            self._store.flush(self._place.evidence)

    def _write(self, gathered: _Gathered, learnt: Learnt, taxonomy: Taxonomy, changed: int) -> int:
        version = self._learned.next_version()
        report = {
            "made_at": int(time.time()),
            "revision": taxonomy.revision,
            "items": gathered.stored,
            "labels": int((gathered.lesson.material.labels >= 0).sum()),
            "changed": changed,
            "accuracy_after": learnt.gain.after if learnt.gain else None,
        }
        marks = gathered.landmarks
        strange = (marks.strangeness, marks.least) if marks else (0.0, 0.0)
        learner = Learner(version, learnt.method, learnt.lexical_weight, learnt.newcomers, *strange, report)
        classes = [
            _learned_class(learnt, row, class_id, text_digest)
            for row, (class_id, text_digest) in enumerate(zip(gathered.class_ids, gathered.digests, strict=True))
        ]
        self._learned.write(learner, classes, marks)
        self.use(version)
        return version


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


def _text(row: dict[str, Any]) -> str:
    return item_text(Item(row["item_id"], title=row["title"], description=row["description"], text=row["text"]))
