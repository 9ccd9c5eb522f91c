"""What a space has to learn from: stored items, labels, class texts; gathered into one lesson."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..encoders.background import BACKGROUND
from ..encoders.base import Encoder
from ..errors import EmptyTaxonomyError
from ..learn.adapt import Material
from ..learn.landmarks import landmarks
from ..learn.learner import Lesson, fits
from ..learn.lexical import features, profiles, stacked, strongest
from ..learn.resolve import digest
from ..learn.thresholds import NOVEL_QUANTILE, PICTURE_NOVEL_QUANTILE
from ..schemas.collections import MAX_TEXT_BYTES, key_of
from ..schemas.filters import All, Compare, In
from ..schemas.learning import Landmarks
from ..schemas.pictures import kept_picture, kept_reference
from ..schemas.records import EvidenceKind
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import clip_bytes
from ..store import Store
from ..store.spaces import SpaceCollections
from .class_rules import unrelated_vectors
from .classes import evidence_of, text_vectors
from .item_rows import stored_text

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Gathered", "Lessons", "Told"]

_MOST_ITEMS: Final = 40_000
"""Of more items a fair sample is learnt from: class vectors are means, and settle long before."""
_MOST_SCORES: Final = 100_000_000
"""Items times classes that are looked at in each round; with 10,000 classes that is 10,000 items."""
_FIELDS: Final = ("item_id", "title", "description", "text", "image", "content_hash", "confirmed_class", "vector")


@dataclass(frozen=True, slots=True)
class Told:
    """An item to learn from.

    Attributes:
        identity: The canonical text, or the digest of a picture: of one identity the newest label counts.
        shown: What people are shown of it.
        words: Text whose words count; empty for a picture.
        class_id: The class that somebody gave, or empty.
        vector: Unit vector, shape (dim,).
    """

    identity: str
    shown: str
    words: str
    class_id: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gathered:
    """A lesson, and what its rows and columns stand for.

    The first ``stored`` rows are items of the catalogue, the last are ``fresh``: labels that are given now.
    """

    lesson: Lesson
    landmarks: Landmarks | None
    shown: list[str]
    class_ids: list[str]
    digests: list[str]
    stored: int
    fresh: Sequence[Told]


class _Words(NamedTuple):
    """What the words of some items say.

    Attributes:
        found: Lexical features, shape (n, features).
        scores: Label-free lexical scores, shape (n, classes); None where classes have no words.
    """

    found: "csr_matrix"
    scores: "csr_matrix | None"

    @classmethod
    def of(cls, items: Sequence[Told], profile: "csr_matrix | None") -> "_Words":
        found = features([one.words for one in items])
        return cls(found, None if profile is None else strongest(found, profile))

    def some(self, rows: Sequence[int]) -> "_Words":
        return _Words(self.found[rows], None if self.scores is None else self.scores[rows])

    def then(self, other: "_Words") -> "_Words":
        scores = None if self.scores is None or other.scores is None else stacked(self.scores, other.scores)
        return _Words(stacked(self.found, other.found), scores)


class Lessons:
    """Gathers what there is to learn in one space.

    In a space of pictures there are no words, and what has nothing to do with any class are pictures of nothing. The
    pictures of a class are in its class vector already, and are no labels: on grocery photos with a web picture each
    that gave 51.0 % in the place of 50.7 %, and took twice as long.
    """

    def __init__(self, store: Store, place: SpaceCollections, encoder: Encoder) -> None:
        self._store = store
        self._place = place
        self._encoder = encoder
        self._pictures = place.space.kind == "image"

    def gather(self, taxonomy: Taxonomy, given: Callable[[], Sequence[Told]]) -> Gathered | None:
        """Stored items, labels that are kept, and those given; None where there is neither an item nor a label.

        What is stored is read before ``given`` is called, which may wait for an encoder at work.

        Raises:
            EmptyTaxonomyError: There is no class that could be answered.
        """
        made = text_vectors(self._store, self._place, sorted(taxonomy.assignable()))
        class_ids = sorted(made)
        if not class_ids:
            message = "there is no class to learn"
            raise EmptyTaxonomyError(
                message, hint="Add one with `nearclass classes add NAME`, or `classes import FILE`."
            )
        class_vectors = np.stack([made[class_id] for class_id in class_ids])
        of_class = evidence_of(self._store, self._place, taxonomy)
        evidence = [of_class[class_id] for class_id in class_ids]
        items = self._items(min(_MOST_ITEMS, _MOST_SCORES // len(class_ids)))
        profile = None if self._pictures else profiles(evidence, BACKGROUND)
        words = _Words.of(items, profile)
        fresh = given()
        # Not before: threads of two libraries would fight for the cores.
        least = self._least(class_vectors)
        known = {one.identity for one in fresh}
        kept = [row for row, one in enumerate(items) if one.identity not in known]
        told = [*self.told([*class_ids, *taxonomy.merged(class_ids)], known), *fresh]
        every = [replace(one, class_id=taxonomy.follow(one.class_id)) for one in (*(items[row] for row in kept), *told)]
        if not every:
            return None
        words = words.some(kept).then(_Words.of(told, profile))
        material = self._material(every, class_ids, class_vectors, words.scores, least)
        joined = ["" if self._pictures else " ".join(text.text for text in one) for one in evidence]
        lesson = Lesson(material, words.found, features(joined))
        digests = [digest(one) for one in evidence]
        shown = [one.shown for one in every]
        return Gathered(lesson, landmarks(material, least), shown, class_ids, digests, len(kept), fresh)

    def told(self, class_ids: Sequence[str], known: set[str]) -> list[Told]:
        """Labels that are kept as evidence, and examples of the class definitions, but for those in ``known``."""
        rows: list[Mapping[str, Any]] = []
        for start in range(0, len(class_ids), 1000):
            where = All([In("class_id", class_ids[start : start + 1000]), In("kind", self._label_kinds())])
            rows += self._store.query(self._place.evidence, where=where, fields=("class_id", "text", "vector"))
        found = [self._kept(row) for row in rows]
        return [one for one in found if one.identity not in known]

    def told_classes(self) -> set[str]:
        """Classes that have a label: kept as evidence, an example, or a confirmed item; merged ones as they were."""
        where = In("kind", self._label_kinds())
        found = {row["class_id"] for row in self._store.query(self._place.evidence, where=where, fields=("class_id",))}
        if self._store.resolve(self._place.items) is not None:
            confirmed = Compare("confirmed_class", "!=", "")
            rows = self._store.query(self._place.items, where=confirmed, fields=("confirmed_class",))
            found |= {row["confirmed_class"] for row in rows}
        return found

    def confirmed(self) -> set[str]:
        """Identities of the stored items that a person confirmed."""
        if self._store.resolve(self._place.items) is None:
            return set()
        where = Compare("confirmed_class", "!=", "")
        fields = tuple(name for name in _FIELDS if name != "vector")
        return {self._identity(row) for row in self._store.query(self._place.items, where=where, fields=fields)}

    def _label_kinds(self) -> list[str]:
        return [EvidenceKind.LABEL.value] if self._pictures else [EvidenceKind.LABEL.value, EvidenceKind.EXAMPLE.value]

    def keep(self, fresh: Sequence[Told], revision: int) -> None:
        """Store labels as evidence of their classes, durably."""
        rows = [
            {
                "key": key_of(EvidenceKind.LABEL, hashlib.sha256(one.identity.encode()).hexdigest()),
                "vector": one.vector,
                "class_id": one.class_id,
                "kind": EvidenceKind.LABEL.value,
                "position": 0,
                "text": clip_bytes(
                    kept_picture(one.identity, one.shown) if self._pictures else one.identity, MAX_TEXT_BYTES
                ),
                "weight": 1.0,
                "revision": revision,
            }
            for one in fresh
        ]
        if rows:
            self._store.upsert(self._place.evidence, self._place.specs[self._place.evidence], rows)
            self._store.flush(self._place.evidence)

    def _material(
        self,
        every: Sequence[Told],
        class_ids: Sequence[str],
        class_vectors: NDArray[np.float32],
        scores: "csr_matrix | None",
        least: float,
    ) -> Material:
        column = {class_id: row for row, class_id in enumerate(class_ids)}
        items = np.stack([one.vector for one in every])
        labels = np.asarray([column.get(one.class_id, -1) for one in every], np.int64)
        return Material(items, class_vectors, scores, fits(items, class_vectors, least), labels)

    def _least(self, class_vectors: NDArray[np.float32]) -> float:
        """Cosine to the nearest class below which an item seems to fit no class."""
        unrelated = unrelated_vectors(self._encoder) @ class_vectors.T
        return float(np.quantile(unrelated.max(axis=1), PICTURE_NOVEL_QUANTILE if self._pictures else NOVEL_QUANTILE))

    def _items(self, most: int) -> list[Told]:
        """Stored items: all that are confirmed, then others in the order of their keys.

        Keys are digests, so that the first of them are a fair sample.
        """
        if self._store.resolve(self._place.items) is None:
            return []
        found: list[Told] = []
        for confirmed in ("!=", "=="):
            where = Compare("confirmed_class", confirmed, "")
            for page in self._store.scan(self._place.items, where=where, fields=_FIELDS):
                found.extend(self._stored(row) for row in page)
                if len(found) >= most:
                    return found[:most]
        return found

    def _stored(self, row: Mapping[str, Any]) -> Told:
        text, class_id = stored_text(row), row["confirmed_class"]
        if self._pictures:
            return Told(row["content_hash"], text or row["image"], "", class_id, row["vector"])
        return Told(text, text, text, class_id, row["vector"])

    def _kept(self, row: Mapping[str, Any]) -> Told:
        text = row["text"]
        if self._pictures:
            return Told(text.partition(" ")[0], kept_reference(text), "", row["class_id"], row["vector"])
        return Told(text, text, text, row["class_id"], row["vector"])

    def _identity(self, row: Mapping[str, Any]) -> str:
        return str(row["content_hash"]) if self._pictures else stored_text(row)
