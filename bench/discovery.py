"""Discovery: whether classes that were taken out of a catalogue are found again among its items.

A fifth of the classes of a labelled set is taken away, their items stay. They are looked for twice: among just those
items, which is clustering alone; and end to end, among the items that a catalogue calls novel, without a label, after
it has learnt from all items. K-means is told how many classes there are, and counts as clustering by hand.

A class is found where one proposal is to more than half made of its items, and has at least half of those of its items
that were looked at. Classes with fewer than five such items are left out: a proposal has five or more.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import common
import numpy as np
from common import Options, Table
from labelled import sets
from labelled.sets import Floats, Rows

SETS = ("intents_clinc150", "products_bigbasket")
SEEDS = 3
AWAY = 0.2
FEWEST = 5
COLUMNS = ("set", "looked at", "items", "of classes taken away", "method", "proposals", "classes", "found", "share found", "purity", "ARI")  # fmt: skip


@dataclass(frozen=True)
class Holes:
    """A set without a fifth of its classes.

    Attributes:
        rows: Items that are stored.
        truth: The right class of each, a number; -1 for those that have none in the whole set.
        away: Whether its class was taken away.
        novel: Whether the catalogue calls it novel after learning.
        doubtful: Whether it calls it novel or puts it under review.
        weak: Whether it calls it novel, or it is among the fifth of the others that class texts fit worst.
    """

    rows: Rows
    truth: Rows
    away: np.ndarray
    novel: np.ndarray
    doubtful: np.ndarray
    weak: np.ndarray


def measure(options: Options) -> Iterator[Table]:
    """One table: each set, what was looked at, the package and k-means."""
    vectors = sets.Vectors()
    found: list[list[common.Cell]] = []
    for name in SETS:
        one = sets.load(name, options, vectors)
        runs = [_holes(one, vectors, seed) for seed in range(1 if options.quick else SEEDS)]
        for what, of in (
            ("their items", "away"),
            ("novel ones", "novel"),
            ("novel ones and review", "doubtful"),
            ("novel ones and weakest 20 %", "weak"),
        ):
            found += _rows(name, what, of, one, runs)
    notes = [
        f"Means of {SEEDS} draws of the classes taken away. found: classes with a proposal that is to more than half theirs",
        "and has half of their items among those looked at; classes: those with five items or more among these.",
        "purity: share of the items of proposals that are of the proposal's most frequent class, none is no class. ARI: adjusted Rand index",
        "over the items of classes taken away, each item without a proposal alone. Rows without a figure: no item was novel.",
    ]
    yield Table("A fifth of the classes taken away", COLUMNS, found, notes)


def _rows(name: str, what: str, of: str, one: sets.LabelledSet, runs: list[Holes]) -> list[list[common.Cell]]:
    figures: dict[str, list[list[float]]] = {"discover": [], "k-means, true k": []}
    for holes in runs:
        looked = getattr(holes, of)
        if of == "away" or (looked & holes.away).any():
            figures["discover"].append(_judged(holes, looked, _discovered(one, holes, looked)))
            figures["k-means, true k"].append(_judged(holes, looked, _by_k_means(one, holes, looked)))
    size = f"{np.mean([getattr(holes, of).sum() for holes in runs]):.0f}"
    away = f"{np.mean([(getattr(holes, of) & holes.away).sum() for holes in runs]):.0f}"
    made = []
    for method, values in figures.items():
        mean = np.mean(values, axis=0) if values else None
        cells = (
            [None] * 6
            if mean is None
            else [f"{one:.{digits}f}" for one, digits in zip(mean, (0, 1, 1, 2, 2, 2), strict=True)]
        )
        made.append([name, what, size, away, method, *cells])
        print(*made[-1], file=sys.stderr, flush=True)
    return made


def _holes(one: sets.LabelledSet, vectors: sets.Vectors, seed: int) -> Holes:
    """Take classes away, learn from all items, and decide on them as a catalogue does."""
    from nearclass.encoders.background import BACKGROUND
    from nearclass.learn.lexical import features
    from nearclass.learn.thresholds import NOVEL_QUANTILE, label_free_rules
    from nearclass.query.decide import decide
    from nearclass.schemas.records import Role

    ids = one.classes.ids
    gone = set(np.random.default_rng(seed).choice(ids, int(len(ids) * AWAY), replace=False).tolist())
    taxonomy = _without(one, gone)
    classes = sets.classes_of(taxonomy, vectors)
    rows = np.flatnonzero(one.labelled | one.oos)
    away = np.array([bool(one.truths[row]) and gone.issuperset(one.truths[row]) for row in rows])
    learnt, landmarks = sets.learn_from(one.items, classes, rows)
    scores, fits = sets.answers(learnt, landmarks, one.items, classes, rows)
    everyday = sets.Items(list(BACKGROUND), vectors.of(BACKGROUND, Role.ITEM), features(BACKGROUND))
    unrelated, _ = sets.answers(learnt, None, everyday, classes, np.arange(len(BACKGROUND)))
    below = landmarks.threshold(everyday.vectors, unrelated.max(axis=1), NOVEL_QUANTILE) if landmarks else None
    rules = label_free_rules(unrelated, below)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    decisions = np.array(
        [
            decide([classes.ids[at] for at in best], line[best].tolist(), float(fit), rules, taxonomy).decision.value
            for best, line, fit in zip(top, scores, fits, strict=True)
        ]
    )
    novel = decisions == "novel"
    best = (one.items.vectors[rows] @ classes.vectors.T).max(axis=1)
    weak = novel | (best <= np.quantile(best[~novel], 0.2))
    return Holes(rows, one.first[rows], away, novel, np.isin(decisions, ("novel", "review")), weak)


def _without(one: sets.LabelledSet, gone: set[str]):
    """The taxonomy without some classes, and without the groups that this leaves empty."""
    from nearclass.schemas.taxonomy import Taxonomy

    groups = {spec.parent_id for spec in one.taxonomy}
    left = {spec.id: spec for spec in one.taxonomy if spec.id not in gone}
    while empty := (groups & left.keys()) - {spec.parent_id for spec in left.values()}:
        left = {class_id: spec for class_id, spec in left.items() if class_id not in empty}
    return Taxonomy(left.values())


def _discovered(one: sets.LabelledSet, holes: Holes, looked: np.ndarray) -> Rows:
    from nearclass.learn.discover import discover

    pool, others = holes.rows[looked], holes.rows[~looked]
    texts = one.items.texts
    labels = np.full(len(pool), -1)
    of_pool, of_others = one.items.vectors[pool], one.items.vectors[others]
    groups = discover(of_pool, [texts[row] for row in pool], of_others, [texts[row] for row in others], FEWEST)
    for number, group in enumerate(groups):
        labels[group.rows] = number
    return labels


def _by_k_means(one: sets.LabelledSet, holes: Holes, looked: np.ndarray) -> Rows:
    """K-means on the same centred vectors; k is the number of classes taken away that have items there."""
    from sklearn.cluster import KMeans

    k = len(np.unique(holes.truth[looked & holes.away]))
    vectors: Floats = one.items.vectors[holes.rows]
    centred = vectors[looked] - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(KMeans(k, n_init=4, random_state=0).fit(centred).labels_)


def _judged(holes: Holes, looked: np.ndarray, labels: Rows) -> list[float]:
    from sklearn.metrics import adjusted_rand_score

    truth, away = holes.truth[looked], holes.away[looked]
    names, counts = np.unique(truth[away], return_counts=True)
    wanted = {name: n for name, n in zip(names.tolist(), counts.tolist(), strict=True) if n >= FEWEST}
    found, pure, inside = set(), 0, 0
    for label in range(labels.max() + 1):
        members = truth[labels == label]
        inside += len(members)
        these, sizes = np.unique(members, return_counts=True)
        name, most = int(these[sizes.argmax()]), int(sizes.max())
        pure += most if name >= 0 else 0
        if name in wanted and most > len(members) / 2 and most >= wanted[name] / 2:
            found.add(name)
    alone = np.where(labels < 0, labels.max() + 1 + np.arange(len(labels)), labels)
    ari = float(adjusted_rand_score(truth[away], alone[away]))
    share = len(found) / max(len(wanted), 1)
    return [labels.max() + 1, len(wanted), len(found), share, pure / max(inside, 1), ari]


if __name__ == "__main__":
    common.main(__doc__, measure)
