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
from ..schemas.records import ClassSpec, EvidenceKind, Role
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import clip_bytes
from ..schemas.vectors import unit_vector
from ..store import Store
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import Document, State

__all__ = ["RULES", "given_vectors", "sync", "write_given_vectors"]

RULES: Final = "rules"
"""Kind of the state document with the thresholds of a space."""

_T = TypeVar("_T")

_CLASSES_AT_ONCE: Final = 1000
_RULE_SAMPLE: Final = 2000


@dataclass(frozen=True, slots=True)
class _Row:
    """A class whose rows have to be written."""

    class_id: str
    digest: str
    texts: Sequence[EvidenceText]


def sync(store: Store, state: State, place: SpaceCollections, taxonomy: Taxonomy, encoder: Encoder | None) -> int:
    """Bring a space's evidence and class vectors up to the taxonomy; the number of classes written.

    Args:
        store: Where the collections are.
        state: Where the default thresholds go.
        place: The space and its collections.
        taxonomy: Must have been read after the last change that shall count.
        encoder: The encoder of a text space; None for a space of given vectors.
    """
    place.ensure(store)
    stored = {
        row["class_id"]: row["digest"]
        for page in store.scan(place.classes, fields=("class_id", "digest"))
        for row in page
    }
    wanted = _given(store, place, taxonomy) if encoder is None else _described(taxonomy)
    todo = [row for row in wanted.values() if stored.get(row.class_id) != row.digest]
    gone = sorted(stored.keys() - wanted.keys())
    for batch in _batches(todo, _CLASSES_AT_ONCE):
        if encoder is None:
            _write_from_given(store, place, taxonomy.revision, batch)
        else:
            _write_from_texts(store, place, taxonomy.revision, batch, encoder)
    for ids in _batches(gone, _CLASSES_AT_ONCE):
        store.delete(place.classes, In("class_id", ids))
        if encoder is not None:
            store.delete(place.evidence, In("class_id", ids))
    if todo or gone:
        store.flush(place.evidence, place.classes)
        _write_rules(store, state, place, taxonomy, sorted(wanted), encoder)
    return len(todo) + len(gone)


def _described(taxonomy: Taxonomy) -> dict[str, _Row]:
    rows = {}
    for class_id in taxonomy.assignable():
        texts = evidence_texts(taxonomy, class_id)
        rows[class_id] = _Row(class_id, digest(texts), texts)
    return rows


def _write_from_texts(
    store: Store, place: SpaceCollections, revision: int, batch: Sequence[_Row], encoder: Encoder
) -> None:
    # Parents and common synonyms recur: each text is encoded once.
    distinct = list(dict.fromkeys(text.text for row in batch for text in row.texts))
    encoded = dict(zip(distinct, encoder.encode(distinct, Role.CLASS).vectors, strict=True))
    evidence: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    for row in batch:
        vectors = np.stack([encoded[text.text] for text in row.texts])
        evidence.extend(
            _evidence_row(row.class_id, text, vector, revision) for text, vector in zip(row.texts, vectors, strict=True)
        )
        classes.append(_class_row(row, class_vector([text.kind for text in row.texts], vectors), revision))
    ids = [row.class_id for row in batch]
    keys = {str(row["key"]) for row in evidence}
    old = store.query(place.evidence, where=In("class_id", ids), fields=("key",))
    stale = sorted({row["key"] for row in old} - keys)
    # New evidence first: a class never stands without any.
    store.upsert(place.evidence, place.specs[place.evidence], evidence)
    store.delete(place.evidence, In("key", stale))
    store.upsert(place.classes, place.specs[place.classes], classes)


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


def _class_row(row: _Row, vector: NDArray[np.float32], revision: int) -> dict[str, Any]:
    return {
        "key": key_of(row.class_id),
        "vector": vector,
        "class_id": row.class_id,
        "bias": 0.0,
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
    rows = [_class_row(of_class[row["class_id"]], row["vector"], revision) for row in found]
    store.upsert(place.classes, place.specs[place.classes], rows)


def _write_rules(
    store: Store,
    state: State,
    place: SpaceCollections,
    taxonomy: Taxonomy,
    class_ids: Sequence[str],
    encoder: Encoder | None,
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
    state.put(Document(RULES, place.space.name, rules.to_dict()))


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
