"""Mixes of items and classes, made of the labelled sets, that unlabelled learning could stumble over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from labelled.sets import Classes, Items, LabelledSet, Rows, Vectors, classes_of, parts

BANKING = "intents_banking77"
CLINC = "intents_clinc150"
BIGBASKET = "products_bigbasket"
MWPD = "products_mwpd_gpc"
INSTACART = "products_instacart"
MYNTRA = "products_fashion_myntra"

_CAPS = {MYNTRA: 20, BIGBASKET: 15, MWPD: 30, INSTACART: 40}
_FEW = {CLINC: 400, BIGBASKET: 600, BANKING: 200}
_LEVELS = ((BIGBASKET, 1), (BIGBASKET, 2), (INSTACART, 1), (MWPD, 1), (MYNTRA, 2), (CLINC, 1))
_OUTSIDE = (
    # set, where the items out of scope come from, their share, most items in scope
    (CLINC, (BANKING,), 0.4, 9000),
    (BANKING, (CLINC,), 0.6, 6000),
    (CLINC, (BIGBASKET, INSTACART), 0.6, 6000),
    (INSTACART, (CLINC, MYNTRA), 0.6, 6000),
    (BIGBASKET, (MYNTRA,), 0.2, 12_413),
)


@dataclass(frozen=True)
class Mix:
    """Items and classes.

    Attributes:
        name: What is special about it.
        classes: All candidates.
        items: Where the rows are.
        learnt: Rows that are learnt from.
        judged: Rows that have a right class.
        truths: Ids of the right classes of the judged rows.
        outside: Rows that no class is right for, and that were not learnt from.
    """

    name: str
    classes: Classes
    items: Items
    learnt: Rows
    judged: Rows
    truths: list[tuple[str, ...]]
    outside: Rows = field(default_factory=partial(np.empty, 0, np.int64))


def mixes(sets: Mapping[str, LabelledSet], vectors: Vectors) -> Iterator[Mix]:
    """All mixes that the sets at hand allow; the same ones in each run."""
    rng = np.random.default_rng(0)
    for one in sets.values():
        learnt, judged = parts(one)
        yield Mix(one.name, one.classes, one.items, learnt, judged, [one.truths[row] for row in judged])
    for name, what, draw in _draws(rng):
        if name in sets:
            yield _some(sets[name], what, draw(sets[name]))
    for name, depth in _LEVELS:
        if name in sets:
            yield _level(sets[name], depth, vectors)
    for name, others, share, most in _OUTSIDE:
        if {name, *others} <= set(sets):
            for stored in (True, False):
                yield _outside(sets[name], [sets[other] for other in others], share, most, rng, stored=stored)
    for name in (CLINC, INSTACART, BIGBASKET):
        if name in sets:
            yield _branches(sets[name], vectors, rng)


def _draws(rng: np.random.Generator) -> Iterator[tuple[str, str, Callable[[LabelledSet], Rows]]]:
    """Sets, what is drawn of them, and how."""
    for name, exponent in ((CLINC, 1.0), (CLINC, 0.5), (BANKING, 1.0)):
        yield name, f"sizes like rank^-{exponent:g}", partial(_zipf, exponent=exponent, rng=rng)
    for present in (75, 20):
        yield CLINC, f"{present} of 150 classes present", partial(_of_classes, n=present, rng=rng)
    for name, most in _CAPS.items():
        yield name, f"at most {most} items a class", partial(_capped, most=most, rng=rng)
    for name, n in _FEW.items():
        yield name, f"{n} items", partial(_few, n=n, rng=rng)


def _some(one: LabelledSet, what: str, rows: Rows) -> Mix:
    rows = np.sort(rows)
    return Mix(f"{one.name}, {what}", one.classes, one.items, rows, rows, [one.truths[row] for row in rows])


def _of_each(one: LabelledSet) -> list[Rows]:
    """Rows of each class that has some."""
    return [rows for at in range(len(one.classes.ids)) if len(rows := np.flatnonzero(one.first == at))]


def _drawn(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    return rng.choice(rows, min(n, len(rows)), replace=False)


def _few(one: LabelledSet, n: int, rng: np.random.Generator) -> Rows:
    return _drawn(np.flatnonzero(one.labelled), n, rng)


def _zipf(one: LabelledSet, exponent: float, rng: np.random.Generator) -> Rows:
    """Of the class of rank r in a random order, 1 / r ** exponent of its items."""
    of_each = _of_each(one)
    order = rng.permutation(len(of_each))
    sizes = [max(1, int(len(of_each[at]) / (rank + 1) ** exponent)) for rank, at in enumerate(order)]
    return np.concatenate([_drawn(of_each[at], size, rng) for at, size in zip(order, sizes, strict=True)])


def _of_classes(one: LabelledSet, n: int, rng: np.random.Generator) -> Rows:
    of_each = _of_each(one)
    return np.concatenate([of_each[at] for at in rng.permutation(len(of_each))[:n]])


def _capped(one: LabelledSet, most: int, rng: np.random.Generator) -> Rows:
    return np.concatenate(list(map(partial(_drawn, n=most, rng=rng), _of_each(one))))


def _level(one: LabelledSet, depth: int, vectors: Vectors) -> Mix:
    """The classes of an upper level, and all items that are below one."""
    from nearclass.schemas.taxonomy import Taxonomy

    # Upper classes say of themselves that they are not assignable; without what is below them they are.
    upper = [replace(spec, assignable=None) for spec in one.taxonomy if one.taxonomy.depth(spec.id) <= depth]
    taxonomy = Taxonomy(upper)
    known = set(taxonomy.assignable())
    lines = [[[*one.taxonomy.ancestors(each), each] for each in truth] for truth in one.truths]
    truths = [tuple(line[depth - 1] for line in row if len(line) >= depth) for row in lines]
    rows = np.array([at for at, right in enumerate(truths) if known.intersection(right)])
    made = classes_of(taxonomy, vectors)
    return Mix(f"{one.name}, level {depth}", made, one.items, rows, rows, [truths[row] for row in rows])


def _branches(one: LabelledSet, vectors: Vectors, rng: np.random.Generator) -> Mix:
    """Half of the top-level branches are not in the taxonomy, and their items are among those learnt from."""
    from nearclass.schemas.taxonomy import Taxonomy

    top = {spec.id: [*one.taxonomy.ancestors(spec.id), spec.id][0] for spec in one.taxonomy}
    tops = sorted(set(top.values()))
    kept = {tops[at] for at in rng.permutation(len(tops))[: len(tops) // 2]}
    made = classes_of(Taxonomy([spec for spec in one.taxonomy if top[spec.id] in kept]), vectors)
    truths = [tuple(each for each in truth if top[each] in kept) for truth in one.truths]
    inside = np.array([bool(truth) for truth in truths])
    rows = rng.permutation(np.flatnonzero(one.labelled))
    learnt, rest = np.split(rows, [len(rows) * 2 // 3])
    judged = rest[inside[rest]]
    name = f"{one.name}, half of the branches unknown"
    return Mix(name, made, one.items, learnt, judged, [truths[row] for row in judged], rest[~inside[rest]])


def _outside(
    one: LabelledSet,
    others: Sequence[LabelledSet],
    share: float,
    most: int,
    rng: np.random.Generator,
    *,
    stored: bool,
) -> Mix:
    """Items of other sets among those of a set, or met only later; a third of both is judged and not learnt from."""
    from scipy.sparse import vstack

    inside = _drawn(np.flatnonzero(one.labelled), most, rng)
    every = [(place, row) for place, other in enumerate(others) for row in range(len(other.items.texts))]
    n = int(len(inside) * share / (1 - share))
    picked = np.array([every[at] for at in rng.permutation(len(every))[:n]])
    chosen = [(one, inside), *((other, picked[picked[:, 0] == place, 1]) for place, other in enumerate(others))]
    items = Items(
        [each.items.texts[row] for each, rows in chosen for row in rows],
        np.concatenate([each.items.vectors[rows] for each, rows in chosen]),
        vstack([each.items.features[rows] for each, rows in chosen], format="csr"),
    )
    names = " and ".join(other.name for other in others)
    where = f"{len(picked) / len(items.texts):.0%} of items" if stored else "later items"
    own, strange = np.arange(len(inside)), len(inside) + rng.permutation(len(picked))
    learnt, judged = np.split(own, [len(own) * 2 // 3])
    told, outside = np.split(strange, [len(strange) * 2 // 3])
    if stored:
        learnt = np.concatenate([learnt, told])
    truths = [one.truths[inside[row]] for row in judged]
    return Mix(f"{one.name}, {where} from {names}", one.classes, items, learnt, judged, truths, outside)
