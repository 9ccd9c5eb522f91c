"""Texts without padding get the vectors that the model's own library gives them."""

import json
import shutil

import numpy as np
import pytest

from nearclass.encoders import packed, text
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
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


@pytest.mark.parametrize("mode", ["mean_tokens", "cls_token"])
def test_the_vectors_are_those_with_padding(tiny_model, tmp_path, mode, monkeypatch):
    folder = with_pooling(tiny_model, tmp_path / "model", mode)
    encoder = encoder_of(folder)
    found = encoder.encode(TEXTS, Role.ITEM)
    assert encoder._loaded.packed
    monkeypatch.setattr(text, "packed_bert", lambda _loaded, _model: None)
    wanted = encoder_of(folder).encode(TEXTS, Role.ITEM)
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=2e-6)
    assert found.truncated.tolist() == wanted.truncated.tolist()


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
    monkeypatch.setattr(text, "packed_bert", lambda _loaded, _model: None)
    padded = vectors("bfloat16")
    assert (ours * exact).sum(axis=1).min() > 0.999
    assert (ours * padded).sum(axis=1).min() > 0.999
