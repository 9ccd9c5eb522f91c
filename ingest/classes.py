"""The write path of classes: from a changed taxonomy to evidence and class vectors in Milvus.

``sync`` compares what a space holds with what the taxonomy says and writes only the difference. It may be cut off at
any point and run again, by the same process or another: it always ends in the same rows.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..encoders.background import BACKGROUND
from ..encoders.base import Encoder
from ..errors import TaxonomyError
from ..learn.lexical import features
from ..learn.resolve import EvidenceText, class_vector, digest, evidence_texts
from ..learn.thresholds import label_free_rules, rules_between_classes
from ..query.lexical import LexicalReader
from ..schemas.collections import MAX_TEXT_BYTES, key_of
from ..schemas.filters import All, Compare, In
from ..schemas.learning import LearnedClass, Learner
from ..schemas.records import ClassSpec, EvidenceKind, Role
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import clip_bytes
from ..schemas.vectors import unit_vector
from ..store import Store
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import Document, State

__all__ = ["RULES", "Placing", "given_vectors", "sync", "text_vectors", "write_given_vectors"]

RULES: Final = "rules"
"""Kind of the state document with the thresholds of a space."""

_T = TypeVar("_T")

_CLASSES_AT_ONCE: Final = 1000
_RULE_SAMPLE: Final = 2000
_TEXT_DIGITS: Final = 48
_NO_LABEL: Final = Compare("kind", "!=", EvidenceKind.LABEL.value)
_ORDER: Final = {kind.value: (place,) for place, kind in enumerate(EvidenceKind)}


@dataclass(frozen=True, slots=True)
class _Row:
    """A class whose rows have to be written; ``digest`` says what its class vector is made of."""

    class_id: str
    digest: str
    texts: Sequence[EvidenceText]


def sync(store: Store, state: State, place: SpaceCollections, taxonomy: Taxonomy, encoder: Encoder | None) -> int:
    """Bring a space's evidence and class vectors up to the taxonomy and to the learner in use.

    Args:
        store: Where the collections are.
        state: Where the default thresholds go.
        place: The space and its collections.
        taxonomy: Must have been read after the last change that shall count.
        encoder: The encoder of a text space; None for a space of given vectors.

    Returns:
        The number of classes written.
    """
    place.ensure(store)
    stored = {
        row["class_id"]: row["digest"]
        for page in store.scan(place.classes, fields=("class_id", "digest"))
        for row in page
    }
    learned = Learned(store, state, place)
    version = learned.active_version()
    wanted = _given(store, place, taxonomy) if encoder is None else _described(taxonomy, version)
    todo = [row for row in wanted.values() if stored.get(row.class_id) != row.digest]
    gone = sorted(stored.keys() - wanted.keys())
    if encoder is None:
        for batch in _batches(todo, _CLASSES_AT_ONCE):
            _write_from_given(store, place, taxonomy.revision, batch)
    elif todo:
        placing = Placing.of(learned)
        # Where only the learner is another, the texts are embedded already.
        moved = [row for row in todo if _texts_of(stored.get(row.class_id, "")) == _texts_of(row.digest)]
        fresh = [row for row in todo if _texts_of(stored.get(row.class_id, "")) != _texts_of(row.digest)]
        for batch in _batches(fresh, _CLASSES_AT_ONCE):
            _write_from_texts(store, place, taxonomy.revision, batch, encoder, placing)
        for batch in _batches(moved, _CLASSES_AT_ONCE):
            texts = text_vectors(store, place, [row.class_id for row in batch])
            _write_classes(
                store, place, taxonomy.revision, [row for row in batch if row.class_id in texts], texts, placing
            )
    for ids in _batches(gone, _CLASSES_AT_ONCE):
        store.delete(place.classes, In("class_id", ids))
        if encoder is not None:
            store.delete(place.evidence, All([In("class_id", ids), _NO_LABEL]))
    if todo or gone:
        store.flush(place.evidence, place.classes)
    # Not only after a change: the last one may have been cut off between the vectors and their thresholds.
    made_of = hashlib.sha256("\n".join(f"{one}={wanted[one].digest}" for one in sorted(wanted)).encode()).hexdigest()
    known = state.get(RULES, place.space.name)
    if known is None or known.body.get("made_of") != made_of:
        _write_rules(store, state, place, taxonomy, sorted(wanted), encoder, made_of)
    return len(todo) + len(gone)


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

    def place(self, row: _Row, text: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Class vector and bias of a class with this text vector, both shape (dim,)."""
        if self.learner is None:
            return text, 0.0
        known = self.classes.get(row.class_id)
        if known is not None and known.digest == digest(row.texts):
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
    return {class_id: class_vector(kinds, np.stack(vectors)) for class_id, (kinds, vectors) in groups.items()}


def _described(taxonomy: Taxonomy, version: int) -> dict[str, _Row]:
    rows = {}
    for class_id in taxonomy.assignable():
        texts = evidence_texts(taxonomy, class_id)
        rows[class_id] = _Row(class_id, f"{digest(texts)[:_TEXT_DIGITS]}-{version}", texts)
    return rows


def _texts_of(row_digest: str) -> str:
    return row_digest.partition("-")[0]


def _write_from_texts(
    store: Store,
    place: SpaceCollections,
    revision: int,
    batch: Sequence[_Row],
    encoder: Encoder,
    placing: Placing,
) -> None:
    # Parents and common synonyms recur: each text is encoded once.
    distinct = list(dict.fromkeys(text.text for row in batch for text in row.texts))
    encoded = dict(zip(distinct, encoder.encode(distinct, Role.CLASS).vectors, strict=True))
    evidence: list[dict[str, Any]] = []
    texts: dict[str, NDArray[np.float32]] = {}
    for row in batch:
        vectors = np.stack([encoded[text.text] for text in row.texts])
        evidence.extend(
            _evidence_row(row.class_id, text, vector, revision) for text, vector in zip(row.texts, vectors, strict=True)
        )
        texts[row.class_id] = class_vector([text.kind for text in row.texts], vectors)
    ids = [row.class_id for row in batch]
    keys = {str(row["key"]) for row in evidence}
    old = store.query(place.evidence, where=All([In("class_id", ids), _NO_LABEL]), fields=("key",))
    stale = sorted({row["key"] for row in old} - keys)
    # New evidence first: a class never stands without any.
    store.upsert(place.evidence, place.specs[place.evidence], evidence)
    store.delete(place.evidence, In("key", stale))
    _write_classes(store, place, revision, batch, texts, placing)


def _write_classes(
    store: Store,
    place: SpaceCollections,
    revision: int,
    batch: Sequence[_Row],
    texts: Mapping[str, NDArray[np.float32]],
    placing: Placing,
) -> None:
    rows = [_class_row(row, *placing.place(row, texts[row.class_id]), revision) for row in batch]
    store.upsert(place.classes, place.specs[place.classes], rows)


def _evidence_row(class_id: str, text: EvidenceText, vector: NDArray[np.float32], revision: int) -> dict[str, Any]:
    return {
        "key": key_of(class_id, text.kind, str(text.position)),
        "vector": vector,
        "class_id": class_id,
        "kind": text.kind.value,
        "position": text.position,
        "text": clip_bytes(text.text, MAX_TEXT_BYTES),
        "weight": 1.0,
        "revision": revision,
    }


def _class_row(row: _Row, vector: NDArray[np.float32], bias: float, revision: int) -> dict[str, Any]:
    return {
        "key": key_of(row.class_id),
        "vector": vector,
        "class_id": row.class_id,
        "bias": bias,
        "digest": row.digest,
        "revision": revision,
    }


def given_vectors(specs: Iterable[ClassSpec], dim: int | None) -> dict[str, NDArray[np.float32]]:
    """Unit vectors of the classes that bring one, checked against each other and against ``dim``.

    Raises:
        TaxonomyError: A vector has another length, is zero or is not finite.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    for spec in specs:
        if spec.vector is None:
            continue
        dim = dim or len(spec.vector)
        try:
            vectors[spec.id] = unit_vector(spec.vector, dim)
        except ValueError as error:
            raise TaxonomyError(
                f"class {spec.id!r} brings {error}",
                hint="Give every class of a space a vector of one length, finite and not zero.",
            ) from error
    return vectors


def write_given_vectors(
    store: Store, place: SpaceCollections, vectors: Mapping[str, NDArray[np.float32]], revision: int
) -> None:
    """Store the given vector of each class as evidence; ``sync`` makes class vectors of it."""
    place.ensure(store)
    text = EvidenceText(EvidenceKind.VECTOR, 0, "")
    rows = [_evidence_row(class_id, text, vector, revision) for class_id, vector in vectors.items()]
    store.upsert(place.evidence, place.specs[place.evidence], rows)
    store.flush(place.evidence)


def _given(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> dict[str, _Row]:
    assignable = set(taxonomy.assignable())
    return {
        row["class_id"]: _Row(row["class_id"], hashlib.sha256(row["vector"].tobytes()).hexdigest(), ())
        for page in store.scan(place.evidence, fields=("class_id", "vector"))
        for row in page
        if row["class_id"] in assignable
    }


def _write_from_given(store: Store, place: SpaceCollections, revision: int, batch: Sequence[_Row]) -> None:
    of_class = {row.class_id: row for row in batch}
    kind = Compare("kind", "==", EvidenceKind.VECTOR.value)
    found = store.query(
        place.evidence, where=All([In("class_id", list(of_class)), kind]), fields=("class_id", "vector")
    )
    rows = [_class_row(of_class[row["class_id"]], row["vector"], 0.0, revision) for row in found]
    store.upsert(place.classes, place.specs[place.classes], rows)


def _write_rules(
    store: Store,
    state: State,
    place: SpaceCollections,
    taxonomy: Taxonomy,
    class_ids: Sequence[str],
    encoder: Encoder | None,
    made_of: str,
) -> None:
    sample = class_ids[:: -(-len(class_ids) // _RULE_SAMPLE)] if class_ids else ()
    rows = store.query(place.classes, where=In("class_id", list(sample)), fields=("class_id", "bias", "vector"))
    if not rows:
        return
    vectors = np.stack([row["vector"] for row in rows])
    if encoder is None:
        rules = rules_between_classes(vectors)
    else:
        scores = encoder.encode(BACKGROUND, Role.ITEM).vectors @ vectors.T
        scores += np.asarray([row["bias"] for row in rows], np.float32)
        lexical = LexicalReader(Learned(store, state, place)).read(taxonomy)
        if lexical is not None:
            scores += lexical.only([row["class_id"] for row in rows]).scores(features(BACKGROUND)).toarray()
        rules = label_free_rules(scores)
    state.put(Document(RULES, place.space.name, {**rules.to_dict(), "made_of": made_of}))


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
