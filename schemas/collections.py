"""Layout of the Milvus collections, as plain data; the store turns it into an engine's schema.

Fields are few and fixed. A key is a digest of the user's id, because engines put keys into expressions unescaped;
the id itself is an ordinary field. No field is nullable, so that the same layout works on every engine: an absent
text is empty, an absent number is ``ABSENT``.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = [
    "ABSENT",
    "MAX_ID_BYTES",
    "MAX_JSON_BYTES",
    "MAX_TEXT_BYTES",
    "SCHEMA_VERSION",
    "STATE_DIM",
    "CollectionSpec",
    "FieldSpec",
    "FieldType",
    "claims_spec",
    "classes_spec",
    "evidence_spec",
    "items_spec",
    "key_of",
    "learned_spec",
    "state_spec",
    "versions_spec",
]

SCHEMA_VERSION: Final = 1
"""Raised whenever a field is added, removed or changes meaning."""

ABSENT: Final = -1e9
"""Stands for "no value" in a float field: below every score, margin and probability, and exact in 32 bits."""

MAX_ID_BYTES: Final = 512
MAX_TEXT_BYTES: Final = 60_000
"""Below the 65,535 bytes that a server allows a VARCHAR field."""
MAX_JSON_BYTES: Final = 60_000
"""Below the 65,536 bytes that a server allows a JSON field."""

STATE_DIM: Final = 2
"""Every collection must have a vector; state documents carry this constant dummy of the smallest size."""


class FieldType(StrEnum):
    """The column types in use, all of them known to every engine since Milvus 2.3."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One column besides ``key`` and ``vector``; ``max_bytes`` bounds a text in UTF-8."""

    name: str
    type: FieldType
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """One collection: a text primary key ``key``, a float ``vector`` of ``dim``, and the fields.

    The vector is compared by inner product, which on unit vectors is the cosine, and lets a learnt class vector
    have another length.
    """

    kind: str
    dim: int
    fields: tuple[FieldSpec, ...]

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of every column but ``key`` and ``vector``."""
        return tuple(field.name for field in self.fields)


def key_of(*parts: str) -> str:
    """Primary key for the ids given: 32 hexadecimal digits, safe in any expression.

    128 bits of SHA-256: for a billion ids the chance of one collision is about 1e-21.

    >>> key_of("sku 'quoted'") == key_of("sku 'quoted'") != key_of("sku")
    True
    """
    framed = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _text(name: str, max_bytes: int = MAX_ID_BYTES) -> FieldSpec:
    return FieldSpec(name, FieldType.TEXT, max_bytes)


def state_spec() -> CollectionSpec:
    """Documents of a catalogue: class definitions, spaces, mappings, checkpoints, the head of the taxonomy."""
    return CollectionSpec(
        "state",
        STATE_DIM,
        (
            _text("kind", 64),
            _text("name", MAX_TEXT_BYTES),
            FieldSpec("revision", FieldType.INT),
            FieldSpec("body", FieldType.JSON),
        ),
    )


def classes_spec(dim: int) -> CollectionSpec:
    """The one vector per assignable class of a space that search compares with.

    A class that cannot be assigned has no row, so that search needs no filter. ``digest`` is made of the evidence
    that the vector stands for; a row whose digest is not that of the taxonomy is out of date.
    """
    return CollectionSpec(
        "classes",
        dim,
        (
            _text("class_id"),
            FieldSpec("bias", FieldType.FLOAT),
            _text("digest", 64),
            FieldSpec("revision", FieldType.INT),
        ),
    )


def evidence_spec(dim: int) -> CollectionSpec:
    """Everything that speaks for a class in a space, one row each."""
    return CollectionSpec(
        "evidence",
        dim,
        (
            _text("class_id"),
            _text("kind", 32),
            FieldSpec("position", FieldType.INT),
            _text("text", MAX_TEXT_BYTES),
            FieldSpec("weight", FieldType.FLOAT),
            FieldSpec("revision", FieldType.INT),
        ),
    )


def learned_spec(dim: int) -> CollectionSpec:
    """What each version of a learner gives each class; ``lexical`` holds columns and values of its sparse weights."""
    return CollectionSpec(
        "learned",
        dim,
        (
            _text("class_id"),
            FieldSpec("version", FieldType.INT),
            _text("digest", 64),
            FieldSpec("bias", FieldType.FLOAT),
            FieldSpec("lexical", FieldType.JSON),
        ),
    )


def items_spec(dim: int) -> CollectionSpec:
    """The items of a space with their plain embeddings and their latest assignment."""
    return CollectionSpec(
        "items",
        dim,
        (
            _text("item_id"),
            _text("title", MAX_TEXT_BYTES),
            _text("description", MAX_TEXT_BYTES),
            _text("text", MAX_TEXT_BYTES),
            _text("image", MAX_TEXT_BYTES),
            _text("content_hash", 64),
            _text("row_hash", 64),
            _text("decision", 16),
            _text("class_id"),
            FieldSpec("score", FieldType.FLOAT),
            FieldSpec("confidence", FieldType.FLOAT),
            FieldSpec("margin", FieldType.FLOAT),
            FieldSpec("truncated", FieldType.INT),
            _text("confirmed_class"),
            FieldSpec("revision", FieldType.INT),
            FieldSpec("updated_at", FieldType.INT),
            FieldSpec("attributes", FieldType.JSON),
        ),
    )


def versions_spec() -> CollectionSpec:
    """The newest version that the source gave of each item and class; of deleted ones too, so that they stay deleted.

    ``scope`` says what the id is of: an item, an item of a space of given vectors, or a class.
    """
    return CollectionSpec(
        "versions",
        STATE_DIM,
        (
            _text("scope", 80),
            _text("entity_id"),
            FieldSpec("version", FieldType.INT),
            _text("digest", 64),
            FieldSpec("deleted", FieldType.INT),
        ),
    )


def claims_spec() -> CollectionSpec:
    """What workers are writing at this moment, or were when they died; ``target`` is a key of the versions."""
    return CollectionSpec(
        "claims",
        STATE_DIM,
        (
            _text("target", 64),
            _text("worker", 80),
            FieldSpec("version", FieldType.INT),
            _text("digest", 64),
            FieldSpec("at_ms", FieldType.INT),
            _text("body", MAX_TEXT_BYTES),
        ),
    )
