"""Encoders beside each other, on a user's own labelled items; in memory, and nothing stored is touched.

Each encoder embeds the classes and the items once; then every variant makes class vectors of them, and an exact search
answers. All variants are judged on the same rows: those that none of them was shown a label of, and that no encoder was
trained on.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .encoders.fingerprint import describe
from .encoders.resolve import ModelFolder, resolve
from .encoders.text import TextEncoder
from .encoders.tuned import Tuned, read_tuned, text_digest
from .errors import EmptyTaxonomyError, EncoderError, UsageError
from .ingest.labelled import Labelled
from .learn import metrics
from .learn.resolve import EvidenceText, evidence_texts, evidence_vectors
from .learn.variants import VARIANTS, ClassEvidence, ClassVectors, Variant, draw_labels
from .query.search import MirrorSearch
from .schemas.records import Role
from .schemas.taxonomy import Taxonomy
from .schemas.text import item_text
from .settings import Settings

__all__ = ["ComparedRow", "Comparison", "compare_encoders"]

_CANDIDATES: Final = 5
_MODEL_FILES: Final = ("*.safetensors", "*/*.safetensors", "*.json", "*/*.json", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """How one encoder does in one variant; figures are None where it could not be used.

    Attributes:
        encoder: As it was named.
        variant: Name of the variant; empty where the encoder could not be used.
        n: Items in scope that were judged.
        accuracy: Share of them whose nearest class is right.
        top5: Share with a right class among the five nearest.
        macro_f1: Mean F1 over the classes that occur as truth.
        oos_auroc: How well the best score tells items in scope from those out of scope; None without the latter.
        dim: Length of a vector.
        size_mb: Model files on disk, in millions of bytes.
        texts_per_s: Items embedded in a second on this machine, loading excluded.
        device: Device and arithmetic they were embedded with.
        languages: That the model is made for, where known.
        tuned_on: How many labels the encoder was trained on; None where it is as its authors made it.
        left_out: Rows that are not judged because one of the encoders was trained on them.
        error: Why the encoder could not be used; empty where it could.
    """

    encoder: str
    variant: str = ""
    n: int | None = None
    accuracy: float | None = None
    top5: float | None = None
    macro_f1: float | None = None
    oos_auroc: float | None = None
    dim: int | None = None
    size_mb: int | None = None
    texts_per_s: int | None = None
    device: str = ""
    languages: str = ""
    tuned_on: int | None = None
    left_out: int = 0
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What encoders are compared on.

    Attributes:
        class_ids: The classes that may be answered, in order.
        texts: The texts that speak for each, with their kinds.
        items: Texts of the labelled items.
        truths: The classes any of which is right, by item; none for an item out of scope.
        shown: By number of labels a class, the labels that variants are shown; places in ``class_ids`` or -1.
        judged: Places of the items that no variant is shown the label of, and no encoder was trained on.
        left_out: How many an encoder was trained on.
    """

    class_ids: tuple[str, ...]
    texts: tuple[tuple[EvidenceText, ...], ...]
    items: tuple[str, ...]
    truths: tuple[frozenset[str], ...]
    shown: dict[int, NDArray[np.int64]]
    judged: tuple[int, ...]
    left_out: int

    @classmethod
    def of(
        cls,
        taxonomy: Taxonomy,
        labelled: Sequence[Labelled],
        variants: Sequence[Variant],
        trained_on: Collection[str] = (),
    ) -> "Comparison":
        """Draw the labels that variants are shown, the same for every encoder.

        Args:
            taxonomy: The classes.
            labelled: Items with text, and the classes that are right.
            variants: What is compared.
            trained_on: Digests of texts that an encoder was trained on. They are shown before others, so that all
                encoders learn from the same labels.

        Raises:
            EmptyTaxonomyError: There is no class to answer.
            UsageError: There is no labelled row in scope, or none that encoders were not trained on.
        """
        class_ids = tuple(taxonomy.assignable())
        if not class_ids:
            message = "encoders cannot be compared: the catalogue has no class to answer"
            raise EmptyTaxonomyError(message, hint="Import some with `nearclass classes import FILE`.")
        place_of = {class_id: place for place, class_id in enumerate(class_ids)}
        truths = tuple(row.truth & place_of.keys() if row.truth else row.truth for row in labelled)
        kept = [place for place, row in enumerate(labelled) if truths[place] or not row.truth]
        rows, truths = [labelled[place] for place in kept], tuple(truths[place] for place in kept)
        if not any(truths):
            message = "encoders cannot be compared: no labelled row has a class that may be answered"
            raise UsageError(message, hint="Rows need a `label` column with a class id, path or name.")
        places = np.array([place_of[min(truth)] if truth else -1 for truth in truths], np.int64)
        texts = tuple(item_text(row.item) for row in rows)
        trained = np.array([text_digest(text) in trained_on for text in texts])
        shown = {shots: draw_labels(places, shots, first=trained) for shots in {one.shots for one in variants}}
        seen = (np.max([*shown.values(), np.full(len(places), -1, np.int64)], axis=0) >= 0) | trained
        if trained.any() and not ((places >= 0) & ~seen).any():
            message = "encoders cannot be compared: no labelled row is left that none of them was trained on"
            raise UsageError(message, hint="Give labels that `nearclass learn --encoder` was not given.")
        return cls(
            class_ids,
            tuple(tuple(evidence_texts(taxonomy, class_id)) for class_id in class_ids),
            texts,
            truths,
            shown,
            tuple(np.flatnonzero(~seen).tolist()),
            int(trained.sum()),
        )


def compare_encoders(
    names: Sequence[str],
    taxonomy: Taxonomy,
    labelled: Sequence[Labelled],
    settings: Settings,
    *,
    variants: Sequence[Variant] = VARIANTS,
    on_encoder: Callable[[str], None] = lambda _: None,
) -> Iterator[ComparedRow]:
    """One row for each encoder and variant, as they are done; one with the reason where an encoder cannot be used.

    Args:
        names: Presets, model ids or folders. Each model is read with its own prompts.
        taxonomy: The classes.
        labelled: Items with text, and the classes that are right.
        settings: For device, precision, threads, and whether to stay offline.
        variants: Ways to class vectors.
        on_encoder: Called with the name of each encoder before it is loaded.

    Raises:
        EmptyTaxonomyError: There is no class to answer.
        UsageError: There is no labelled row in scope, or none that encoders were not trained on.
    """
    found = {name: _found(name, settings) for name in dict.fromkeys(names)}
    tuned = [one.tuned for one in found.values() if isinstance(one, _Found) and one.tuned]
    given = Comparison.of(taxonomy, labelled, variants, {text for one in tuned for text in one.texts})
    for name, one in found.items():
        on_encoder(name)
        yield from _rows_or_reason(name, one, settings, given, variants)


@dataclass(frozen=True, slots=True)
class _Found:
    folder: ModelFolder
    tuned: Tuned | None


def _found(name: str, settings: Settings) -> _Found | EncoderError:
    try:
        folder = resolve(name, offline=settings.offline)
        return _Found(folder, read_tuned(folder.path))
    except EncoderError as error:
        return error


def _rows_or_reason(
    name: str, found: _Found | EncoderError, settings: Settings, given: Comparison, variants: Sequence[Variant]
) -> list[ComparedRow]:
    if isinstance(found, EncoderError):
        return [ComparedRow(name, error=found.message)]
    try:
        return _rows(name, found, settings, given, variants)
    except EncoderError as error:
        return [ComparedRow(name, error=error.message)]


def _rows(
    name: str, found: _Found, settings: Settings, given: Comparison, variants: Sequence[Variant]
) -> list[ComparedRow]:
    model = describe(found.folder)
    encoder = TextEncoder(model, device=settings.device, precision=settings.precision, threads=settings.threads)
    evidence = _evidence(encoder, given)
    device = encoder.running
    started = time.perf_counter()
    items = encoder.encode(given.items, Role.ITEM).vectors
    seconds = time.perf_counter() - started
    rows = []
    for variant in variants:
        made = variant.make(evidence, items, given.shown[variant.shots])
        rows.append(
            ComparedRow(
                name,
                variant.name,
                **_figures(made, items, given),
                dim=model.space.dim,
                size_mb=_size_mb(model.folder),
                texts_per_s=round(len(given.items) / max(seconds, 1e-9)),
                device=device,
                languages=model.folder.preset.languages if model.folder.preset else "",
                tuned_on=found.tuned.labels if found.tuned else None,
                left_out=given.left_out,
            )
        )
    return rows


def _evidence(encoder: TextEncoder, given: Comparison) -> list[ClassEvidence]:
    every = (one for texts in given.texts for one in texts)
    encoded = evidence_vectors(every, lambda texts: encoder.encode(texts, Role.CLASS).vectors)
    return [
        ClassEvidence(class_id, tuple(one.kind for one in texts), np.stack([encoded[one] for one in texts]))
        for class_id, texts in zip(given.class_ids, given.texts, strict=True)
    ]


def _figures(made: ClassVectors, items: NDArray[np.float32], given: Comparison) -> dict[str, Any]:
    places = list(given.judged)
    hits = MirrorSearch(given.class_ids, made.vectors, made.biases).search(items[places], _CANDIDATES)
    truths = [given.truths[place] for place in places]
    scoped = [row for row, truth in enumerate(truths) if truth]
    outside = [row for row, truth in enumerate(truths) if not truth]
    ranked = [hits.class_ids[row] for row in scoped]
    right = [truths[row] for row in scoped]
    best = [row[0] for row in ranked]
    scores = hits.scores[:, 0]
    return {
        "n": len(scoped),
        "accuracy": metrics.accuracy(best, right) if scoped else None,
        "top5": metrics.top_k_accuracy(ranked, right, _CANDIDATES) if scoped else None,
        "macro_f1": metrics.macro_f1(best, right) if scoped else None,
        "oos_auroc": metrics.auroc(scores[scoped], scores[outside]) if scoped and outside else None,
    }


def _size_mb(folder: ModelFolder) -> int:
    files: set[Path] = {path for pattern in _MODEL_FILES for path in folder.path.glob(pattern)}
    return round(sum(path.stat().st_size for path in files if path.is_file()) / 1e6)
