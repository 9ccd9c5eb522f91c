"""What a move to another encoder would take: counted, and the rate measured on stored texts."""

import time
from dataclasses import dataclass
from typing import Final

from .encoders.base import Encoder
from .ingest.item_rows import stored_text
from .reembedding_pictures import PicturesThere
from .reembedding_report import Plan
from .schemas.filters import Compare
from .schemas.records import EvidenceKind, Role
from .schemas.spaces import Space
from .store import Store
from .store.spaces import SpaceCollections

__all__ = ["Sizes", "measure"]

_SAMPLE: Final = 256
_BATCH: Final = 64
_SECONDS: Final = 5.0

_DISK: Final = 2
"""Bytes on disk for each byte of a vector, with the index, and
``_MEMORY`` in memory of the embedded engine (measured, 10,000 to 100,000 rows in 384 dimensions, Milvus Lite 3.2.2)."""
_MEMORY: Final = 3
_FLOAT: Final = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """What there is to embed."""

    items: int
    filled: int
    labels: int
    class_texts: int

    @classmethod
    def of(cls, store: Store, old: SpaceCollections, new: SpaceCollections) -> "Sizes":
        """Count; collections that are not there have nothing in them."""
        label = Compare("kind", "==", EvidenceKind.LABEL.value)
        there = store.resolve(old.evidence) is not None
        labels = store.count(old.evidence, label) if there else 0
        texts = store.count(old.evidence) - labels if there else 0
        items, filled = (
            store.count(place.items) if store.resolve(place.items) is not None else 0 for place in (old, new)
        )
        return cls(items, filled, labels, texts)

    def plan(
        self,
        new: Space,
        old: Space,
        rate: float | None,
        text_bytes: float,
        *,
        classes: int,
        embedded: bool,
        learnt: bool,
        calibrated: bool,
        pictures: PicturesThere | None = None,
    ) -> Plan:
        """The plan, where so many items are encoded in a second and stored items have so many bytes of text each."""
        rows = self.items + self.labels + self.class_texts
        vectors, texts = rows * new.dim * _FLOAT, self.items * text_bytes
        left = max(0, rows - self.filled)
        return Plan(
            new.encoder,
            old.name,
            new.name,
            old.dim,
            new.dim,
            self.items,
            self.filled,
            self.labels,
            classes,
            self.class_texts,
            None if rate is None else round(rate, 1),
            None if rate is None else round(left / rate, 1),
            round((_DISK * vectors + texts) / 1e6, 1),
            round((_MEMORY * vectors + texts) / 1e6, 1) if embedded else 0.0,
            learnt,
            calibrated,
            pictures,
        )


def measure(store: Store, place: SpaceCollections, encoder: Encoder) -> tuple[float | None, float]:
    """Stored texts that an encoder embeds in a second, and bytes of text an item; nothing where no item is stored.

    Keys are digests, so that the first rows are a fair sample.
    """
    if store.resolve(place.items) is None:
        return None, 0.0
    fields = ("item_id", "title", "description", "text")
    rows = store.query(place.items, fields=fields, limit=_SAMPLE)
    texts = [stored_text(row) for row in rows]
    if not texts:
        return None, 0.0
    text_bytes = sum(len(row[name].encode()) for row in rows for name in fields[1:]) / len(rows)
    encoder.encode(texts[:1], Role.ITEM)  # loads the model
    started, done = time.perf_counter(), 0
    for start in range(0, len(texts), _BATCH):
        done += len(encoder.encode(texts[start : start + _BATCH], Role.ITEM).vectors)
        if time.perf_counter() - started > _SECONDS:
            break
    return done / (time.perf_counter() - started), text_bytes
