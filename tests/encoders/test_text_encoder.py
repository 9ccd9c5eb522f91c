"""The real encoder: its vectors are those of the model's own library, whatever the texts."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearclass.cores import usable_cores
from nearclass.encoders.fingerprint import TextModel, describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role

Change = Callable[..., Path]

HOSTILE = {
    "plain": "Wireless over-ear headphones, 30 h battery",
    "empty": "",
    "white space": " \t\n\u00a0\u3000 ",
    "emoji": "👩\u200d🔬🫖 kettle 🫖",
    "CJK": "电热水壶 1.7升 不锈钢 やかん 주전자",
    "right to left": "غلاية كهربائية קומקום חשמלי",
    "combining": "k\u0301\u0302\u0303e\u0308t\u0327tle" * 20,
    "controls": "a\x00b\x1b[31mc\u200bd\ufffde",
    "punctuation": "!?.,;:-_()[]{}<>|/\\'\"" * 30,
    "numbers": " ".join(str(number) for number in range(400)),
    "special tokens": "[CLS] kettle [SEP] [MASK] [PAD] [UNK]",
    "a very long word": "x" * 5_000,
    "a long word and then more": f"{'7f' * 6_000} electric kettle",
    "many long words": " ".join(["deadbeef" * 20] * 300),
    "a megabyte": "the quick brown kettle boils " * 36_000,
    "a megabyte of spaces and then more": f"{' ' * 1_000_000}electric kettle",
}


@pytest.fixture(scope="module")
def encoded(encoder: TextEncoder) -> "dict[str, np.ndarray]":
    found = encoder.encode(list(HOSTILE.values()), Role.ITEM)
    return dict(zip(HOSTILE, found.vectors, strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_vector_is_that_of_the_library_of_the_model(name: str, encoded, reference) -> None:
    expected = reference.encode([HOSTILE[name]], normalize_embeddings=True)[0]
    assert float(encoded[name] @ expected) >= 0.99999


def test_vectors_are_float32_of_unit_length_in_the_dimension_of_the_space(encoder: TextEncoder) -> None:
    found = encoder.encode(list(HOSTILE.values())[:8], Role.CLASS)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (8, encoder.space.dim)
    assert found.truncated.dtype == np.bool_
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)


def test_vectors_come_in_the_order_of_the_texts(encoder: TextEncoder) -> None:
    # From long to short, the opposite of the order in which they are worked on.
    texts = ["kettle " * length for length in range(60, 0, -1)]
    together = encoder.encode(texts, Role.ITEM).vectors
    for index in (0, 1, 29, 58, 59):
        alone = encoder.encode([texts[index]], Role.ITEM).vectors[0]
        np.testing.assert_allclose(together[index], alone, atol=1e-6)


def test_a_vector_does_not_depend_on_what_else_is_encoded(encoder: TextEncoder) -> None:
    text = "stainless steel kettle, 1.7 l"
    companies = [[], ["a"] * 3, ["mug " * 200] * 3, ["tea"] * 80, [text] * 2]
    alone, *others = (encoder.encode([*company, text], Role.ITEM).vectors[-1] for company in companies)
    for other in others:
        np.testing.assert_allclose(other, alone, atol=1e-6)


def test_the_same_texts_give_the_same_bits(encoder: TextEncoder) -> None:
    texts = list(HOSTILE.values())[:8]
    first, second = (encoder.encode(texts, Role.ITEM).vectors for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(
    ("text", "truncated"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("kettle " * 254, False, id="254 words and two special tokens are 256"),
        pytest.param("kettle " * 255, True, id="255 words are one too many"),
        pytest.param("kettle " * 254 + " " * 100_000, False, id="white space is no token"),
        pytest.param("x" * 20_000, False, id="a word that is one unknown token"),
        pytest.param("x" * 20_000 + " kettle" * 253, False, id="and 253 more"),
        pytest.param("x" * 20_000 + " kettle" * 254, True, id="and 254 more"),
        pytest.param("水" * 254, False, id="254 characters that are a token each"),
        pytest.param("水" * 255, True, id="255 characters that are a token each"),
        pytest.param("the kettle boils " * 50_000, True, id="a megabyte"),
    ],
)
def test_a_text_is_called_truncated_exactly_when_it_has_more_tokens_than_are_read(
    text: str, truncated: bool, encoder: TextEncoder
) -> None:
    assert encoder.encode([text], Role.ITEM).truncated.tolist() == [truncated]


def test_truncation_is_told_of_each_text(encoder: TextEncoder) -> None:
    found = encoder.encode(["mug", "kettle " * 300, "", "cup " * 999], Role.ITEM)
    assert found.truncated.tolist() == [False, True, False, True]


def test_no_texts_give_no_vectors_and_load_nothing(model_dir: Path) -> None:
    fresh = TextEncoder(describe(resolve(str(model_dir))))
    found = fresh.encode([], Role.ITEM)
    assert found.vectors.shape == (0, 384)
    assert found.truncated.shape == (0,)
    assert fresh._loaded is None


def test_the_space_is_known_before_the_model_is_loaded(model_dir: Path) -> None:
    fresh = TextEncoder(describe(resolve(str(model_dir))))
    assert fresh.space.dim == 384
    assert fresh._loaded is None


def test_two_threads_get_the_vectors_that_one_gets(model_dir: Path, encoder: TextEncoder) -> None:
    # A fresh one, so that both threads come to a model that is not loaded yet.
    fresh = TextEncoder(encoder._model, device="cpu", precision="float32", threads=1)
    texts = [f"kettle number {number}" for number in range(40)]
    expected = encoder.encode(texts, Role.ITEM).vectors
    found: dict[int, np.ndarray] = {}
    start = threading.Barrier(2)

    def work(who: int) -> None:
        start.wait()
        found[who] = np.vstack([fresh.encode(texts[at : at + 10], Role.ITEM).vectors for at in range(0, 40, 10)])

    threads = [threading.Thread(target=work, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for who in range(2):
        np.testing.assert_allclose(found[who], expected, atol=1e-6)


def _prompted(model_dir: Path, **prompts: str) -> TextModel:
    return describe(resolve(str(model_dir)), **prompts)


def test_a_prompt_is_put_before_the_texts_of_its_role_and_makes_another_space(
    model_dir: Path, encoder: TextEncoder
) -> None:
    prompted = TextEncoder(_prompted(model_dir, item_prompt="query: "), device="cpu", precision="float32", threads=1)
    plain = encoder.encode(["kettle", "query: kettle"], Role.ITEM).vectors
    item = prompted.encode(["kettle"], Role.ITEM).vectors[0]
    as_class = prompted.encode(["kettle"], Role.CLASS).vectors[0]
    np.testing.assert_allclose(item, plain[1], atol=1e-6)
    np.testing.assert_allclose(as_class, plain[0], atol=1e-6)
    assert float(item @ plain[0]) < 0.99
    assert prompted.space.fingerprint != encoder.space.fingerprint


def test_a_prompt_counts_towards_the_tokens_that_are_read(model_dir: Path) -> None:
    prompted = TextEncoder(_prompted(model_dir, item_prompt="one two "), device="cpu", precision="float32", threads=1)
    texts = ["kettle " * 252, "kettle " * 253]
    assert prompted.encode(texts, Role.ITEM).truncated.tolist() == [False, True]
    assert prompted.encode(texts, Role.CLASS).truncated.tolist() == [False, False]


def test_bfloat16_is_taken_only_where_its_vectors_are_equivalent(model_dir: Path, encoder: TextEncoder) -> None:
    wished = TextEncoder(encoder._model, device="cpu", precision="bfloat16", threads=1)
    assert wished.running in {"cpu bfloat16", "cpu float32"}
    texts = ["kettle", "stainless steel kettle, 1.7 l", "how do I change my address?"]
    ours, exact = (one.encode(texts, Role.ITEM).vectors for one in (wished, encoder))
    assert (ours * exact).sum(axis=1).min() >= 0.999
    assert wished.space == encoder.space


def test_it_says_where_and_how_it_runs(encoder: TextEncoder) -> None:
    assert encoder.running == "cpu float32"


def test_a_device_that_is_not_here_is_refused_with_what_to_do(encoder: TextEncoder) -> None:
    import torch

    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(EncoderError, match=missing) as caught:
        TextEncoder(encoder._model, device=missing).encode(["kettle"], Role.ITEM)
    assert "NEARCLASS_DEVICE=auto" in caught.value.hint


def test_damaged_weights_are_an_error_that_names_the_folder(light: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        TextEncoder(describe(resolve(str(light)))).encode(["kettle"], Role.ITEM)
    assert str(light) in caught.value.message
    assert "nearclass doctor" in caught.value.hint


def test_what_the_model_raises_becomes_an_encoder_error(copy: Path, edit: Change) -> None:
    # The model has 512 positions: a limit above that is a mistake in its files that shows with a long text.
    edit(copy, "sentence_bert_config.json", max_seq_length=600)
    broken = TextEncoder(describe(resolve(str(copy))), device="cpu", precision="float32", threads=1)
    assert broken.encode(["kettle"], Role.ITEM).vectors.shape == (1, 384)
    with pytest.raises(EncoderError) as caught:
        broken.encode(["kettle " * 550], Role.ITEM)
    assert "nearclass doctor" in caught.value.hint


def test_a_plain_transformer_is_pooled_by_the_mean(copy: Path, encoder: TextEncoder) -> None:
    for extra in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (copy / extra).unlink()
    shutil.rmtree(copy / "1_Pooling")
    plain = TextEncoder(describe(resolve(str(copy))), device="cpu", precision="float32", threads=1)
    texts = ["kettle", "stainless steel kettle, 1.7 l"]
    ours, theirs = (one.encode(texts, Role.ITEM).vectors for one in (plain, encoder))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert plain.space.details["modules"][0]["modes"] == ["mean"]


def test_a_model_saved_by_the_library_reads_as_many_tokens_as_the_library(tmp_path: Path, model_dir: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(model_dir), device="cpu")
    model.max_seq_length = 16
    model.save(str(tmp_path / "saved"), create_model_card=False)
    saved = describe(resolve(str(tmp_path / "saved")))
    assert saved.max_tokens == 16
    ours = TextEncoder(saved, device="cpu", precision="float32", threads=1).encode(["kettle mug " * 40], Role.ITEM)
    assert ours.truncated.tolist() == [True]
    expected = model.encode(["kettle mug " * 40], normalize_embeddings=True)[0]
    assert float(ours.vectors[0] @ expected) >= 0.99999


def test_at_least_one_core_is_usable() -> None:
    assert usable_cores() >= 1
