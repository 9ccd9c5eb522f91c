"""Photos: how often the right class is first, by description, by class pictures, with titles, with and without labels.

The model is small and was trained on the photos of the shop and on the training part of the groceries, so its figures
say how the ways compare, and not how good pictures can be. Class texts and prompts are the same everywhere.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import common
import numpy as np
from common import Options, SkippedError, Table
from labelled import sets
from labelled.pictured import PICTURED, Model, PicturedSet, class_vectors, class_vectors_by_hand, load_pictured
from labelled.sets import Floats, Rows

if TYPE_CHECKING:
    from nearclass.query.assign import Assigner

MODEL = "tinyclip"
LABELS = (1, 5, 20)
SEEDS = (0, 1, 2)
DROPPED = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0)
"""Share of the words of titles that is taken away; at 1 those go that name the class."""
FITTED = 250
"""Labels from which the weight of texts is fitted."""


def measure(options: Options) -> Iterator[Table]:
    """Zero labels beside open_clip by hand, titles and photos together, labels and unlabelled photos."""
    folder = options.more.models or options.data.parent / "models"
    model = Model(folder / MODEL)
    found = [load_pictured(name, options) for name in PICTURED if (options.data / name).is_dir()]
    if not found:
        message = f"none of {', '.join(PICTURED)} at {options.data}; give the folder with --data DIR"
        raise SkippedError(message)
    yield _zero_shot(found, model)
    titled = [one for one in found if any(one.titles)]
    if titled:
        yield _fused(titled[0], model)
    yield _learnt(found, model)


def _accuracy(scores: Floats, first: Rows) -> float:
    return 100 * float((scores.argmax(axis=1) == first).mean())


def _zero_shot(found: list[PicturedSet], model: Model) -> Table:
    rows: list[list[common.Cell]] = []
    for one in found:
        judged = one.judged()
        first = one.first[judged]
        pictures, by_hand = model.pictures(one.files)[judged], model.pictures_by_hand(one.files)[judged]
        for what, names_only in (("names", True), ("all class texts", False)):
            ours = _accuracy(pictures @ class_vectors(one, model, names_only=names_only).T, first)
            peer = _accuracy(by_hand @ class_vectors_by_hand(one, model, names_only=names_only).T, first)
            rows.append([one.name, len(judged), len(one.ids), what, ours, peer, ours - peer])
        if len(one.iconic) == len(one.ids):
            iconic = model.pictures(one.iconic)
            both = _accuracy(pictures @ class_vectors(one, model, pictures=iconic).T, first)
            rows.append([one.name, len(judged), len(one.ids), "texts and one web picture", both, None, None])
            alone = _accuracy(pictures @ iconic.T, first)
            rows.append([one.name, len(judged), len(one.ids), "one web picture alone", alone, None, None])
    columns = ("photos", "n", "classes", "class vectors of", "nearclass", "open_clip by hand", "difference")
    return Table(f"No labels, {model.name}, accuracy in %", columns, rows, [sets.NOTE])


def _fused(one: PicturedSet, model: Model) -> Table:
    """Titles and photos together, with ever fewer words of the titles."""
    from nearclass.learn.fusion import fit_text_weight

    vectors = sets.Vectors()
    classes = sets.classes_of(one.taxonomy, vectors)
    pictures = model.pictures(one.files)
    image = _image_assigner(one, model)
    rows: list[list[common.Cell]] = []
    for dropped in DROPPED:
        titles = _shortened(one, dropped)
        items = sets.Items(titles, vectors.of(titles, _item_role()), _features(titles))
        text = _text_assigner(one, classes)
        alone = sets.text_scores(items, classes, np.arange(len(titles)))
        shown = pictures @ class_vectors(one, model).T
        chosen = np.random.default_rng(0).permutation(len(titles))
        some, judged = chosen[:FITTED], chosen[FITTED:]
        right = np.arange(len(one.ids)) == one.first[some, None]
        weight = fit_text_weight(alone[some], shown[some], right, 0.5)
        told = weight * alone[judged] + (1 - weight) * shown[judged]
        rows.append(
            [
                "those of the class" if dropped == 1 else f"{dropped:.0%}",
                _accuracy(alone, one.first),
                _accuracy(shown, one.first),
                _both(one, text, image, items, pictures),
                _accuracy(told, one.first[judged]),
                weight,
            ]
        )
    columns = ("words taken away", "titles", "photos", "both", f"both, {FITTED} labels", "weight of the title")
    title = f"{one.name}: {len(one.files):,} titles and photos, {len(one.ids)} classes, accuracy in %"
    note = f"The title weighs {_weight(text, image):.2f} without labels."
    return Table(title, columns, rows, [note])


def _both(one: PicturedSet, text: "Assigner", image: "Assigner", items: sets.Items, pictures: Floats) -> float:
    """Accuracy of the answers that a catalogue gives."""
    from nearclass.query.fuse import FusedAssigner, Half

    every = np.arange(len(items.texts))
    flags = [False] * len(every)
    halves = Half(every, items.vectors, flags, items.texts), Half(every, pictures, flags)
    answers = FusedAssigner(text, image).assign([str(row) for row in every], *halves, k=1)
    return 100 * float(
        np.mean([a.candidates[0].class_id == one.ids[f] for a, f in zip(answers, one.first, strict=True)])
    )


def _weight(text: "Assigner", image: "Assigner") -> float:
    from nearclass.query.fuse import FusedAssigner

    return FusedAssigner(text, image).text_weight


def _text_assigner(one: PicturedSet, classes: sets.Classes) -> "Assigner":
    from nearclass.query.lexical import LexicalIndex
    from nearclass.schemas.learning import LEXICAL_WEIGHT

    weights = classes.profiles.copy()
    weights.data *= np.float32(LEXICAL_WEIGHT)
    return _assigner(one, "text", classes.vectors, LexicalIndex(classes.ids, weights))


def _image_assigner(one: PicturedSet, model: Model) -> "Assigner":
    from dataclasses import replace

    scale = model.encoder.space.details["logit_scale"]
    return replace(_assigner(one, "image", class_vectors(one, model), None), temperature=1 / scale)


def _assigner(one: PicturedSet, name: str, vectors: Floats, lexical: object) -> "Assigner":
    from nearclass.query.assign import Assigner
    from nearclass.query.search import MirrorSearch
    from nearclass.schemas.rules import Rules

    search = MirrorSearch(one.ids, vectors, np.zeros(len(one.ids), np.float32), lexical)
    return Assigner(name, one.taxonomy, frozenset(one.ids), search, Rules(0.0, 0.0, ""), None)


def _shortened(one: PicturedSet, dropped: float) -> list[str]:
    """Titles without a share of their words, or without those that name the class; at least one word stays."""
    rng = np.random.default_rng(0)
    found = []
    for title, at in zip(one.titles, one.first, strict=True):
        words = title.split()
        if dropped == 1:
            naming = {_stem(word) for word in one.evidence[at][0].text.split()}
            kept = [word for word in words if _stem(word) not in naming] or ["item"]
        else:
            kept = [word for word in words if rng.random() >= dropped] or [words[rng.integers(len(words))]]
        found.append(" ".join(kept))
    return found


def _stem(word: str) -> str:
    return word.lower().removesuffix("s")


def _item_role() -> object:
    from nearclass.schemas.records import Role

    return Role.ITEM


def _features(texts: list[str]) -> object:
    from nearclass.learn.lexical import features

    return features(texts)


def _learnt(found: list[PicturedSet], model: Model) -> Table:
    """What photos without labels and a few labels add, learnt in the image space alone."""
    rows: list[list[common.Cell]] = []
    for one in found:
        pictures, classes = model.pictures(one.files), class_vectors(one, model)
        draws = [one.draw(seed) for seed in SEEDS]
        judged = len(draws[0][1])
        start = [_accuracy(pictures[rows_] @ classes.T, one.first[rows_]) for _, rows_ in draws]
        after = [
            float(np.mean([_after(one, model, *draw, labels, seed) for seed, draw in enumerate(draws)]))
            for labels in (0, *LABELS)
        ]
        rows.append([one.name, len(draws[0][0]), judged, float(np.mean(start)), *after])
    columns = ("photos", "learnt from", "judged", "class texts", "no labels", *(f"{k} a class" for k in LABELS))
    return Table(f"Labels and unlabelled photos, {model.name}, accuracy in %", columns, rows, ["Means of three draws."])


def _after(one: PicturedSet, model: Model, learnt: Rows, judged: Rows, labels: int, seed: int) -> float:
    """Accuracy after learning from rows, some of which have labels."""
    from nearclass.encoders.unrelated import unrelated_pictures
    from nearclass.learn.adapt import Material
    from nearclass.learn.learner import Lesson, fits, learn
    from nearclass.learn.lexical import features
    from nearclass.learn.thresholds import picture_rules

    pictures, classes = model.pictures(one.files), class_vectors(one, model)
    unrelated = model.encoder.encode_pictures(unrelated_pictures())
    rng = np.random.default_rng(seed)
    told = np.full(len(learnt), -1)
    for at in range(len(one.ids)):
        of_class = np.flatnonzero(one.first[learnt] == at)
        told[rng.choice(of_class, min(labels, len(of_class)), replace=False)] = at
    near = fits(pictures[learnt], classes, picture_rules(unrelated @ classes.T).novel_below)
    material = Material(pictures[learnt], classes, None, near, told)
    no_words = features([""] * len(learnt)), features([""] * len(one.ids))
    found = learn(Lesson(material, *no_words))
    return _accuracy(pictures[judged] @ found.vectors.T + found.biases, one.first[judged])


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, metavar="DIR", help="default: models beside the data")


if __name__ == "__main__":
    common.main(__doc__, measure, _options)
