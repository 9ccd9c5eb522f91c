"""Accuracy: frozen class texts, unlabelled items, a few labels, four thousand labels; beside peers with the same encoder.

Everything goes through the functions that a catalogue uses: evidence texts to class vectors, lexical profiles,
``learner.learn`` on a lesson, and the scores of what was learnt. The encoder is the default one and is never trained,
but by SetFit and where ``--tune`` names a set and a number of labels.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from common import Options, Table, main
from labelled import by_hand, peers, sets, tuned
from labelled.draws import POOL, Draw, few_of_each, in_all
from labelled.figures import Draws, Sheet, harmonic
from labelled.sets import Floats, LabelledSet, Rows

LONG_TAILED = ("products_bigbasket", "products_mwpd_gpc", "products_instacart", "products_fashion_myntra")
INTENTS = ("intents_banking77", "intents_clinc150")
SETTINGS = ("texts", "unlabelled", "few", "many")
LABELS_A_CLASS = (1, 5, 20)
LABELS = 4000
SEEDS = 5
ROUTER_S = 1200.0
SETFIT_ON = TUNE_ON = f"{INTENTS[0]}:5"
SETFIT_S = 2700.0
PAIRS_A_LABEL = 20
"""Contrastive pairs that SetFit makes of each label, ``num_iterations``: the value of its paper."""

NAME, ROUTER, LOGISTIC, SETFIT, OURS, TUNED = (
    "name cosine", "semantic-router 1.1.1", "logistic regression", "SetFit 1.2.0, encoder trained", "nearclass",
    "nearclass, encoder trained",
)  # fmt: skip


def measure(options: Options) -> Iterator[Table]:
    """One table for each setting."""
    made: Mapping[str, Callable[[list[LabelledSet], Options], Table]]
    made = {"texts": texts_alone, "unlabelled": unlabelled, "few": few_labels, "many": many_labels}
    found = sets.load_all(options, sets.Vectors())
    for name in options.more.only or SETTINGS:
        yield made[name](found, options)


def texts_alone(found: list[LabelledSet], options: Options) -> Table:
    """No label and no item."""
    sheet = Sheet()
    for one in found:
        nothing = Draw(one, np.empty(0, np.int64), np.empty(0, np.int64), sets.parts(one)[1])
        outside = _outside(one)
        items = one.items.vectors
        names = [items[rows] @ one.classes.bare.T for rows in (nothing.judged, outside)]
        _judge(sheet, NAME, nothing, *map(_scored, names))
        _ask_router(sheet, nothing, options)
        scores = [sets.text_scores(one.items, one.classes, rows) for rows in (nothing.judged, outside)]
        _judge(sheet, OURS, nothing, *map(_scored, scores))
    notes = [_what_is_judged(), "The router has the name of each class as its one utterance.", peers.NOTE, sets.NOTE]
    return sheet.table("No labels, no items: class texts alone", found, notes)


def unlabelled(found: list[LabelledSet], options: Options) -> Table:
    """No label, but items to learn from."""
    del options
    sheet = Sheet()
    for one in found:
        learnt, judged = sets.parts(one)
        draw = Draw(one, learnt, np.full(len(learnt), -1), judged)
        outside = _outside(one)
        before = [sets.text_scores(one.items, one.classes, rows) for rows in (judged, outside)]
        _judge(sheet, f"{OURS}, texts alone", draw, *map(_scored, before))
        _judge(sheet, f"{OURS}, items learnt from", draw, *_learnt_answers(draw, outside))
    notes = [
        "Learnt from: training rows of the intent sets (of clinc150 validation rows too, none out of scope) and mwpd_gpc.",
        "The other shops have no such split: the items that are judged are the ones learnt from.",
        _what_is_judged(),
    ]
    return sheet.table("No labels, unlabelled items", found, notes)


def few_labels(found: list[LabelledSet], options: Options) -> Table:
    """Some labels a class, and the rest of the items without."""
    sheet, draws = Sheet(), Draws(options.more.draws)
    chosen = [one for one in found if one.name in INTENTS][: 1 if options.quick else None]
    for one in chosen:
        for k in (5,) if options.quick else LABELS_A_CLASS:
            for seed in range(_seeds(options)):
                draw = few_of_each(one, k, seed)
                judged = partial(_compare, draw=draw, amount=f"{k} a class", options=options, seed=seed)
                draws.judge(f"{one.name} {k} a class, {seed}", sheet, judged)
                if seed == 0 and f"{one.name}:{k}" in options.more.setfit:
                    _ask_setfit(sheet, draw, f"{k} a class", options)
                if seed == 0:
                    _tune(sheet, draw, f"{k} a class", k, options)
    notes = [
        f"{_spread(options)} nearclass also learns from the training rows without a label.",
        "Logistic regression and the router have the class names as examples too; SetFit has the labels alone.",
        f"SetFit: {PAIRS_A_LABEL} pairs a label, one epoch, on {', '.join(options.more.setfit)}.",
        f"Encoder trained by nearclass, first draw: on {', '.join(options.more.tune)}.",
    ]
    return sheet.table("A few labels a class, unlabelled items", chosen, notes)


def many_labels(found: list[LabelledSet], options: Options) -> Table:
    """Four thousand labels in all, which leave rare classes without any."""
    sheet, draws = Sheet(), Draws(options.more.draws)
    chosen = [one for one in found if one.name in LONG_TAILED[:3]][: 1 if options.quick else None]
    amount = LABELS // 20 if options.quick else LABELS
    for one in chosen:
        for seed in range(_seeds(options)):
            draw = in_all(one, amount, seed)
            judged = partial(_compare, draw=draw, amount="", options=options, seed=seed, both=True)
            draws.judge(f"{one.name} {amount}, {seed}", sheet, judged)
            if seed == 0:
                _tune(sheet, draw, "", amount, options, both=True)
    notes = [
        f"{_spread(options)} Labels are drawn from items with one right class.",
        f"Learnt from, judged: {POOL:,} random rows of bigbasket, the rest; training, validation rows of mwpd_gpc;",
        "dev, heldout rows of instacart.",
        "Seen: mean accuracy of the classes that have a label; unseen: of the others that are judged; harmonic: of the two.",
    ]
    return sheet.table(f"{amount:,} labels in all", chosen, notes)


# Methods


def _compare(sheet: Sheet, draw: Draw, amount: str, options: Options, seed: int, *, both: bool = False) -> None:
    """All methods that need nothing but vectors, and the router at the first draw."""
    one = draw.one
    names = one.items.vectors[draw.judged] @ one.classes.bare.T
    _judge(sheet, NAME, draw, _scored(names), amount=amount, both=both)
    if seed == 0:
        _ask_router(sheet, draw, options, amount=amount, both=both)
    _judge(sheet, LOGISTIC, draw, _scored(by_hand.logistic(draw)), amount=amount, both=both)
    _judge(sheet, OURS, draw, _learnt_answers(draw, np.empty(0, np.int64))[0], amount=amount, both=both)


Answers = tuple[Floats, Floats]
"""Scores, shape (n, K), and how well any class fits, shape (n,)."""


def _scored(scores: Floats) -> Answers:
    """Answers of what has nothing but scores: the best one is the fit."""
    return scores, scores.max(axis=1, initial=-np.inf)


def _learnt_answers(draw: Draw, outside: Rows) -> list[Answers]:
    """The judged rows and those out of scope, after learning."""
    one = draw.one
    learnt = sets.learn_from(one.items, one.classes, draw.learnt, draw.labels)
    return [sets.answers(*learnt, one.items, one.classes, rows) for rows in (draw.judged, outside)]


def _ask_router(sheet: Sheet, draw: Draw, options: Options, amount: str = "", *, both: bool = False) -> None:
    if options.more.no_peers or (options.quick and not peers.ready()):
        return
    one = draw.one
    task = {"peer": "semantic-router", "classes": draw.utterances(), "items": [one.items.texts[r] for r in draw.judged]}
    rows = np.concatenate([draw.told, draw.judged])
    texts = [*one.classes.names, *(one.items.texts[row] for row in rows)]
    try:
        answers = peers.run(task, texts, np.concatenate([one.classes.bare, one.items.vectors[rows]]), ROUTER_S)
    except peers.PeerError as reason:
        sheet.say(ROUTER, amount, one.name, str(reason))
        return
    _note(sheet, ROUTER, draw, answers, amount, both=both)


def _ask_setfit(sheet: Sheet, draw: Draw, amount: str, options: Options) -> None:
    from nearclass.encoders.presets import DEFAULT_TEXT_PRESET
    from nearclass.encoders.resolve import resolve

    if options.more.no_peers or options.quick:
        return
    one = draw.one
    task = {
        "peer": "setfit",
        "model": str(resolve(DEFAULT_TEXT_PRESET, offline=True).path),
        "classes": {key: texts[1:] for key, texts in draw.utterances().items()},
        "items": [one.items.texts[row] for row in draw.judged],
        "pairs_a_label": PAIRS_A_LABEL,
        "seed": 0,
    }
    try:
        answers = peers.run(task, [], np.empty((0, 1), np.float32), options.more.setfit_s)
    except peers.PeerError as reason:
        sheet.say(SETFIT, amount, one.name, str(reason))
        return
    _note(sheet, SETFIT, draw, answers, amount)


def _tune(sheet: Sheet, draw: Draw, amount: str, labels: int, options: Options, *, both: bool = False) -> None:
    if options.quick or f"{draw.one.name}:{labels}" not in options.more.tune:
        return
    told = tuned.trained(draw)
    _judge(sheet, TUNED, told, _learnt_answers(told, np.empty(0, np.int64))[0], amount=amount, both=both)


# Figures


def _outside(one: LabelledSet) -> Rows:
    """Test rows that no class is right for."""
    return np.flatnonzero(one.oos & (one.splits == "test"))


def _judge(
    sheet: Sheet,
    method: str,
    draw: Draw,
    answers: Answers,
    outside: Answers | None = None,
    amount: str = "",
    *,
    both: bool = False,
) -> None:
    """Note the figures of the judged rows, and of those out of scope."""
    from nearclass.learn.metrics import auroc

    best = answers[0].argmax(axis=1)
    _note(sheet, method, draw, [draw.one.classes.ids[at] for at in best], amount, both=both)
    if outside is not None and len(outside[1]):
        sheet.add(method, amount, "out-of-scope AUROC", draw.one.name, auroc(answers[1], outside[1]))


def _note(sheet: Sheet, method: str, draw: Draw, answers: list[str], amount: str, *, both: bool = False) -> None:
    from nearclass.learn.metrics import accuracy, macro_f1, per_class

    truths = [frozenset(draw.one.truths[row]) for row in draw.judged]
    name = draw.one.name
    right = 100 * accuracy(answers, truths)
    _progress(f"{name} {amount}: {method} {right:.1f}")
    sheet.add(method, amount, "accuracy", name, right)
    if name in LONG_TAILED:
        sheet.add(method, amount, "macro-F1", name, 100 * macro_f1(answers, truths))
    if both:
        reports = [report for report in per_class(answers, truths) if report.support]
        sides = [[one.recall for one in reports if (one.class_id in draw.seen) is seen] for seen in (True, False)]
        seen, unseen = (100 * float(np.mean(side)) if side else None for side in sides)
        if seen is None or unseen is None:  # every class has a label, or none has
            return
        sheet.add(method, amount, "seen", name, seen)
        sheet.add(method, amount, "unseen", name, unseen)
        sheet.add(method, amount, "harmonic", name, harmonic(seen, unseen))


def _spread(options: Options) -> str:
    return f"Mean and standard deviation over {_seeds(options)} draws of labels; the peers have the first one."


def _what_is_judged() -> str:
    return (
        "Judged: test rows of the intent sets, validation rows of mwpd_gpc, all rows of the other shops that have a "
        "label. Any right class of an item counts. Accuracy and macro-F1 in %."
    )


def _seeds(options: Options) -> int:
    return 1 if options.quick else int(options.more.seeds)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"draws of labels (default {SEEDS})")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, metavar="SETTING", help=", ".join(SETTINGS))
    parser.add_argument("--draws", type=Path, metavar="FILE", help="keep what was judged there, and go on after it")
    parser.add_argument("--no-peers", action="store_true", help="only what needs no environment of its own")
    parser.add_argument("--setfit", nargs="+", default=[SETFIT_ON], metavar="SET:K", help=f"default {SETFIT_ON}")
    parser.add_argument("--tune", nargs="*", default=[TUNE_ON], metavar="SET:LABELS", help=f"default {TUNE_ON}")
    parser.add_argument("--setfit-s", type=float, default=SETFIT_S, help=f"its time limit (default {SETFIT_S:.0f})")


if __name__ == "__main__":
    main(__doc__, measure, _add)
