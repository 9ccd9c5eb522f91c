"""Classes of a space of given vectors: what they bring is the evidence and the class vector."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import TaxonomyError
from ..learn.resolve import EvidenceText
from ..schemas.records import ClassSpec, EvidenceKind
from ..schemas.taxonomy import Taxonomy
from ..schemas.vectors import unit_vector
from ..store import Store
from ..store.spaces import SpaceCollections
from .class_rows import WantedRow, evidence_row

__all__ = ["given_rows", "given_vectors", "write_given_vectors"]


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
    rows = [evidence_row(class_id, text, vector, revision) for class_id, vector in vectors.items()]
    store.upsert(place.evidence, place.specs[place.evidence], rows)
    store.flush(place.evidence)


def given_rows(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> dict[str, WantedRow]:
    """The rows that class vectors are to have, by class: those of stored given vectors."""
    assignable = set(taxonomy.assignable())
    return {
        class_id: WantedRow(class_id, hashlib.sha256(vector.tobytes()).hexdigest(), "", ())
        for page in store.columns(place.evidence, fields=("class_id", "vector"))
        for class_id, vector in zip(page["class_id"], page["vector"], strict=True)
        if class_id in assignable
    }
