"""Texts without padding get the vectors that the model's own library gives them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nearclass.encoders import packed, text
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.plain_bert import plain_bert
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role

TEXTS = ["kettle", "", "tea and toast 3", "a" * 300, "cup", "two words", "kettle"]


def encoder_of(folder):
    return TextEncoder(describe(resolve(str(folder))), device="cpu", precision="float32")


def with_pooling(folder, to, mode):
    shutil.copytree(folder, to)
    (to / "1_Pooling/config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, f"pooling_mode_{mode}": True})
    )
    return to


def with_padding(monkeypatch):
    """From now on models are run by their library."""
    monkeypatch.setattr(text, "plain_bert", lambda _model: None)
    monkeypatch.setattr(text, "packed_bert", lambda _loaded, _model: None)


@pytest.mark.parametrize("mode", ["mean_tokens", "cls_token"])
def test_the_vectors_are_those_with_padding(tiny_model, tmp_path, mode, monkeypatch):
    folder = with_pooling(tiny_model, tmp_path / "model", mode)
    encoder = encoder_of(folder)
    found = encoder.encode(TEXTS, Role.ITEM)
    assert encoder._loaded.packed
    with_padding(monkeypatch)
    wanted = encoder_of(folder).encode(TEXTS, Role.ITEM)
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=2e-6)
    assert found.truncated.tolist() == wanted.truncated.tolist()


def test_of_a_plain_model_the_library_is_not_imported(tiny_model):
    code = (
        "import sys; from nearclass.encoders.fingerprint import describe; from nearclass.encoders.resolve import resolve;"
        "from nearclass.encoders.text import TextEncoder; from nearclass.schemas.records import Role;"
        f"TextEncoder(describe(resolve({str(tiny_model)!r}))).encode(['kettle'], Role.ITEM);"
        "sys.exit('sentence_transformers' in sys.modules or 'transformers' in sys.modules or 'torch' not in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_under_other_names_are_left_to_the_library_and_computed_alike(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({f"bert.{name}": one for name, one in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    assert plain_bert(describe(resolve(str(folder)))) is None
    assert plain_bert(describe(resolve(str(tiny_model)))) is not None
    encoder = encoder_of(folder)
    found = encoder.encode(TEXTS, Role.ITEM)
    assert encoder._loaded.packed
    np.testing.assert_allclose(found.vectors, encoder_of(tiny_model).encode(TEXTS, Role.ITEM).vectors, atol=2e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {name: one.astype(np.float16) for name, one in tensors.items()},
        lambda tensors: {**tensors, "encoder.layer.1.attention.self.query.weight": np.zeros((32, 32), np.float32)},
        lambda tensors: {name: one for name, one in tensors.items() if name != "embeddings.LayerNorm.bias"},
    ],
    ids=["half precision", "a layer more", "a weight missing"],
)
def test_other_weights_are_not_those_of_a_plain_bert(tiny_model, tmp_path, change):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    model = describe(resolve(str(folder)))
    assert plain_bert(model) is not None
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    assert plain_bert(model) is None


def test_a_damaged_file_of_weights_is_an_error_that_names_it(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    encoder = encoder_of(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(EncoderError, match="cannot load the model"):
        encoder.encode(TEXTS, Role.ITEM)


def test_a_model_of_another_kind_is_left_to_its_library(tiny_model, tmp_path):
    encoder = encoder_of(with_pooling(tiny_model, tmp_path / "model", "max_tokens"))
    assert len(encoder.encode(TEXTS, Role.ITEM).vectors) == len(TEXTS)
    assert not encoder._loaded.packed


def test_a_model_that_this_would_compute_differently_is_padded(tiny_model, monkeypatch, caplog):
    usual = packed.PackedBert.vectors
    monkeypatch.setattr(packed.PackedBert, "vectors", lambda self, ids: usual(self, ids)[::-1])
    encoder = encoder_of(tiny_model)
    encoder.encode(TEXTS, Role.ITEM)
    assert not encoder._loaded.packed
    assert text._log.name in {record.name for record in caplog.records}


def test_a_text_has_the_same_vector_to_the_last_bit_alone_and_among_others(real_encoder):
    titles = [f"{'steel ' * (number % 5)}kettle {number}" for number in range(40)]
    among = TextEncoder.encode(real_encoder, titles, Role.ITEM).vectors  # not what the fixture remembers
    assert real_encoder._loaded.packed
    for start, size in ((0, 1), (1, 1), (9, 1), (14, 1), (20, 3), (23, 17)):
        few = TextEncoder.encode(real_encoder, titles[start : start + size], Role.ITEM).vectors
        assert np.array_equal(few, among[start : start + size])


def test_in_bfloat16_the_vectors_are_those_of_autocast_nearly(tiny_model, monkeypatch):
    def vectors(kind):
        made = TextEncoder(describe(resolve(str(tiny_model))), device="cpu", precision=kind)
        found = made.encode(TEXTS, Role.ITEM).vectors
        assert made.running == f"cpu {kind}"
        return found

    ours, exact = vectors("bfloat16"), vectors("float32")
    with_padding(monkeypatch)
    padded = vectors("bfloat16")
    assert (ours * exact).sum(axis=1).min() > 0.999
    assert (ours * padded).sum(axis=1).min() > 0.999
