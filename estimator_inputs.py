"""What users of scikit-learn hand in, as plain values: rows of text or of numbers, labels with gaps, classes in words.

Everything that does not fit raises ``ValueError``, as in scikit-learn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from .learn.resolve import EvidenceText, evidence_texts
from .schemas.records import ClassSpec
from .schemas.taxonomy import Taxonomy

__all__ = ["KnownClasses", "known_classes", "label_values", "row_texts", "unit_rows"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KnownClasses:
    """What is known of each class before anything is learnt, in the order of the labels.

    Attributes:
        labels: What is answered, sorted, each once.
        texts: The texts that speak for each class, possibly none.
        vectors: A given vector of each class, or None.
    """

    labels: list[Any]
    texts: list[list[EvidenceText]]
    vectors: list[tuple[float, ...] | None]


def row_texts(rows: Any) -> list[str] | None:
    """The texts of one-dimensional text input, or None where the rows are anything else.

    Raises:
        ValueError: It is one text alone, or some of the rows are texts and some are not.

    >>> row_texts(("a kettle", "a spade"))
    ['a kettle', 'a spade']
    >>> row_texts([[0.5, 0.5]])
    """
    if isinstance(rows, str):
        raise ValueError(f"X is one text, {rows[:40]!r}: give a list of texts.")  # noqa: TRY004 - as scikit-learn
    if not isinstance(rows, list | tuple) and len(getattr(rows, "shape", ())) != 1:
        return None
    texts = list(rows)
    if not any(isinstance(text, str) for text in texts):
        return None
    strange = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if strange is not None:
        raise ValueError(f"X has texts, but row {strange} is {texts[strange]!r}: leave it out, or give '' for it.")
    return [str(text) for text in texts]


def label_values(y: Any, unlabelled: Any) -> list[Any]:
    """The labels as Python values, None where there is none: for None, NaN, and what equals ``unlabelled``.

    Raises:
        ValueError: The labels are not one column of names or whole numbers.

    >>> label_values(["a", None, -1, "b"], -1)
    ['a', None, None, 'b']
    """
    if isinstance(y, list | tuple) and any(one is None or isinstance(one, str) for one in y):
        # Left to itself, numpy would make texts of all labels if one is a text.
        column = np.empty(len(y), object)
        column[:] = y
        y = column
    values = [None if _is_missing(value, unlabelled) else value for value in column_or_1d(y, warn=True).tolist()]
    labels = [value for value in values if value is not None]
    if _is_number(unlabelled) and str(unlabelled) in labels:
        raise ValueError(
            f"y has the text '{unlabelled}', which numpy makes of the number beside texts: use None for rows without "
            "a label; if it is a class, set `unlabelled=None`."
        )
    if any(isinstance(value, float) and math.isinf(value) for value in labels):
        raise ValueError("Input y contains infinity.")
    if labels:
        _check_alike(labels)
        check_classification_targets(np.asarray(labels))
    return values


def known_classes(classes: Any, values: Sequence[Any], *, in_words: bool) -> KnownClasses:
    """The classes that are listed, or those that occur in ``values``; their names speak for them if ``in_words``.

    Raises:
        ValueError: There is no class, one occurs twice, or a label is not among those that are listed.
        TaxonomyError: The parents of ``ClassSpec`` make no tree.

    >>> known_classes({2: "Spades", 1: ["Kettles", "Jugs"]}, [1, None], in_words=True).labels
    [1, 2]
    """
    used = {value for value in values if value is not None}
    ids, taxonomy = _named_by(used, in_words=in_words) if classes is None else _listed(classes)
    if not ids:
        raise ValueError("There is no class: label at least one row, or list the classes in `classes`.")
    strange = sorted(repr(value) for value in used - set(ids))
    if strange:
        raise ValueError(f"y has labels that are no class: {', '.join(strange[:3])}; add them to `classes`.")
    labels = sorted(ids)
    texts = [evidence_texts(taxonomy, ids[label]) for label in labels]
    return KnownClasses(labels, texts, [taxonomy[ids[label]].vector for label in labels])


def unit_rows(rows: NDArray[np.float64]) -> Floats:
    """The rows at length 1, float32; rows of zeros stay.

    >>> unit_rows(np.array([[3e300, 4e300], [0, 0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / np.where(largest > 0, largest, 1)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.where(norms > 0, norms, 1)).astype(np.float32)


def _named_by(labels: set[Any], *, in_words: bool) -> tuple[dict[Any, str], Taxonomy]:
    return _flat([(label, label if in_words and isinstance(label, str) else "", ()) for label in labels])


def _listed(classes: Any) -> tuple[dict[Any, str], Taxonomy]:
    """The ids in the taxonomy of the labels that are answered, and the taxonomy."""
    if isinstance(classes, Mapping):
        texts = [(text,) if isinstance(text, str) else tuple(text) for text in classes.values()]
        return _flat([(label, "", some) for label, some in zip(classes, texts, strict=True)])
    listed = [] if isinstance(classes, str) else list(classes)
    if listed and all(isinstance(one, ClassSpec) for one in listed):
        taxonomy = Taxonomy(listed)
        return {class_id: class_id for class_id in taxonomy.assignable()}, taxonomy
    if not all(isinstance(one, str) for one in listed) or len(set(listed)) < len(listed) or not listed:
        raise ValueError(
            f"classes={classes!r}: it takes names, each once, or a mapping of labels to texts, or ClassSpec alone."
        )
    return _flat([(name, name, ()) for name in listed])


def _flat(classes: Sequence[tuple[Any, str, tuple[str, ...]]]) -> tuple[dict[Any, str], Taxonomy]:
    """A taxonomy without branches, of labels, names and descriptions."""
    _check_alike([label for label, _, _ in classes])
    specs = [ClassSpec(str(row), name, descriptions=texts) for row, (_, name, texts) in enumerate(classes)]
    return {label: spec.id for (label, _, _), spec in zip(classes, specs, strict=True)}, Taxonomy(specs)


def _check_alike(labels: Sequence[Any]) -> None:
    kinds = {"text" if isinstance(one, str) else "number" if _is_number(one) else type(one).__name__ for one in labels}
    if not kinds <= {"text"} and not kinds <= {"number"}:
        raise ValueError(f"Unknown label type: labels are {' and '.join(sorted(kinds))}, not all text or all numbers.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_)


def _is_missing(value: Any, unlabelled: Any) -> bool:
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:  # of pandas, which need not be installed
        return True
    if isinstance(value, float) and math.isnan(value):
        return True
    return isinstance(value, str) == isinstance(unlabelled, str) and bool(value == unlabelled)
