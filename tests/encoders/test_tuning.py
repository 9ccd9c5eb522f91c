"""Fine-tuning of a text encoder: what the copy is like, and what training takes for a stranger."""

import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.encoders.tuning import Examples, _Lessons, _loss, steps_for, tune_model
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role

EXAMPLES = Examples(
    tuple(f"{word} {number}" for word in ("kettle", "spade", "boot") for number in range(8)),
    np.repeat(np.arange(3), 8),
    (("Kettles", "water boiler"), ("Spades",), ("Boots",)),
)
TEXTS = ["a kettle", "spade with a handle of ash", "boots"]


@pytest.fixture(scope="module")
def source(tiny_model):
    return describe(resolve(str(tiny_model)))


@pytest.fixture(scope="module")
def tuned(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "model"
    tune_model(source, EXAMPLES, folder, threads=1)
    return describe(resolve(str(folder)))


def vectors(model, role=Role.ITEM):
    return TextEncoder(model, device="cpu", precision="float32", threads=1).encode(TEXTS, role).vectors


def test_the_model_that_is_trained_stays_as_it_is(tiny_model, source, tuned):
    assert describe(resolve(str(tiny_model))).space == source.space
    assert tuned.space.fingerprint != source.space.fingerprint
    assert np.abs(vectors(tuned) - vectors(source)).max() > 1e-5


def test_the_copy_has_the_prompts_and_the_length_limit_of_the_model(source, tuned):
    assert source.prompts == {Role.CLASS: "text ", Role.ITEM: "find "}
    assert tuned.prompts == source.prompts
    assert tuned.max_tokens == source.max_tokens == 48


def test_prompts_that_were_given_in_place_of_the_models_are_written_into_the_copy(tiny_model, tmp_path):
    given = describe(resolve(str(tiny_model)), class_prompt="class ", item_prompt="")
    tune_model(given, EXAMPLES, tmp_path / "model", threads=1)
    assert describe(resolve(str(tmp_path / "model"))).prompts == {Role.CLASS: "class ", Role.ITEM: ""}


@pytest.mark.parametrize(("role", "name"), [(Role.ITEM, "query"), (Role.CLASS, "document")])
def test_the_copy_is_an_ordinary_folder_that_gives_the_same_vectors_to_others(tuned, role, name):
    from sentence_transformers import SentenceTransformer

    others = SentenceTransformer(str(tuned.folder.path), device="cpu").encode(TEXTS, prompt_name=name)
    unit = others / np.linalg.norm(others, axis=1, keepdims=True)
    assert unit == pytest.approx(vectors(tuned, role), abs=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(source, tuned, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        tune_model(source, EXAMPLES, tmp_path / name, seed=seed, threads=1)
    same, other = (describe(resolve(str(tmp_path / name))).space.details["weights"] for name in ("same", "other"))
    assert same == tuned.space.details["weights"] != other


def test_whoever_draws_random_numbers_is_not_disturbed(source, tmp_path):
    import torch

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    tune_model(source, EXAMPLES, tmp_path / "model", threads=1)
    assert torch.equal(torch.rand(3), expected)


def test_embeddings_of_tokens_are_not_trained_and_layers_are(source, tuned):
    before, after = (load_file(model.folder.path / "model.safetensors") for model in (source, tuned))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert "embeddings.word_embeddings.weight" not in changed
    assert "encoder.layer.0.output.dense.weight" in changed


def test_progress_is_told_after_every_step(source, tmp_path):
    told = []
    tune_model(source, EXAMPLES, tmp_path / "model", threads=1, on_step=lambda *one: told.append(one))
    steps = steps_for(len(EXAMPLES.items))
    assert told == [(done, steps) for done in range(1, steps + 1)]


def test_many_labels_take_no_more_steps_than_a_few_thousand():
    assert steps_for(1) == 1
    assert steps_for(1_000_000) == steps_for(10_000)


def test_a_model_that_cannot_be_loaded_is_an_error_and_leaves_nothing(copy_of_tiny, tmp_path):
    (copy_of_tiny / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(EncoderError, match="cannot load the model"):
        tune_model(describe(resolve(str(copy_of_tiny))), EXAMPLES, tmp_path / "model", threads=1)
    assert not (tmp_path / "model").exists()


@pytest.fixture
def copy_of_tiny(tiny_model, tmp_path):
    import shutil

    return shutil.copytree(tiny_model, tmp_path / "copy")


def test_every_item_comes_once_each_time_round_and_those_of_a_class_in_pairs():
    labels = np.array([0] * 40 + [1] * 5 + [2])
    rows = 3 * [np.array([46])]
    batches = _Lessons([[0]] * 47, labels, rows).batches(np.random.default_rng(0))
    one_round = [next(batches), next(batches)]
    assert sorted(np.concatenate(one_round).tolist()) == list(range(46))
    alone = [batch for batch in one_round if (np.bincount(labels[batch]) == 1).sum() > 2]
    assert not alone


def unit(*rows):
    import torch

    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def test_two_items_of_a_class_are_no_strangers_to_each_other():
    # Two items and the text of their class, all alike, and a stranger at a right angle.
    together = unit([1, 0], [1, 0], [0, 1], [1, 0], [0, 1])
    loss = _loss(together, np.array([0, 1, 2, 3, 4]), np.array([0, 0, 1, 0, 1]), 3)
    assert float(loss) < 1e-6


def test_classes_that_are_called_alike_do_not_push_each_others_items_away():
    named_alike = unit([1, 0], [0, 1], [1, 1], [1, 1])
    labels = np.array([0, 1, 0, 1])
    apart = float(_loss(named_alike, np.array([0, 1, 2, 3]), labels, 2))
    alike = float(_loss(named_alike, np.array([0, 1, 2, 2]), labels, 2))
    # An item meets the other item, and the text of the other class where that is another text.
    cosine = math.sqrt(0.5)
    assert apart == pytest.approx(math.log(1 + math.exp(0) + math.exp(-cosine / 0.05)), abs=1e-3)
    assert alike == pytest.approx(math.log(1 + math.exp(-cosine / 0.05)), abs=1e-3)


@pytest.mark.slow
def test_a_real_model_learns_what_belongs_together(encoder, tmp_path):
    pairs = (("kettle", "cello"), ("spade", "comet"), ("boot", "violin"), ("lamp", "planet"))
    items = tuple(f"{word} number {number}" for pair in pairs for word in pair for number in range(6))
    texts = tuple((f"Group {name}",) for name in ("A", "B", "C", "D"))
    tune_model(encoder.model, Examples(items, np.repeat(np.arange(4), 12), texts), tmp_path / "model", threads=1)
    after = TextEncoder(describe(resolve(str(tmp_path / "model"))), device="cpu", precision="float32", threads=1)
    words = [f"a {word}" for pair in pairs for word in pair]

    def apart(one):
        similar = one.encode(words, Role.ITEM).vectors @ one.encode(words, Role.ITEM).vectors.T
        return np.mean([similar[at, at + 1] for at in range(0, 8, 2)]) - similar.mean()

    assert apart(after) > apart(encoder) + 0.1
