"""A draw in the space of the default encoder, trained on the labels of that draw."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelled import sets
from labelled.draws import Draw
from labelled.sets import Floats


def trained(draw: Draw) -> Draw:
    """The same rows and labels, with the vectors of an encoder that was trained on these labels.

    All labels are trained on, as judged rows are others; ``nearclass learn --encoder`` holds every fourth one out.
    """
    from nearclass.encoders.fingerprint import describe
    from nearclass.encoders.presets import DEFAULT_TEXT_PRESET
    from nearclass.encoders.resolve import resolve
    from nearclass.encoders.text import TextEncoder
    from nearclass.encoders.tuning import Examples, tune_model
    from nearclass.schemas.records import Role
    from nearclass.tuning_inputs import spoken

    one = draw.one
    last = {one.items.texts[row]: int(one.first[row]) for row in draw.told}
    examples = Examples(tuple(last), np.array([*last.values()], np.int64), spoken(one.classes.evidence))
    with tempfile.TemporaryDirectory(prefix="nearclass-bench-") as place:
        folder = Path(place) / "model"
        started = time.perf_counter()
        tune_model(describe(resolve(DEFAULT_TEXT_PRESET, offline=True)), examples, folder)
        print(f"trained in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        encoder = TextEncoder(describe(resolve(str(folder))))
        classes = sets.classes_of(one.taxonomy, _Once(encoder))
        rows = np.union1d(draw.learnt, draw.judged)
        vectors = np.zeros_like(one.items.vectors)
        vectors[rows] = encoder.encode([one.items.texts[row] for row in rows], Role.ITEM).vectors
    return replace(draw, one=replace(one, classes=classes, items=replace(one.items, vectors=vectors)))


class _Once:
    """Vectors that are not kept: nobody will ask for this encoder again."""

    def __init__(self, encoder) -> None:
        self._encoder = encoder

    def of(self, texts: Sequence[str], role) -> Floats:
        return self._encoder.encode(list(texts), role).vectors
