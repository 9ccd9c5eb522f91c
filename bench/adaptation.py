"""Adaptation: what learning from unlabelled items gains, on mixes that it could stumble over.

Each mix is judged with class texts and lexical evidence alone, then again after the package has learnt from its items
without a label. Long tails, absent classes, few items, wide classes and items of no class are among the mixes: a
method that gains on even classes only would lose here.
"""

import sys
from collections.abc import Iterator
from itertools import islice

import common
import numpy as np
from common import Options, SkippedError, Table
from labelled import sets
from labelled.mixes import Mix, mixes

SMALL = "intents_nlu_corpora_small"
QUICK = 8
BOUND = 0.5
"""Points that adaptation may cost on a mix."""

COLUMNS = ("mix", "classes", "items", "evenness", "before", "after", "gain", "AUROC before", "AUROC after")


def measure(options: Options) -> Iterator[Table]:
    """One table, a row for each mix, and the mean and the worst gain."""
    vectors = sets.Vectors()
    names = [name for name in (*sets.SETS, SMALL) if (options.data / name).is_dir()]
    if not names:
        raise SkippedError(f"no labelled sets at {options.data}; give the folder with --data DIR")
    found = {name: sets.load(name, options, vectors) for name in names}
    made = mixes(found, vectors)
    rows = []
    for mix in islice(made, 0, None, 4) if options.quick else made:
        rows.append(_row(mix))
        if options.quick and len(rows) == QUICK:
            break
    gains = [float(str(row[6])) for row in rows]
    worst = int(np.argmin(gains))
    nothing = [None] * 5
    rows += [["mean gain", *nothing, f"{np.mean(gains):+.1f}", None, None]]
    rows += [[f"worst gain: {rows[worst][0]}", *nothing, f"{min(gains):+.1f}", None, None]]
    below = sum(gain < -BOUND for gain in gains)
    notes = [
        f"Accuracy in %, without a label; {below} of {len(gains)} mixes lose more than {BOUND} points.",
        "AUROC: how well items that no class is right for are told from others; they were not learnt from themselves.",
        sets.NOTE,
    ]
    yield Table("What unlabelled items are worth", COLUMNS, rows, notes)


def _row(mix: Mix) -> list[common.Cell]:
    from nearclass.learn.metrics import auroc

    learnt, landmarks = sets.learn_from(mix.items, mix.classes, mix.learnt)
    by_texts = [sets.text_scores(mix.items, mix.classes, rows) for rows in (mix.judged, mix.outside)]
    answers = [sets.answers(learnt, landmarks, mix.items, mix.classes, rows) for rows in (mix.judged, mix.outside)]
    ids = mix.classes.ids
    before, after = (sets.accuracy(scores, mix.truths, ids) for scores in (by_texts[0], answers[0][0]))
    figures = [f"{learnt.evenness:.2f}", f"{before:.1f}", f"{after:.1f}", f"{after - before:+.2f}", None, None]
    if len(mix.outside):
        told = auroc(*(scores.max(axis=1) for scores in by_texts)), auroc(answers[0][1], answers[1][1])
        figures[-2:] = [f"{one:.3f}" for one in told]
    print(f"{mix.name}: {figures}", file=sys.stderr, flush=True)
    return [mix.name, len(ids), len(mix.learnt), *figures]


if __name__ == "__main__":
    common.main(__doc__, measure)
