"""An encoder trained on labels: when it is kept, and what is refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from nearclass import Catalog, ClassSpec, Item, Settings, tuning
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.encoders.tuned import read_tuned, text_digest
from nearclass.errors import EmptyTaxonomyError, EncoderError, UsageError
from nearclass.ingest.class_files import open_classes
from nearclass.ingest.labelled import Labelled
from nearclass.schemas.taxonomy import Taxonomy
from nearclass.tuning import _chance, tune
from nearclass.tuning_inputs import Given

SETTINGS = Settings(offline=True, precision="float32", device="cpu", threads=1)
NAMES = ("kettles", "spades", "boots", "lamps", "printers")
TAXONOMY = Taxonomy([ClassSpec(name, name.capitalize()) for name in NAMES])


def labelled(of_each=16):
    return [
        Labelled(Item(f"{name}-{number}", title=f"{name[:3]} {number}"), frozenset({name}))
        for name in NAMES
        for number in range(of_each)
    ]


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def encoder(tiny_model):
    return TextEncoder(describe(resolve(str(tiny_model))), device="cpu", precision="float32", threads=1)


@pytest.fixture
def anything_is_better(monkeypatch):
    """Five steps change next to nothing in a random model, so nothing would ever be kept."""
    monkeypatch.setattr(tuning, "_CHANCE", 1.0)


def test_what_is_not_better_is_not_kept_and_leaves_nothing(encoder, tmp_path):
    report = tune(encoder, TAXONOMY, labelled(), tmp_path / "made" / "model", SETTINGS)
    assert (report.kept, report.folder) == (False, None)
    assert (report.labels, report.held_out) == (60, 20)
    assert report.chance > 0.05
    assert "not better" in report.reason
    assert names(tmp_path / "made") == []


@pytest.mark.usefixtures("anything_is_better")
def test_what_is_kept_is_an_encoder_that_says_what_it_was_trained_on(encoder, tmp_path):
    rows = labelled()
    report = tune(encoder, TAXONOMY, rows, tmp_path / "model", SETTINGS, items=["a kettle", "boo 3"], seed=5)
    assert report.folder == str(tmp_path / "model")
    assert names(tmp_path) == ["model"]
    assert report.items == 1  # the other one has a label
    assert describe(resolve(report.folder)).prompts == encoder.model.prompts
    record = read_tuned(tmp_path / "model")
    assert (record.source, record.seed, record.labels, record.held_out) == (report.source, 5, 60, 20)
    assert record.source_fingerprint == encoder.space.fingerprint
    assert record.accuracy_after == report.accuracy_after
    assert set(record.texts) < {text_digest(row.item.title) for row in rows}
    assert len(record.texts) == 60


@pytest.mark.usefixtures("anything_is_better")
def test_an_empty_folder_may_be_named(encoder, tmp_path):
    (tmp_path / "model").mkdir()
    assert tune(encoder, TAXONOMY, labelled(), tmp_path / "model", SETTINGS).kept
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_a_folder_in_use_is_refused_before_anything_is_read(encoder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UsageError, match="is not an empty folder"):
            tune(encoder, TAXONOMY, [], folder, SETTINGS)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_whoever_stops_the_training_finds_no_half_folder(encoder, tmp_path):
    def stop(done, _steps):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(encoder, TAXONOMY, labelled(), tmp_path / "model", SETTINGS, on_step=stop)
    assert names(tmp_path) == []


def test_until_the_end_the_folder_is_not_there(encoder, tmp_path):
    seen = []
    tune(encoder, TAXONOMY, labelled(), tmp_path / "model", SETTINGS, on_step=lambda *_: seen.append((tmp_path / "model").exists()))  # fmt: skip
    assert seen
    assert not any(seen)


def test_too_few_labels_are_refused_with_how_many_are_needed(encoder, tmp_path):
    with pytest.raises(UsageError) as refused:
        tune(encoder, TAXONOMY, labelled(13), tmp_path / "model", SETTINGS)
    assert "65 labels of 5 classes: 15 can be held out to measure it, and 20 are needed" in refused.value.message
    assert "20 classes" in refused.value.hint
    assert len(Given.of(TAXONOMY, labelled(14), []).held) == 20
    with pytest.raises(UsageError, match="0 labels of 0 classes: 0 can be held out"):
        tune(encoder, TAXONOMY, [], tmp_path / "model", SETTINGS)


def test_without_a_class_there_is_nothing_to_train_for(encoder, tmp_path):
    with pytest.raises(EmptyTaxonomyError, match="no class to answer"):
        tune(encoder, Taxonomy([]), labelled(), tmp_path / "model", SETTINGS)


def test_an_encoder_that_is_no_text_model_is_refused(tmp_path):
    class Counting:
        """Texts to their lengths."""

        def encode(self, texts, role):
            raise NotImplementedError

    with pytest.raises(EncoderError, match="Counting cannot be trained"):
        tune(Counting(), TAXONOMY, labelled(), tmp_path / "model", SETTINGS)


def test_a_text_with_two_labels_is_on_one_side_only_and_the_last_label_counts():
    rows = [*labelled(), Labelled(Item("again", title="ket 0"), frozenset({"boots"}))]
    given = Given.of(TAXONOMY, rows, ["ket 0", "other", "other"])
    assert len(given.texts) == len(set(given.texts)) == 81
    assert given.labels[given.texts.index("ket 0")] == sorted(NAMES).index("boots")
    assert not set(given.held) & set(given.trained)


def test_rows_of_several_classes_of_none_or_of_unknown_ones_are_passed_over():
    more = [frozenset({"kettles", "boots"}), frozenset(), frozenset({"sold out"})]
    rows = labelled() + [Labelled(Item(str(n), title=f"more {n}"), truth) for n, truth in enumerate(more)]
    assert len(Given.of(TAXONOMY, rows, []).texts) == 80


def test_the_name_of_the_class_above_is_not_trained_on():
    taxonomy = Taxonomy(
        [ClassSpec("home", "Home"), *(ClassSpec(n, n, "home", ("For the home.",), (), (f"an {n}",)) for n in NAMES)]
    )
    said = Given.of(taxonomy, labelled(), []).examples().class_texts
    assert said == tuple((name, "For the home.") for name in sorted(NAMES))


def test_more_is_asked_of_the_new_encoder_than_luck():
    assert _chance(0, 0) == 1
    assert _chance(4, 0) == 1 / 16 > 0.05 > _chance(5, 0) == 1 / 32
    assert _chance(3, 3) > 0.5
    assert _chance(0, 9) == 1
    assert _chance(1200, 900) < 1e-9


def test_stored_items_are_learnt_from_and_stay_as_they_are(encoder, tmp_path):
    with Catalog.open(settings=SETTINGS.model_copy(update={"uri": str(tmp_path / "shop.db")}), encoder=encoder) as catalog:  # fmt: skip
        catalog.import_classes([TAXONOMY[name] for name in NAMES])
        assert catalog.tune(labelled(), tmp_path / "empty").items == 0
        catalog.ingest([Item("a", title="a kettle", text="of steel"), Item("b", title="boo 3")])
        before = catalog.items().get("a")
        report = catalog.tune(labelled(), tmp_path / "model", seed=1)
        assert report.items == 1
        assert catalog.items().get("a") == before
        assert catalog.learning.versions() == []


ASKED = ("where is {}", "when will I get {}", "I have been waiting for {}", "any news about {}", "track {} please")
BROKEN = (
    "{} does not work",
    "{} is in pieces",
    "I cannot switch {} on",
    "there is a crack in {}",
    "smoke comes from {}",
)
PRAISE = ("{} is wonderful", "I am so happy with {}", "best purchase ever, {}", "everybody loves {}", "thanks for {}")
RETURN = (
    "I want my money back for {}",
    "take {} back",
    "{} is not what I wanted",
    "refund {}",
    "I send {} back to you",
)
THINGS = ("the kettle", "my new boots", "that spade", "the garden hose", "our printer", "the red lamp", "these trousers", "the sofa")  # fmt: skip
WISHES = {"c1": ASKED, "c2": BROKEN, "c3": PRAISE, "c4": RETURN}


def wishes(truth):
    taxonomy = Taxonomy([ClassSpec(one, f"Queue {one[1]}") for one in WISHES])
    rows = [
        Labelled(Item(f"{one}-{number}", text=pattern.format(thing)), frozenset({truth(one)}))
        for one, patterns in WISHES.items()
        for number, (pattern, thing) in enumerate((p, t) for t in THINGS for p in patterns)
    ]
    return taxonomy, rows


@pytest.mark.slow
def test_labels_that_say_nothing_train_no_encoder(real_encoder, tmp_path):
    rng = np.random.default_rng(0)
    taxonomy, rows = wishes(lambda _: str(rng.choice(list(WISHES))))
    report = tune(real_encoder, taxonomy, rows, tmp_path / "model", SETTINGS)
    assert not report.kept
    assert names(tmp_path) == []


@pytest.mark.slow
def test_the_labels_of_the_demo_make_a_better_encoder_and_leave_the_one_there_is(real_encoder, tmp_path):
    folder = Path(__file__).parents[1] / "demo" / "data"
    taxonomy = Taxonomy(open_classes(str(folder / "classes.jsonl"), Taxonomy([])).specs)
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [
        Labelled(Item(row["id"], row.get("title"), row.get("description"), row.get("text")), frozenset({row["label"]}))
        for row in map(json.loads, lines)
    ]
    weights = real_encoder.model.folder.path / "model.safetensors"
    before = hashlib.sha256(weights.read_bytes()).hexdigest()
    report = tune(real_encoder, taxonomy, rows, tmp_path / "model", SETTINGS)
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == before
    assert report.accuracy_after > report.accuracy_before
    assert report.mended > report.broken
    assert report.kept == (report.chance <= 0.05) == (tmp_path / "model").exists()
