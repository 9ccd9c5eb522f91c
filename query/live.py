"""The read side of one space, kept as fresh as the taxonomy."""

import threading
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..learn.adapt import TEMPERATURE
from ..schemas.rules import Rules
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.answered import Answered
from ..store.calibration import read_calibration
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import State
from ..store.taxonomy import TaxonomyStore
from .assign import Assigner
from .explain import EvidenceReader, NoEvidence
from .lexical import LexicalIndex, LexicalReader
from .search import ClassSearch, MilvusSearch, MirrorSearch

__all__ = ["MIRROR_LIMIT", "LiveSpace"]

MIRROR_LIMIT = 50_000
"""Up to this many class vectors the exact mirror is the default: 77 MB in 384 dimensions, and on the embedded engine
some ten times quicker than its own search."""

_RULES = "rules"

CLIP_SCALE: Final = 100.0
"""Where a model of pictures does not say what it multiplies cosines with: the bound at which that of CLIP ends
(Radford et al., arXiv 2103.00020, section 2.5)."""


class LiveSpace:
    """Gives an ``Assigner`` for the taxonomy of the moment; may be used from several threads.

    Attributes:
        place: The space and its collections.
        answered: Up to which revision its stored items are answered.
    """

    def __init__(
        self,
        store: Store,
        state: State,
        taxonomies: TaxonomyStore,
        place: SpaceCollections,
        *,
        class_search: str = "auto",
    ) -> None:
        """Read ``place``; ``class_search`` is ``auto``, ``milvus`` or ``mirror``."""
        self.place = place
        self._store = store
        self._state = state
        self._taxonomies = taxonomies
        self._class_search = class_search
        self.answered = Answered(state, place.space.name)
        self._learned = Learned(store, state, place)
        # Given vectors have no texts to compare.
        self._lexical = LexicalReader(self._learned) if place.space.kind == "text" else None
        self._lock = threading.Lock()
        self._assigner: Assigner | None = None

    @property
    def has_items(self) -> bool:
        """Whether items are stored in the space."""
        return self._store.resolve(self.place.items) is not None

    def moved_on(self, revision: int) -> bool:
        """Whether the taxonomy in the store is later than a revision; if so, the next assigner has it."""
        if self._taxonomies.head() <= revision:
            return False
        self._taxonomies.reload()
        return True

    def assigner(self) -> Assigner:
        """The assigner for the taxonomy as it is now."""
        taxonomy = self._taxonomies.current()
        with self._lock:
            if self._assigner is None or self._assigner.taxonomy is not taxonomy:
                self._assigner = self._build(taxonomy)
            return self._assigner

    def portable(self) -> Assigner:
        """The same for a process that has no store: it searches exactly, and explains nothing."""
        made = self.assigner()
        search = made.search
        if not isinstance(search, MirrorSearch):
            search = self._mirror(self._lexical.read(made.taxonomy) if self._lexical else None)
        return replace(made, search=search, evidence=NoEvidence())

    def _build(self, taxonomy: Taxonomy) -> Assigner:
        document = self._state.get(_RULES, self.place.space.name)
        rules = Rules.from_dict(document.body) if document else Rules(0.0, 0.0, "no class vector has been written")
        evidence = EvidenceReader(self._store, self.place.evidence, self.place.space.name)
        answerable = frozenset(taxonomy.assignable())
        lexical = self._lexical.read(taxonomy) if self._lexical else None
        search = self._search(len(answerable), lexical)
        name = self.place.space.name
        learner = self._learned.active()
        calibration = read_calibration(self._state, name, learner.version if learner else 0)
        landmarks = self._learned.landmarks(learner) if learner else None
        version = learner.version if learner else 0
        return Assigner(
            name,
            taxonomy,
            answerable,
            search,
            rules,
            evidence,
            calibration,
            landmarks,
            self._temperature(version),
            version,
        )

    def _temperature(self, version: int) -> float:
        """That of learning, of texts and of whatever was learnt; of pictures before that what their model has."""
        if self.place.space.kind != "image" or version:
            return TEMPERATURE
        return 1 / float(self.place.space.details.get("logit_scale") or CLIP_SCALE)

    def _search(self, class_count: int, lexical: LexicalIndex | None) -> ClassSearch:
        if self._store.resolve(self.place.classes) is None:
            return self._empty()
        wanted = self._class_search
        if wanted == "auto":
            wanted = "mirror" if class_count <= MIRROR_LIMIT else "milvus"
        if wanted == "milvus":
            return self._milvus(lexical)
        return self._mirror(lexical)

    def _milvus(self, lexical: LexicalIndex | None) -> ClassSearch:
        class_ids, biases, _ = self._classes("class_id", "bias")
        return MilvusSearch(self._store, self.place.classes, class_ids, biases, lexical)

    def _mirror(self, lexical: LexicalIndex | None) -> MirrorSearch:
        class_ids, biases, vectors = self._classes("class_id", "bias", "vector")
        return MirrorSearch(class_ids, vectors, biases, lexical) if class_ids else self._empty()

    def _classes(self, *fields: str) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32]]:
        """Ids, biases and, if asked for, vectors of the class vectors there are."""
        pages = list(self._store.columns(self.place.classes, fields=fields))
        biases = np.asarray([bias for page in pages for bias in page["bias"]], np.float32)
        vectors = [page["vector"] for page in pages if "vector" in fields and len(page["key"])]
        dim = self.place.space.dim
        return (
            [class_id for page in pages for class_id in page["class_id"]],
            biases,
            np.concatenate(vectors) if vectors else np.empty((0, dim), np.float32),
        )

    def _empty(self) -> MirrorSearch:
        return MirrorSearch([], np.empty((0, self.place.space.dim), np.float32), np.empty(0, np.float32))
