"""Evidence to class vectors: which texts speak for a class, and the one vector that they make.

Pure computation. Every way of learning ends here or replaces what comes out of here: one unit vector per class.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.records import EvidenceKind
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import canonical

__all__ = [
    "CAPTION_WEIGHTS",
    "KIND_WEIGHTS",
    "EvidenceText",
    "class_vector",
    "digest",
    "evidence_texts",
    "evidence_vectors",
    "listed",
    "picture_level",
]

KIND_WEIGHTS: Final = MappingProxyType(
    {
        EvidenceKind.NAME: 1.0,
        EvidenceKind.PARENT: 0.3,
        EvidenceKind.DESCRIPTION: 1.0,
        EvidenceKind.TERM: 2.0,
        EvidenceKind.SYNONYM: 1.0,
        EvidenceKind.EXAMPLE: 1.0,
        EvidenceKind.VECTOR: 1.0,
    }
)
"""How much each kind of evidence counts in the class vector, whatever the number of pieces of that kind.

Measured with MiniLM, accuracy in % of 2,500 items by name alone, name + half the full path, name + 0.3 of the parent's
name (description at 1 where there is one): big grocery shop 29.2, 29.6, 30.9; hand-labelled offers 18.3, 16.7, 18.9;
short grocery names 40.1, 41.1, 41.4; assistant requests 68.1, 68.8, 69.0. The parent says the same as the path in
fewer words, and the name of a class is not drowned in it.

A description that lists terms, as industry standards do ("Includes: anklet, bracelet, brooch"), says more term by term
than as one text: offers 20.2 with the text, 22.7 with the mean of its terms at weight 1, 28.1 at weight 2."""

CAPTION_WEIGHTS: Final = MappingProxyType({**KIND_WEIGHTS, EvidenceKind.DESCRIPTION: 0.3})
"""The same in a space of pictures, whose texts were captions: names say more there than sentences. Measured with
TinyCLIP on phone photos of groceries, accuracy in % with descriptions at 0, 0.3 and 1: 51.0, 49.3, 45.6. A larger model
reads sentences better, so they are not left out."""

_PICTURE_WEIGHT: Final = 0.3
"""What the mean of a class's pictures counts beside its texts. Measured with TinyCLIP, accuracy in % at 0, 0.2, 0.3,
0.5 and 1: phone photos of groceries with one web picture a class 45.9, 49.7, 50.0, 47.6, 39.2; fashion photos with one
photo a class 62.8, 70.9, 70.2, 67.9, 64.0, with three 62.9, 72.4, 72.4, 71.4, 69.2."""

_NAME_FORMS: Final = ("{name}?", "{name}, {name}", "{name} ({parent})")
"""How a name is written besides as it is; its vector is the mean of all of them.

An encoder of sentences hears chance in two bare words: which of them is the subject, whether it is a title or an order.
What stays the same however they are written is their meaning, and the parent in brackets says which meaning. Measured
with MiniLM, accuracy in % without and with them, by class texts alone: bank questions 62.5, 62.8; assistant requests
69.2, 69.7; big grocery shop 33.4, 34.0; hand-labelled offers 32.2, 33.5; short grocery names 43.1, 43.2; fashion titles
80.3, 80.9; small talk 70.2, 70.7; and after learning from unlabelled items 70.6, 70.5; 81.9, 81.8; 38.4, 38.5; 39.2,
42.1; 45.2, 45.1; 83.5, 83.2; 93.2, 93.0. The brackets alone are worth as much by texts, and nothing after learning;
five forms in place of three no more."""

_KEPT_CLASSES: Final = 32_768
"""Classes whose texts are kept: a change of one class asks three times for those of all."""

_LIST: Final = re.compile(r"[,;\n]")
_LEAD: Final = re.compile(r"^[^,;:.]{1,40}:\s")
_SENTENCE_END: Final = (".", "!", "?")
_FEWEST_TERMS: Final = 3
_LONGEST_TERM: Final = 4.0
"""Words that a term has at most on average; in prose what stands between two commas is longer."""


@dataclass(frozen=True, slots=True)
class EvidenceText:
    """One text that speaks for a class, or what is kept of a picture.

    Attributes:
        kind: What it is.
        position: Counts within its kind.
        text: The text, in canonical form.
        forms: Other ways to write it, which are embedded with it; its vector is the mean.
    """

    kind: EvidenceKind
    position: int
    text: str
    forms: tuple[str, ...] = ()


def evidence_texts(taxonomy: Taxonomy, class_id: str) -> list[EvidenceText]:
    """The texts that speak for a class, each once, in canonical form.

    A name written as an identifier, such as ``card_arrival``, is read as words.
    """
    spec = taxonomy[class_id]
    names = taxonomy.path(class_id)[-2:]
    return list(_spoken(names, tuple(spec.descriptions), tuple(spec.synonyms), tuple(spec.examples)))


@lru_cache(_KEPT_CLASSES)
def _spoken(
    names: tuple[str, ...], descriptions: tuple[str, ...], synonyms: tuple[str, ...], examples: tuple[str, ...]
) -> tuple[EvidenceText, ...]:
    """The texts of a class with this name, after that of its parent if it has one."""
    parents = [_words(name) for name in names[:-1]]
    kinds: list[tuple[EvidenceKind, Sequence[str]]] = [
        (EvidenceKind.NAME, [_words(names[-1])]),
        (EvidenceKind.PARENT, parents),
        (EvidenceKind.DESCRIPTION, [text for text in descriptions if not listed(text)]),
        (EvidenceKind.TERM, [term for text in descriptions for term in listed(text)]),
        (EvidenceKind.SYNONYM, synonyms),
        (EvidenceKind.EXAMPLE, examples),
    ]
    found: list[EvidenceText] = []
    seen: set[str] = set()
    for kind, texts in kinds:
        for position, text in enumerate(texts):
            clean = canonical(text)
            if clean and clean not in seen:
                seen.add(clean)
                forms = _forms(clean, parents) if kind is EvidenceKind.NAME else ()
                found.append(EvidenceText(kind, position, clean, forms))
    return tuple(found)


def evidence_vectors(
    every: Iterable[EvidenceText], encode: Callable[[list[str]], NDArray[np.float32]]
) -> dict[EvidenceText, NDArray[np.float32]]:
    """The vector of each text, shape (dim,), float32 and of unit length.

    Args:
        every: The texts; parents and synonyms recur, and each way to write one is encoded once.
        encode: Gives unit vectors of texts, shape (n, dim), float32.
    """
    wanted = list(dict.fromkeys(every))
    distinct = list(dict.fromkeys(text for one in wanted for text in (one.text, *one.forms)))
    if not distinct:
        return {}
    encoded = dict(zip(distinct, encode(distinct), strict=True))
    return {one: _mean([encoded[text] for text in (one.text, *one.forms)]) for one in wanted}


def listed(description: str) -> list[str]:
    """The terms of a description that lists them, without what introduces the list; none where it is prose.

    >>> listed("Includes: dog beds, dog leads; toys")
    ['dog beds', 'dog leads', 'toys']
    >>> listed("Beds, leads, toys and whatever else a dog enjoys.")
    []
    """
    text = description.strip()
    rest = _LEAD.sub("", text)
    if rest == text and text.endswith(_SENTENCE_END):
        return []
    terms = [term.strip().rstrip(".") for term in _LIST.split(rest)]
    terms = [term for term in terms if term]
    words = sum(len(term.split()) for term in terms)
    return terms if len(terms) >= _FEWEST_TERMS and words <= _LONGEST_TERM * len(terms) else []


def _forms(name: str, parents: Sequence[str]) -> tuple[str, ...]:
    parent = canonical(parents[0]) if parents else ""
    forms = [form.format(name=name, parent=parent) for form in _NAME_FORMS if parent or "{parent}" not in form]
    return tuple(forms)


def _mean(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean at unit length; the first one where they cancel out, and unchanged where there is one."""
    if len(vectors) == 1:
        return vectors[0]
    total = np.stack(vectors).sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    return np.asarray(total / norm, np.float32) if norm > 1e-9 else vectors[0]


def _words(name: str) -> str:
    return name if " " in name else name.replace("_", " ")


def digest(texts: Sequence[EvidenceText]) -> str:
    """Identity of some evidence, to see whether a stored class vector is out of date; 64 hexadecimal digits."""
    pairs = [*KIND_WEIGHTS.items(), *CAPTION_WEIGHTS.items()]
    weights = "\x1d".join(f"{kind}={weight}" for kind, weight in pairs)
    framed = "\x1e".join("\x1f".join((one.kind, str(one.position), one.text, *one.forms)) for one in texts)
    return hashlib.sha256(f"{weights}\x1c{framed}".encode("utf-8", "replace")).hexdigest()


def class_vector(
    kinds: Sequence[EvidenceKind],
    vectors: NDArray[np.float32],
    weights: Mapping[EvidenceKind, float] = KIND_WEIGHTS,
) -> NDArray[np.float32]:
    """The class vector: the weighted mean of the means of each kind of evidence.

    Where there are pictures, that is the text part, and their mean is added with a weight of 0.3.

    Args:
        kinds: The kind of each row, at least one.
        vectors: Unit vectors, shape (len(kinds), dim), float32.
        weights: How much each kind counts, ``CAPTION_WEIGHTS`` in a space of pictures.

    Returns:
        A unit vector, shape (dim,), float32. Where the evidence cancels out exactly, the first piece stands.
    """
    texts = [row for row, one in enumerate(kinds) if one is not EvidenceKind.PICTURE]
    pictures = [row for row, one in enumerate(kinds) if one is EvidenceKind.PICTURE]
    total = np.zeros(vectors.shape[1], np.float64)
    for kind in dict.fromkeys(kinds[row] for row in texts):
        rows = [row for row in texts if kinds[row] == kind]
        total += weights[kind] * vectors[rows].mean(axis=0)
    if pictures:
        norm = float(np.linalg.norm(total))
        total = total / max(norm, 1e-9) + _PICTURE_WEIGHT * vectors[pictures].mean(axis=0)
    norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32) if norm > 1e-9 else vectors[0].astype(np.float32)


def picture_level(texts: NDArray[np.float32], pictures: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The bias that puts classes with pictures on a level with those that have none.

    In spaces of pictures and texts, pictures are often near one another whatever they show, and far from all texts. So
    a picture among its evidence would make a class win against every class without, and a bias takes away what
    pictures of other things score more with it than with the texts alone. With half of the classes pictured, and the
    two kinds moved apart so that pictures have a cosine of 0.6 with one another and of 0.1 with texts, 28 % of grocery
    photos and 28 to 31 % of other mixes are right without it, 40 to 43 % with it, 43 % by texts alone.

    Args:
        texts: A text vector of each class with pictures, shape (n, dim), unit rows, at least one.
        pictures: The mean of its pictures, of the same shape.
        others: Pictures of other things, shape (m, dim); none where those of the other classes serve.
    """
    if len(others):
        among, across = float((pictures @ others.T).mean()), float((texts @ others.T).mean())
    else:
        apart = ~np.eye(len(texts), dtype=np.bool_)
        among, across = float((pictures @ pictures.T)[apart].mean()), float((texts @ pictures.T)[apart].mean())
    lengths = np.linalg.norm(texts + _PICTURE_WEIGHT * pictures, axis=1)
    return float(across - ((across + _PICTURE_WEIGHT * among) / np.maximum(lengths, 1e-9)).mean())
