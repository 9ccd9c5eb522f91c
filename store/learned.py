"""Versions of what a space has learnt: one document each, and a row for each class and landmark."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.collections import key_of
from ..schemas.filters import All, Compare, In
from ..schemas.learning import Landmarks, LearnedClass, Learner
from .spaces import SpaceCollections
from .state import Document, State
from .store import Store

__all__ = ["KEPT_VERSIONS", "Learned"]

KEPT_VERSIONS: Final = 10
"""Older ones are removed when a new one is stored; each takes about 4 KB a class in 384 dimensions, up to 20 KB where a
class has labels."""

_LEARNER: Final = "learner"
_ACTIVE: Final = "active_learner"
_ROWS_AT_ONCE: Final = 1000
_NO_CLASS: Final = ""
"""Stands for the class in the row of a landmark, whose fit is in the place of the bias."""

_NO_VERSION: Final = 0
"""Stands for the version in the rows of what has to do with no class, which no learning changes."""


class Learned:
    """Reads and writes the learnt versions of one space."""

    def __init__(self, store: Store, state: State, place: SpaceCollections) -> None:
        self._store = store
        self._state = state
        self._place = place

    def active(self) -> Learner | None:
        """The version in use, or None where class vectors come from texts alone."""
        version = self.active_version()
        return self.get(version) if version else None

    def active_version(self) -> int:
        """Number of the version in use, 0 for none."""
        document = self._state.get(_ACTIVE, self._place.space.name)
        return int(document.body["version"]) if document else 0

    def get(self, version: int) -> Learner | None:
        """One version, or None where there is none of this number."""
        document = self._state.get(_LEARNER, self._name(version))
        return Learner.from_dict(document.body) if document else None

    def versions(self) -> list[Learner]:
        """Every stored version, oldest first."""
        mine = [
            Learner.from_dict(document.body)
            for document in self._state.every(_LEARNER)
            if document.name.startswith(f"{self._place.space.name}\x1f")
        ]
        return sorted(mine, key=lambda learner: learner.version)

    def next_version(self) -> int:
        """The number that the next version takes."""
        return max((learner.version for learner in self.versions()), default=0) + 1

    def classes(self, version: int) -> Iterator[LearnedClass]:
        """What a version gives each class."""
        if self._store.resolve(self._place.learned) is None:
            return
        fields = ("class_id", "digest", "bias", "lexical", "vector")
        where = All([Compare("version", "==", version), Compare("class_id", "!=", _NO_CLASS)])
        for page in self._store.scan(self._place.learned, where=where, fields=fields):
            for row in page:
                lexical = row["lexical"]
                yield LearnedClass(
                    row["class_id"],
                    row["digest"],
                    row["vector"],
                    float(row["bias"]),
                    np.asarray(lexical.get("features", ()), np.int64),
                    np.asarray(lexical.get("weights", ()), np.float32),
                )

    def landmarks(self, learner: Learner) -> Landmarks | None:
        """The landmarks of a version, or None where it has none."""
        where = All([Compare("version", "==", learner.version), Compare("class_id", "==", _NO_CLASS)])
        pages = self._store.scan(self._place.learned, where=where, fields=("digest", "bias", "vector"))
        rows = sorted((row for page in pages for row in page), key=lambda row: str(row["digest"]))
        if not rows:
            return None
        fits = np.asarray([row["bias"] for row in rows], np.float32)
        return Landmarks(np.stack([row["vector"] for row in rows]), fits, learner.strangeness, learner.least)

    def write(self, learner: Learner, classes: Sequence[LearnedClass], landmarks: Landmarks | None = None) -> None:
        """Store a version, rows first, so that a version that is there is whole; it is not in use yet."""
        self._upsert([_row(learner.version, one) for one in classes])
        if landmarks is not None:
            self.write_landmarks(learner.version, landmarks)
        self.flush()
        self._state.put(Document(_LEARNER, self._name(learner.version), learner.to_dict()))
        self._prune(keep={learner.version, self.active_version()})

    def write_landmarks(self, version: int, landmarks: Landmarks) -> None:
        """Store the landmarks of a version, in place of those it had; ``flush`` makes them durable."""
        pairs = enumerate(zip(landmarks.vectors, landmarks.fits.tolist(), strict=True))
        self._upsert([_landmark_row(version, place, vector, fit) for place, (vector, fit) in pairs])

    def unrelated(self, made_of: str, n: int) -> NDArray[np.float32] | None:
        """The n vectors of what has to do with no class, shape (n, dim), or None where those kept are of another kind.

        Args:
            made_of: Says what they are vectors of, at most 40 characters.
            n: How many.
        """
        if self._store.resolve(self._place.learned) is None:
            return None
        where = In("key", [_unrelated_key(place) for place in range(n)])
        rows = self._store.query(self._place.learned, where=where, fields=("digest", "vector"))
        vectors = {row["digest"]: row["vector"] for row in rows}
        names = [_unrelated_name(made_of, place) for place in range(n)]
        return np.stack([vectors[name] for name in names]) if names and all(name in vectors for name in names) else None

    def write_unrelated(self, made_of: str, vectors: NDArray[np.float32]) -> None:
        """Keep such vectors, so that a change of the classes need not encode them again."""
        self._upsert(
            [
                {
                    "key": _unrelated_key(place),
                    "vector": vector,
                    "class_id": _NO_CLASS,
                    "version": _NO_VERSION,
                    "digest": _unrelated_name(made_of, place),
                    "bias": 0.0,
                    "lexical": {},
                }
                for place, vector in enumerate(vectors)
            ]
        )
        self.flush()

    def flush(self) -> None:
        """Make what was written durable."""
        self._store.flush(self._place.learned)

    def _upsert(self, rows: Sequence[dict[str, object]]) -> None:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            spec = self._place.specs[self._place.learned]
            self._store.upsert(self._place.learned, spec, rows[start : start + _ROWS_AT_ONCE])

    def use(self, version: int) -> None:
        """Note which version is in use, 0 for none; class vectors follow with the next ``sync``, then ``settle``."""
        self._state.put(Document(_ACTIVE, self._place.space.name, {"version": version, "settled": False}))

    def settle(self) -> None:
        """Note that the class vectors are those of the version in use."""
        self._state.put(Document(_ACTIVE, self._place.space.name, {"version": self.active_version(), "settled": True}))

    def settled(self) -> bool:
        """Whether the class vectors are those of the version in use; not so after a change that was cut off."""
        document = self._state.get(_ACTIVE, self._place.space.name)
        return document is None or bool(document.body["settled"])

    def _prune(self, keep: set[int]) -> None:
        numbers = [learner.version for learner in self.versions()]
        old = [number for number in numbers[:-KEPT_VERSIONS] if number not in keep]
        if old:
            self._state.delete(_LEARNER, [self._name(number) for number in old])
            self._store.delete(self._place.learned, In("version", old))
            self._store.flush(self._place.learned)

    def _name(self, version: int) -> str:
        return f"{self._place.space.name}\x1f{version}"


def _unrelated_key(place: int) -> str:
    return key_of("unrelated", str(place))


def _unrelated_name(made_of: str, place: int) -> str:
    return f"unrelated {made_of} {place:04d}"


def _row(version: int, one: LearnedClass) -> dict[str, object]:
    return {
        "key": key_of(one.class_id, str(version)),
        "vector": one.vector,
        "class_id": one.class_id,
        "version": version,
        "digest": one.digest,
        "bias": one.bias,
        "lexical": {"features": one.features.tolist(), "weights": [round(value, 4) for value in one.weights.tolist()]},
    }


def _landmark_row(version: int, place: int, vector: NDArray[np.float32], fit: float) -> dict[str, object]:
    name = f"landmark {place:06d}"
    return {
        "key": key_of("landmark", str(place), str(version)),
        "vector": vector,
        "class_id": _NO_CLASS,
        "version": version,
        "digest": name,
        "bias": fit,
        "lexical": {},
    }
