"""Rows of classes and of their evidence, as they are stored in a space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..learn.resolve import EvidenceText
from ..schemas.collections import MAX_TEXT_BYTES, key_of
from ..schemas.pictures import kept_reference
from ..schemas.records import EvidenceKind
from ..schemas.text import clip_bytes

__all__ = ["WantedRow", "class_row", "evidence_key", "evidence_row"]


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A class as its rows should be.

    Attributes:
        class_id: The class.
        digest: What its class vector is made of; a stored row of another digest is out of date.
        evidence: Digest of its evidence alone.
        texts: The evidence, pictures by what is kept of them; none for a given vector.
        bias: Of the class vector, until something is learnt.
    """

    class_id: str
    digest: str
    evidence: str
    texts: Sequence[EvidenceText]
    bias: float = 0.0


def class_row(row: WantedRow, vector: NDArray[np.float32], bias: float, revision: int) -> dict[str, Any]:
    """The row of a class vector."""
    return {
        "key": key_of(row.class_id),
        "vector": vector,
        "class_id": row.class_id,
        "bias": bias,
        "digest": row.digest,
        "revision": revision,
    }


def evidence_key(class_id: str, text: EvidenceText) -> str:
    """Key of a piece of evidence: a text is known by its place, a picture by its reference."""
    place = kept_reference(text.text) if text.kind is EvidenceKind.PICTURE else str(text.position)
    return key_of(class_id, text.kind, place)


def evidence_row(class_id: str, text: EvidenceText, vector: NDArray[np.float32], revision: int) -> dict[str, Any]:
    """The row of a piece of evidence."""
    return {
        "key": evidence_key(class_id, text),
        "vector": vector,
        "class_id": class_id,
        "kind": text.kind.value,
        "position": text.position,
        "text": clip_bytes(text.text, MAX_TEXT_BYTES),
        "weight": 1.0,
        "revision": revision,
    }
