"""Default thresholds of a space, measured anew whenever its class vectors change."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from ..encoders.background import BACKGROUND, UNRELATED_PICTURES
from ..encoders.base import Encoder
from ..learn.lexical import features
from ..learn.thresholds import (
    NOVEL_QUANTILE,
    PICTURE_NOVEL_QUANTILE,
    label_free_rules,
    picture_rules,
    rules_between_classes,
)
from ..query.lexical import LexicalReader
from ..schemas.records import Role
from ..schemas.rules import Rules
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import Document, State

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder

__all__ = ["RULES", "unrelated_vectors", "write_rules"]

RULES: Final = "rules"
"""Kind of the state document with the thresholds of a space."""

_RULE_SAMPLE: Final = 2000

_STRANGE: Final = 0.5
"""Strangeness from which a best score says nothing, because classes have moved towards strangers."""

_DIGITS: Final = 16


def write_rules(
    store: Store,
    state: State,
    place: SpaceCollections,
    taxonomy: Taxonomy,
    class_ids: Sequence[str],
    encoder: Encoder | None,
    made_of: str,
) -> None:
    """Measure the thresholds of a space on its stored class vectors, and keep them; nothing without a class."""
    sample = class_ids[:: -(-len(class_ids) // _RULE_SAMPLE)] if class_ids else ()
    found = _class_vectors(store, place)
    ids = [class_id for class_id in sample if class_id in found]
    if not ids:
        return
    vectors = np.stack([found[class_id][0] for class_id in ids])
    if encoder is None:
        rules = rules_between_classes(vectors)
    else:
        learned = Learned(store, state, place)
        unrelated = _kept_unrelated(learned, encoder)
        scores = unrelated @ vectors.T
        scores += np.asarray([found[class_id][1] for class_id in ids], np.float32)
        lexical = LexicalReader(learned).read(taxonomy) if place.space.kind == "text" else None
        if lexical is not None:
            scores += lexical.only(ids).scores(features(BACKGROUND)).toarray()
        rules = _encoded_rules(learned, unrelated, scores, pictures=place.space.kind == "image")
    state.put(Document(RULES, place.space.name, {**rules.to_dict(), "made_of": made_of}))


def _class_vectors(store: Store, place: SpaceCollections) -> dict[str, tuple[NDArray[np.float32], float]]:
    """Vector, shape (dim,), and bias of each class."""
    return {
        class_id: (vector, bias)
        for page in store.columns(place.classes, fields=("class_id", "bias", "vector"))
        for class_id, vector, bias in zip(page["class_id"], page["vector"], page["bias"], strict=True)
    }


def _kept_unrelated(learned: Learned, encoder: Encoder) -> NDArray[np.float32]:
    """``unrelated_vectors``, encoded once for a space: changes of classes that bring no text need no model."""
    pictures = encoder.space.kind == "image"
    texts = hashlib.sha256("\n".join(BACKGROUND).encode()).hexdigest()[:_DIGITS]
    made_of, n = ("pictures", UNRELATED_PICTURES) if pictures else (texts, len(BACKGROUND))
    kept = learned.unrelated(made_of, n)
    if kept is None:
        kept = unrelated_vectors(encoder)
        learned.write_unrelated(made_of, kept)
    return kept


def unrelated_vectors(encoder: Encoder) -> NDArray[np.float32]:
    """Vectors of what has to do with no class: everyday statements, or pictures that show nothing; shape (n, dim)."""
    if encoder.space.kind == "image":
        from ..encoders.unrelated import unrelated_pictures  # noqa: PLC0415 - slow to import

        return cast("ImageEncoder", encoder).encode_pictures(unrelated_pictures())
    return encoder.encode(BACKGROUND, Role.ITEM).vectors


def _encoded_rules(
    learned: Learned, unrelated: NDArray[np.float32], scores: NDArray[np.float32], *, pictures: bool
) -> Rules:
    learner = learned.active()
    landmarks = learned.landmarks(learner) if learner else None
    quantile = PICTURE_NOVEL_QUANTILE if pictures else NOVEL_QUANTILE
    below = landmarks.threshold(unrelated, scores.max(axis=1), quantile) if landmarks else None
    rules = picture_rules(scores, below) if pictures else label_free_rules(scores, below)
    if landmarks is None or landmarks.strangeness >= _STRANGE:
        return rules
    return replace(rules, score_below=float(np.quantile(scores.max(axis=1), quantile)))
