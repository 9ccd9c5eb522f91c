"""Encoders beside each other on labelled items."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nearclass import Item, Settings
from nearclass.comparison import compare_encoders
from nearclass.encoders.tuned import RECORD, Tuned, text_digest, write_tuned
from nearclass.errors import EmptyTaxonomyError, UsageError
from nearclass.ingest.labelled import Labelled
from nearclass.ingest.sources.rows import RawRow
from nearclass.ingest.taxonomy import read_classes
from nearclass.learn.variants import VARIANTS, ClassVectors, Variant, texts
from nearclass.schemas.taxonomy import Taxonomy

SETTINGS = Settings(offline=True, precision="float32", device="cpu")
TEXTS = {
    "kettles": ("Stainless steel kettle 1.7 l", "Cordless electric kettle", "Kettle with thermometer", "Glass kettle"),
    "laptops": ("Laptop 14 inch, 16 GB", "Notebook computer i5", "Gaming laptop", "Ultrabook with backlit keys"),
    "boots": ("Leather ankle boots", "Winter boots with fur", "Hiking boots, waterproof", "Chelsea boots black"),
}


@pytest.fixture
def taxonomy(shop):
    return Taxonomy(shop)


@pytest.fixture
def labelled():
    rows = [Labelled(Item(text, title=text), frozenset({truth})) for truth, texts in TEXTS.items() for text in texts]
    return [*rows, Labelled(Item("o", title="Weather tomorrow?"), frozenset())]


@pytest.fixture(scope="module")
def _weights(real_encoder):
    """Skips where there is no model."""


@pytest.mark.usefixtures("_weights")
def test_each_encoder_has_a_row_for_each_variant_on_the_same_items(taxonomy, labelled):
    rows = list(compare_encoders(["minilm"], taxonomy, labelled, SETTINGS))
    assert [(row.encoder, row.variant) for row in rows] == [("minilm", one.name) for one in VARIANTS]
    # Two of each four are shown, and the one out of scope is counted apart.
    assert {row.n for row in rows} == {6}
    for row in rows:
        assert 0.5 < row.accuracy <= row.top5 <= 1
        assert 0 <= row.oos_auroc <= 1
        assert (row.dim, row.languages, row.error) == (384, "en", "")
        assert row.size_mb > 50
        assert row.texts_per_s > 0
        assert row.device == "cpu float32"


@pytest.mark.usefixtures("_weights")
def test_an_encoder_that_cannot_be_used_is_a_row_with_the_reason(taxonomy, labelled, tmp_path):
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / "empty"), "minlm", "minilm"]
    rows = list(compare_encoders(names, taxonomy, labelled, SETTINGS, variants=VARIANTS[:1]))
    assert [row.encoder for row in rows] == names
    assert "no sentence-transformers model" in rows[0].error
    assert "'minlm'" in rows[1].error
    assert all(row.accuracy is None and not row.variant for row in rows[:2])
    assert rows[2].accuracy is not None


@pytest.mark.usefixtures("_weights")
def test_without_variants_that_see_labels_every_item_is_judged(taxonomy, labelled):
    (row,) = compare_encoders(["minilm"], taxonomy, labelled, SETTINGS, variants=VARIANTS[:1])
    assert row.n == 12


@pytest.mark.usefixtures("_weights")
def test_a_variant_of_ones_own_gets_evidence_items_and_hidden_labels(taxonomy, labelled):
    seen = {}

    def make(evidence, items, labels):
        seen.update(evidence=evidence, items=items, labels=labels)
        made = texts(evidence, items, labels)
        biases = np.where([one.class_id == "boots" for one in evidence], 9, 0).astype(np.float32)
        return ClassVectors(made.vectors, biases)

    (row,) = compare_encoders(["minilm"], taxonomy, labelled, SETTINGS, variants=[Variant("mine", 1, make)])
    assert [one.class_id for one in seen["evidence"]] == taxonomy.assignable()
    assert seen["items"].shape == (13, 384)
    assert sorted(seen["labels"][seen["labels"] >= 0].tolist()) == sorted(
        taxonomy.assignable().index(one) for one in TEXTS
    )
    # Its biases count: everything is a boot.
    assert (row.n, row.accuracy) == (9, pytest.approx(1 / 3))


@pytest.mark.usefixtures("_weights")
def test_an_encoder_named_twice_is_run_once(taxonomy, labelled):
    said = []
    list(compare_encoders(["minilm", "minilm"], taxonomy, labelled, SETTINGS, variants=VARIANTS[:1], on_encoder=said.append))  # fmt: skip
    assert said == ["minilm"]


def test_without_a_class_or_a_label_there_is_nothing_to_compare(taxonomy, labelled):
    with pytest.raises(EmptyTaxonomyError, match="no class to answer"):
        list(compare_encoders(["minilm"], Taxonomy([]), labelled, SETTINGS))
    with pytest.raises(UsageError, match="no labelled row has a class"):
        list(compare_encoders(["minilm"], taxonomy, labelled[-1:], SETTINGS))


@pytest.mark.usefixtures("_weights")
def test_a_few_labels_help_on_real_requests(shared_data):
    folder = shared_data / "intents_nlu_corpora_small"
    rows = [json.loads(line) for line in (folder / "classes.jsonl").read_text(encoding="utf-8").splitlines()]
    found = read_classes([RawRow(row, "classes.jsonl", number, 0) for number, row in enumerate(rows, 1)])
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    labelled = [
        Labelled(Item(str(place), text=row["text"]), frozenset({row["label"]}))
        for place, row in enumerate(items)
        if row["label"]
    ]
    zero, adapted, few, both = compare_encoders(["minilm"], Taxonomy(found.specs), labelled, SETTINGS)
    assert zero.accuracy < adapted.accuracy
    assert zero.accuracy < few.accuracy <= both.accuracy


@pytest.fixture
def tuned_model(tiny_model, tmp_path):
    """The tiny model, which says that it was trained on these texts."""

    def trained_on(*texts):
        folder = shutil.copytree(tiny_model, tmp_path / "tuned", dirs_exist_ok=True)
        write_tuned(folder, Tuned("minilm", "0" * 64, 0, len(texts), 20, 0.5, 0.6, tuple(map(text_digest, texts))))
        return str(folder)

    return trained_on


def test_what_one_encoder_was_trained_on_is_judged_for_none(tiny_model, tuned_model, taxonomy, labelled):
    names = [str(tiny_model), tuned_model(*TEXTS["boots"][:3], "a text that is not given")]
    rows = list(compare_encoders(names, taxonomy, labelled, SETTINGS))
    # Two labels of a class are shown: of the boots two that are known anyway.
    assert {row.n for row in rows} == {2 + 2 + 1}
    assert {row.left_out for row in rows} == {3}
    assert [row.tuned_on for row in rows] == [None] * 4 + [4] * 4


def test_without_a_tuned_encoder_every_row_is_judged(tiny_model, taxonomy, labelled):
    (row,) = compare_encoders([str(tiny_model)], taxonomy, labelled, SETTINGS, variants=VARIANTS[:1])
    assert (row.n, row.left_out, row.tuned_on) == (12, 0, None)


def test_labels_that_an_encoder_has_all_seen_compare_nothing(tiny_model, tuned_model, taxonomy, labelled):
    names = [str(tiny_model), tuned_model(*(text for texts in TEXTS.values() for text in texts))]
    with pytest.raises(UsageError, match="no labelled row is left that none of them was trained on"):
        list(compare_encoders(names, taxonomy, labelled, SETTINGS))


def test_an_encoder_that_cannot_say_what_it_was_trained_on_is_not_judged(tiny_model, tuned_model, taxonomy, labelled):
    folder = tuned_model("x")
    Path(folder, RECORD).write_text("{", encoding="utf-8")
    rows = list(compare_encoders([folder, str(tiny_model)], taxonomy, labelled, SETTINGS, variants=VARIANTS[:1]))
    assert RECORD in rows[0].error
    assert rows[1].n == 12
