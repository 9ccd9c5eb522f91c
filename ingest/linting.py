"""Reads what is needed to say what may be wrong with the taxonomy of a catalogue."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..learn.lint import Finding, Texts, alike_above, lint
from ..learn.resolve import class_vector
from ..schemas.filters import All, Compare
from ..schemas.records import EvidenceKind
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.spaces import SpaceCollections

__all__ = ["lint_catalog", "nearest_class"]

_DESCRIBING: Final = frozenset({EvidenceKind.DESCRIPTION, EvidenceKind.TERM})
_KINDS: Final = {kind: place for place, kind in enumerate(EvidenceKind)}

Floats = NDArray[np.float32]
_Row = tuple[int, int, Floats]


def lint_catalog(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> list[Finding]:
    """Everything that may be wrong with the taxonomy, by the texts and items of one space."""
    return lint(taxonomy, _texts(store, place, taxonomy))


def nearest_class(class_id: str, vectors: Mapping[str, Floats]) -> tuple[str, float, float] | None:
    """The class nearest to one, the cosine of the two, and that above which classes are alike; None for the only one.

    Args:
        class_id: The class.
        vectors: Vectors of all classes that can be answered, of any length, shape (dim,).
    """
    others = sorted(vectors.keys() - {class_id})
    if class_id not in vectors or not others:
        return None
    units = _units(np.stack([vectors[one] for one in [class_id, *others]]))
    cosines = units[1:] @ units[0]
    best = int(cosines.argmax())
    return others[best], float(cosines[best]), alike_above(units[1:])


def _texts(store: Store, place: SpaceCollections, taxonomy: Taxonomy) -> Texts:
    answerable = set(taxonomy.assignable())
    rows: dict[str, list[_Row]] = defaultdict(list)
    if store.resolve(place.evidence) is not None:
        kinds = (EvidenceKind.LABEL, EvidenceKind.PICTURE)
        where = All([Compare("kind", "!=", kind.value) for kind in kinds])
        for page in store.scan(place.evidence, where=where, fields=("class_id", "kind", "position", "vector")):
            for row in page:
                if row["class_id"] in answerable:
                    kind = EvidenceKind(row["kind"])
                    rows[row["class_id"]].append((_KINDS[kind], row["position"], row["vector"]))
    ids = sorted(rows)
    made = [_of_one(sorted(rows[class_id], key=lambda row: row[:2])) for class_id in ids]
    shape = (len(ids), 3, place.space.dim)
    vectors = np.stack(made) if made else np.empty(shape, np.float32)
    return Texts(ids, vectors[:, 0], vectors[:, 1], vectors[:, 2], _items(store, place))


def _of_one(rows: list[_Row]) -> Floats:
    """Vectors of all texts of a class, of its name and of its descriptions, shape (3, dim)."""
    order = list(EvidenceKind)
    kinds = [order[kind] for kind, _, _ in rows]
    vectors = np.stack([vector for _, _, vector in rows])
    # A class that brings a vector has no name in that space.
    names = [row for row, kind in enumerate(kinds) if kind is EvidenceKind.NAME] or [0]
    describing = [row for row, kind in enumerate(kinds) if kind in _DESCRIBING]
    described = vectors[describing].mean(axis=0) if describing else np.zeros(vectors.shape[1], np.float32)
    return _units(np.stack([class_vector(kinds, vectors), vectors[names].mean(axis=0), described]))


def _items(store: Store, place: SpaceCollections) -> Mapping[str, int] | None:
    """How many stored items each class has; what a person confirmed counts in place of the answer."""
    if store.resolve(place.items) is None:
        return None
    pages = store.scan(place.items, fields=("class_id", "confirmed_class"))
    counted = Counter(row["confirmed_class"] or row["class_id"] for page in pages for row in page)
    return {class_id: n for class_id, n in counted.items() if class_id}


def _units(vectors: Floats) -> Floats:
    lengths = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return np.asarray(vectors / lengths, np.float32)
