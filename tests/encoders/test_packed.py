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
def test_the_vectors_are_those_with_padding(tiny_model, tmp_path, mode):
    encoder = encoder_of(with_pooling(tiny_model, tmp_path / "model", mode))
    found = encoder.encode(TEXTS, Role.ITEM)
    assert encoder._loaded._packed is not None
    encoder._loaded._packed = None
    wanted = encoder.encode(TEXTS, Role.ITEM)
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=2e-6)
    assert found.truncated.tolist() == wanted.truncated.tolist()


def test_a_model_of_another_kind_is_left_to_its_library(tiny_model, tmp_path):
    encoder = encoder_of(with_pooling(tiny_model, tmp_path / "model", "max_tokens"))
    assert len(encoder.encode(TEXTS, Role.ITEM).vectors) == len(TEXTS)
    assert encoder._loaded._packed is None


def test_a_model_that_this_would_compute_differently_is_padded(tiny_model, monkeypatch, caplog):
    usual = packed.PackedBert.vectors
    monkeypatch.setattr(packed.PackedBert, "vectors", lambda self, ids: usual(self, ids)[::-1])
    encoder = encoder_of(tiny_model)
    encoder.encode(TEXTS, Role.ITEM)
    assert encoder._loaded._packed is None
    assert text._log.name in {record.name for record in caplog.records}


def test_a_text_has_the_same_vector_to_the_last_bit_alone_and_among_others(real_encoder):
    titles = [f"{'steel ' * (number % 5)}kettle {number}" for number in range(40)]
    among = TextEncoder.encode(real_encoder, titles, Role.ITEM).vectors  # not what the fixture remembers
    assert real_encoder._loaded._packed is not None
    for start, size in ((0, 1), (1, 1), (9, 1), (14, 1), (20, 3), (23, 17)):
        few = TextEncoder.encode(real_encoder, titles[start : start + size], Role.ITEM).vectors
        assert np.array_equal(few, among[start : start + size])
