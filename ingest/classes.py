"""The write path of classes: from a changed taxonomy to evidence and class vectors in Milvus.

``sync`` compares what a space holds with what the taxonomy says and writes only the difference. It may be cut off at
any point and run again, by the same process or another: it always ends in the same rows.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import Encoder
from ..learn.resolve import (
    CAPTION_WEIGHTS,
    KIND_WEIGHTS,
    EvidenceText,
    class_vector,
    digest,
    evidence_texts,
    evidence_vectors,
)
from ..schemas.filters import All, Compare, In
from ..schemas.learning import LearnedClass, Learner
from ..schemas.records import EvidenceKind, Role
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import State
from .class_pictures import kept_pictures, pictured_level
from .class_rows import WantedRow, class_row, evidence_key, evidence_row
from .class_rules import RULES, write_rules
from .given import given_rows

__all__ = ["Placing", "evidence_of", "sync", "text_vectors"]

_T = TypeVar("_T")

_CLASSES_AT_ONCE: Final = 1000
_TEXT_DIGITS: Final = 48
_NO_LABEL: Final = Compare("kind", "!=", EvidenceKind.LABEL.value)
_NO_PICTURE: Final = Compare("kind", "!=", EvidenceKind.PICTURE.value)
_ORDER: Final = {kind.value: (place,) for place, kind in enumerate(EvidenceKind)}


def sync(store: Store, state: State, place: SpaceCollections, taxonomy: Taxonomy, encoder: Encoder | None) -> int:
    """Bring a space's evidence and class vectors up to the taxonomy and to the learner in use.

    Args:
        store: Where the collections are.
        state: Where the default thresholds go.
        place: The space and its collections.
        taxonomy: Must have been read after the last change that shall count.
        encoder: The encoder of a space of texts or pictures; None for a space of given vectors.

    Returns:
        The number of classes written.
    """
    place.ensure(store)
    stored = {
        class_id: digest
        for page in store.columns(place.classes, fields=("class_id", "digest"))
        for class_id, digest in zip(page["class_id"], page["digest"], strict=True)
    }
    learned = Learned(store, state, place)
    if encoder is None:
        wanted = given_rows(store, place, taxonomy)
    else:
        wanted = _described(store, state, place, taxonomy, learned.active_version(), encoder)
    todo = [row for row in wanted.values() if stored.get(row.class_id) != row.digest]
    gone = sorted(stored.keys() - wanted.keys())
    if encoder is None:
        for batch in _batches(todo, _CLASSES_AT_ONCE):
            _write_from_given(store, place, taxonomy.revision, batch)
    elif todo:
        _write_described(store, place, taxonomy.revision, todo, stored, learned, encoder)
    for ids in _batches(gone, _CLASSES_AT_ONCE):
        if encoder is not None:  # pictures stay, because their files may be gone when the class comes back
            store.delete(place.evidence, All([In("class_id", ids), _NO_LABEL, _NO_PICTURE]))
        # Last: as long as it is there, whoever finds this cut off knows that the evidence has to go.
        store.delete(place.classes, In("class_id", ids))
    if todo or gone:
        store.flush(place.evidence, place.classes)
    # Not only after a change: the last one may have been cut off between the vectors and their thresholds.
    made_of = hashlib.sha256("\n".join(f"{one}={wanted[one].digest}" for one in sorted(wanted)).encode()).hexdigest()
    known = state.get(RULES, place.space.name)
    if known is None or known.body.get("made_of") != made_of:
        write_rules(store, state, place, taxonomy, sorted(wanted), encoder, made_of)
    return len(todo) + len(gone)


def _write_described(
    store: Store,
    place: SpaceCollections,
    revision: int,
    todo: Sequence[WantedRow],
    stored: Mapping[str, str],
    learned: Learned,
    encoder: Encoder,
) -> None:
    placing = Placing.of(learned)
    newcomers: list[NDArray[np.float32]] = []
    # Where only the learner is another, the texts are embedded already.
    moved = [row for row in todo if _texts_of(stored.get(row.class_id, "")) == _texts_of(row.digest)]
    fresh = [row for row in todo if _texts_of(stored.get(row.class_id, "")) != _texts_of(row.digest)]
    for batch in _batches(fresh, _CLASSES_AT_ONCE):
        newcomers += _write_from_texts(store, place, revision, batch, encoder, placing)
    for batch in _batches(moved, _CLASSES_AT_ONCE):
        texts = text_vectors(store, place, [row.class_id for row in batch])
        _write_classes(store, place, revision, [row for row in batch if row.class_id in texts], texts, placing)
    _join(learned, placing.learner, newcomers)


@dataclass(frozen=True, slots=True)
class Placing:
    """Turns text vectors into class vectors and biases, as the learner in use says."""

    learner: Learner | None
    classes: Mapping[str, LearnedClass]

    @classmethod
    def of(cls, learned: Learned) -> "Placing":
        """The placing of the active version."""
        learner = learned.active()
        return cls(learner, {one.class_id: one for one in learned.classes(learner.version)} if learner else {})

    def knows(self, row: WantedRow) -> bool:
        """Whether the class was there at learning, with the texts it has now."""
        known = self.classes.get(row.class_id)
        return known is not None and known.digest == row.evidence

    def place(self, row: WantedRow, text: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Class vector and bias of a class with this text vector, both shape (dim,)."""
        if self.learner is None:
            return text, row.bias
        if self.knows(row):
            known = self.classes[row.class_id]
            return known.vector, known.bias
        vectors, biases = self.learner.newcomers.place(text[None, :])
        return vectors[0], float(biases[0])


def text_vectors(store: Store, place: SpaceCollections, class_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The vector, shape (dim,), that the stored texts of each class make; classes without evidence are left out."""
    groups: dict[str, tuple[list[EvidenceKind], list[NDArray[np.float32]]]] = {}
    for batch in _batches(class_ids, _CLASSES_AT_ONCE):
        where = All([In("class_id", batch), _NO_LABEL])
        rows = store.query(place.evidence, where=where, fields=("class_id", "kind", "position", "vector"))
        for row in sorted(rows, key=lambda one: _ORDER[one["kind"]] + (one["position"],)):
            kinds, vectors = groups.setdefault(row["class_id"], ([], []))
            kinds.append(EvidenceKind(row["kind"]))
            vectors.append(row["vector"])
    return {
        class_id: class_vector(kinds, np.stack(vectors), _weights(place))
        for class_id, (kinds, vectors) in groups.items()
    }


def _weights(place: SpaceCollections) -> Mapping[EvidenceKind, float]:
    return CAPTION_WEIGHTS if place.space.kind == "image" else KIND_WEIGHTS


def evidence_of(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> dict[str, list[EvidenceText]]:
    """What speaks for each assignable class in a space: its texts, and in one of pictures those that are stored."""
    texts = {class_id: evidence_texts(taxonomy, class_id) for class_id in taxonomy.assignable()}
    if place.space.kind != "image":
        return texts
    # Prompts are the forms of a name there.
    kept = kept_pictures(store, place, taxonomy)
    return {
        class_id: [*(replace(one, forms=()) for one in said), *kept.get(class_id, ())]
        for class_id, said in texts.items()
    }


def _described(
    store: Store, state: State, place: SpaceCollections, taxonomy: Taxonomy, version: int, encoder: Encoder
) -> dict[str, WantedRow]:
    every = evidence_of(store, place, taxonomy)
    pictured = [one for one, texts in every.items() if texts[-1].kind is EvidenceKind.PICTURE]
    level = pictured_level(store, state, place, taxonomy, pictured, encoder) if pictured else 0.0
    rows = {}
    for class_id, texts in every.items():
        evidence = digest(texts)
        made_of = f"{evidence[:_TEXT_DIGITS]}-{version}"
        bias = level if texts[-1].kind is EvidenceKind.PICTURE else 0.0
        rows[class_id] = WantedRow(class_id, f"{made_of}{bias:+.4f}" if bias else made_of, evidence, texts, bias)
    return rows


def _texts_of(row_digest: str) -> str:
    return row_digest.partition("-")[0]


def _write_from_texts(
    store: Store,
    place: SpaceCollections,
    revision: int,
    batch: Sequence[WantedRow],
    encoder: Encoder,
    placing: Placing,
) -> list[NDArray[np.float32]]:
    """Write evidence and class vectors; the text vectors of the classes that the learner does not know."""
    every = (text for row in batch for text in row.texts if text.kind is not EvidenceKind.PICTURE)
    encoded = evidence_vectors(every, lambda texts: encoder.encode(texts, Role.CLASS).vectors)
    evidence: list[dict[str, Any]] = []
    texts: dict[str, NDArray[np.float32]] = {}
    pictures = _picture_vectors(store, place, batch)
    keys = set(pictures)
    for row in batch:
        words = [text for text in row.texts if text.kind is not EvidenceKind.PICTURE]
        evidence.extend(evidence_row(row.class_id, text, encoded[text], revision) for text in words)
        shown = [pictures[evidence_key(row.class_id, text)] for text in row.texts[len(words) :]]
        vectors = np.stack([*(encoded[text] for text in words), *shown])
        texts[row.class_id] = class_vector([text.kind for text in row.texts], vectors, _weights(place))
    ids = [row.class_id for row in batch]
    keys |= {str(row["key"]) for row in evidence}
    old = store.query(place.evidence, where=All([In("class_id", ids), _NO_LABEL]), fields=("key",))
    stale = sorted({row["key"] for row in old} - keys)
    # New evidence first: a class never stands without any.
    store.upsert(place.evidence, place.specs[place.evidence], evidence)
    store.delete(place.evidence, In("key", stale))
    _write_classes(store, place, revision, batch, texts, placing)
    return [texts[row.class_id] for row in batch if not placing.knows(row)]


def _picture_vectors(
    store: Store, place: SpaceCollections, batch: Sequence[WantedRow]
) -> dict[str, NDArray[np.float32]]:
    """Vectors of the pictures of some classes, shape (dim,), by their keys."""
    every = ((row.class_id, text) for row in batch for text in row.texts)
    keys = [evidence_key(class_id, text) for class_id, text in every if text.kind is EvidenceKind.PICTURE]
    rows = store.query(place.evidence, where=In("key", keys), fields=("key", "vector")) if keys else []
    return {row["key"]: row["vector"] for row in rows}


def _join(learned: Learned, learner: Learner | None, newcomers: Sequence[NDArray[np.float32]]) -> None:
    """Items that a new class fits are strangers no longer."""
    landmarks = learned.landmarks(learner) if learner and newcomers else None
    if learner and landmarks:
        learned.write_landmarks(learner.version, landmarks.joined_by(np.stack(newcomers)))
        learned.flush()


def _write_classes(
    store: Store,
    place: SpaceCollections,
    revision: int,
    batch: Sequence[WantedRow],
    texts: Mapping[str, NDArray[np.float32]],
    placing: Placing,
) -> None:
    rows = [class_row(row, *placing.place(row, texts[row.class_id]), revision) for row in batch]
    store.upsert(place.classes, place.specs[place.classes], rows)


def _write_from_given(store: Store, place: SpaceCollections, revision: int, batch: Sequence[WantedRow]) -> None:
    of_class = {row.class_id: row for row in batch}
    kind = Compare("kind", "==", EvidenceKind.VECTOR.value)
    found = store.query(
        place.evidence, where=All([In("class_id", list(of_class)), kind]), fields=("class_id", "vector")
    )
    rows = [class_row(of_class[row["class_id"]], row["vector"], 0.0, revision) for row in found]
    store.upsert(place.classes, place.specs[place.classes], rows)


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
