"""Labelled sets as arrays: vectors that are computed once, classes as the package makes them, lessons to learn from.

Vectors are kept in the temporary folder of the system, under the fingerprint of the space and the digest of the texts,
so that a second run is quick and other texts or another model are embedded again.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
import numpy as np
from common import Options, SkippedError
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from nearclass.encoders.text import TextEncoder
    from nearclass.learn.learner import Learnt, Lesson
    from nearclass.learn.resolve import EvidenceText
    from nearclass.schemas.learning import Landmarks
    from nearclass.schemas.records import Role
    from nearclass.schemas.taxonomy import Taxonomy

SETS = (
    "intents_banking77",
    "intents_clinc150",
    "products_bigbasket",
    "products_mwpd_gpc",
    "products_instacart",
    "products_fashion_myntra",
)
KEPT = Path(tempfile.gettempdir()) / "nearclass-bench-vectors"
QUICK_ROWS = 800
NOTE = "Vectors are kept in the temporary folder of the system, so that a second run is quick."

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def kept(name: str, make: Callable[[], Floats]) -> Floats:
    """What was made under this name, or is made and kept now."""
    path = KEPT / f"{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:32]}.npy"
    if path.is_file():
        return np.asarray(np.load(path), np.float32)
    vectors = make()
    KEPT.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, vectors)
    part.rename(path)  # whole, or not there
    return vectors


class Vectors:
    """The default encoder, asked once for each list of texts."""

    def __init__(self) -> None:
        self._encoder: TextEncoder = common.make_encoder()
        self.model = self._encoder.space.fingerprint

    def of(self, texts: Sequence[str], role: "Role") -> Floats:
        """Unit vectors of the texts, shape (n, d), from the kept ones where they are there."""
        framed = "\x1e".join([self.model, role.value, *texts])
        return kept(framed, lambda: self._encoder.encode(list(texts), role).vectors)


@dataclass(frozen=True)
class Classes:
    """The K classes that may be answered, in the order of their ids.

    Attributes:
        ids: Their ids.
        names: Their names, as words.
        evidence: The texts that speak for each.
        bare: Unit vectors of the names alone, shape (K, d).
        vectors: Class vectors made of texts, shape (K, d).
        threshold: Cosine above which an item seems to fit a class.
    """

    ids: list[str]
    names: list[str]
    evidence: "list[list[EvidenceText]]"
    bare: Floats
    vectors: Floats
    threshold: float

    @cached_property
    def profiles(self) -> "csr_matrix":
        """Label-free lexical profiles, shape (K, features)."""
        from nearclass.encoders.background import BACKGROUND
        from nearclass.learn.lexical import profiles

        return profiles(self.evidence, BACKGROUND)

    @cached_property
    def text_features(self) -> "csr_matrix":
        """Lexical features of the class texts, shape (K, features)."""
        from nearclass.learn.lexical import features

        return features([" ".join(text.text for text in one) for one in self.evidence])


def classes_of(taxonomy: "Taxonomy", vectors: Vectors) -> Classes:
    """The classes of a taxonomy that can be answered, as a catalogue makes them."""
    from nearclass.encoders.background import BACKGROUND
    from nearclass.learn.resolve import class_vector, evidence_texts, evidence_vectors
    from nearclass.learn.thresholds import NOVEL_QUANTILE
    from nearclass.schemas.records import Role

    ids = sorted(taxonomy.assignable())
    evidence = [evidence_texts(taxonomy, class_id) for class_id in ids]
    every = (text for one in evidence for text in one)
    encoded = evidence_vectors(every, lambda texts: vectors.of(texts, Role.CLASS))
    made = [class_vector([text.kind for text in one], np.stack([encoded[text] for text in one])) for one in evidence]
    names = [one[0].text for one in evidence]
    class_vectors = np.stack(made)
    background = vectors.of(BACKGROUND, Role.ITEM) @ class_vectors.T
    threshold = float(np.quantile(background.max(axis=1), NOVEL_QUANTILE))
    return Classes(ids, names, evidence, vectors.of(names, Role.CLASS), class_vectors, threshold)


@dataclass(frozen=True)
class Items:
    """Items of one set or of several, row by row.

    Attributes:
        texts: What is embedded of each.
        vectors: Unit vectors, shape (n, d).
        features: Lexical features, shape (n, features).
    """

    texts: list[str]
    vectors: Floats
    features: "csr_matrix"


@dataclass(frozen=True)
class LabelledSet:
    """A public set: classes, items, and which classes are right for each.

    Attributes:
        name: Its folder.
        taxonomy: All of its classes.
        classes: Those that can be answered.
        items: All rows.
        truths: Ids of the classes that are right for each row, the first one given first; none where unknown or none is.
        splits: Which part each row belongs to, as the set says.
        oos: Whether no class is right.
    """

    name: str
    taxonomy: "Taxonomy"
    classes: Classes
    items: Items
    truths: list[tuple[str, ...]]
    splits: NDArray[np.str_]
    oos: NDArray[np.bool_]

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a right class."""
        return np.array([bool(one) for one in self.truths])

    @cached_property
    def first(self) -> Rows:
        """Place among the classes of the first right class of each row, -1 without one."""
        place = {class_id: at for at, class_id in enumerate(self.classes.ids)}
        return np.array([place[one[0]] if one else -1 for one in self.truths])

    def rows(self, *splits: str) -> Rows:
        """Rows of some splits that have a right class."""
        return np.flatnonzero(np.isin(self.splits, splits) & self.labelled)


def load(name: str, options: Options, vectors: Vectors) -> LabelledSet:
    """Read a set and embed it.

    Raises:
        SkippedError: Its folder is not there.
    """
    from nearclass.ingest.class_files import open_classes
    from nearclass.learn.lexical import features
    from nearclass.schemas.records import Item, Role
    from nearclass.schemas.taxonomy import Taxonomy
    from nearclass.schemas.text import item_text

    folder = options.folder(name)
    taxonomy = Taxonomy(open_classes(str(folder / "classes.jsonl"), Taxonomy([])).specs)
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    if options.quick:
        rows = rows[:: -(-len(rows) // QUICK_ROWS)]
    texts = [
        item_text(Item("", title=row.get("title"), description=row.get("description"), text=row.get("text")))
        for row in rows
    ]
    items = Items(texts, vectors.of(texts, Role.ITEM), features(texts))
    splits = np.array([row.get("split") or "" for row in rows])
    oos = np.array([bool(row.get("oos")) for row in rows])
    return LabelledSet(name, taxonomy, classes_of(taxonomy, vectors), items, [_truth(row) for row in rows], splits, oos)


def load_all(options: Options, vectors: Vectors) -> list[LabelledSet]:
    """Every set that is there.

    Raises:
        SkippedError: None is.
    """
    found = [load(name, options, vectors) for name in SETS if (options.data / name).is_dir()]
    if not found:
        raise SkippedError(f"none of {', '.join(SETS)} at {options.data}; give the folder with --data DIR")
    return found


def lesson(items: Items, classes: Classes, rows: Rows, labels: Rows | None = None, *, whole: bool = False) -> "Lesson":
    """What a catalogue would learn from, were these rows its items.

    Args:
        items: Where the rows are.
        classes: All candidates.
        rows: The items.
        labels: Place of the class of each, -1 where nobody said; nobody said anything without.
        whole: Every lexical score, as answers have them, in place of the highest ones, as learning has them.
    """
    from nearclass.learn.adapt import Material
    from nearclass.learn.learner import Lesson, fits
    from nearclass.learn.lexical import strongest

    found = items.features[rows]
    vectors = items.vectors[rows]
    material = Material(
        vectors,
        classes.vectors,
        (found @ classes.profiles.T).tocsr() if whole else strongest(found, classes.profiles),
        fits(vectors, classes.vectors, classes.threshold),
        np.full(len(rows), -1) if labels is None else labels,
    )
    return Lesson(material, found, classes.text_features)


def learn_from(
    items: Items, classes: Classes, rows: Rows, labels: Rows | None = None
) -> "tuple[Learnt, Landmarks | None]":
    """What a catalogue would learn, were these rows its items; arguments as in ``lesson``."""
    from nearclass.learn.landmarks import landmarks
    from nearclass.learn.learner import learn

    given = lesson(items, classes, rows, labels)
    return learn(given), landmarks(given.material, classes.threshold)


def answers(
    learnt: "Learnt", landmarks: "Landmarks | None", items: Items, classes: Classes, rows: Rows
) -> tuple[Floats, Floats]:
    """Scores of rows after learning, shape (rows, K), and how well any class fits them, shape (rows,)."""
    if not len(rows):
        return np.empty((0, len(classes.ids)), np.float32), np.empty(0, np.float32)
    scores = learnt.scores(lesson(items, classes, rows, whole=True), np.arange(len(rows)))
    best = scores.max(axis=1)
    return scores, best if landmarks is None else landmarks.fit(items.vectors[rows], best)


def text_scores(items: Items, classes: Classes, rows: Rows) -> Floats:
    """Scores before anything is learnt: cosine and lexical evidence; shape (rows, K)."""
    from nearclass.schemas.learning import LEXICAL_WEIGHT

    lexical = (items.features[rows] @ classes.profiles.T).toarray()
    return np.asarray(items.vectors[rows] @ classes.vectors.T + LEXICAL_WEIGHT * lexical, np.float32)


def accuracy(scores: Floats, truths: Sequence[tuple[str, ...]], ids: Sequence[str]) -> float:
    """Percentage of rows whose best class is one of the right ones."""
    best = scores.argmax(axis=1)
    return 100 * float(np.mean([ids[at] in right for at, right in zip(best, truths, strict=True)]))


def _truth(row: dict[str, Any]) -> tuple[str, ...]:
    first = [row["label"]] if row.get("label") else []
    return tuple(dict.fromkeys([*first, *(row.get("labels") or ())]))


def parts(one: LabelledSet) -> tuple[Rows, Rows]:
    """Rows that are learnt from without labels, and rows that are judged: apart where the set has splits for it."""
    every = np.arange(len(one.truths))
    if one.name == "intents_banking77":
        return one.rows("train"), one.rows("test")
    if one.name == "intents_clinc150":
        return one.rows("train", "val"), one.rows("test")
    if one.name == "products_mwpd_gpc":
        return one.rows("train"), one.rows("validation")
    return every, np.flatnonzero(one.labelled)
