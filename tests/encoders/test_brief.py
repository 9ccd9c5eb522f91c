"""A few texts are encoded without torch, to the same vectors."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from nearclass.encoders.background import BACKGROUND
from nearclass.encoders.brief import MOST_TEXTS, is_brief
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.plain_bert import plain_bert
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.schemas.records import Role

TEXTS = ("kettle", "", "Café Ünïcode 日本語 🫖", "x" * 3000, "word " * 300, *BACKGROUND[:5])


@pytest.mark.parametrize("role", [Role.CLASS, Role.ITEM])
def test_vectors_are_those_of_the_whole_library(real_encoder, role):
    small = TextEncoder(describe(resolve("minilm")), precision="float32", brief=True)
    found, wanted = small.encode(TEXTS, role), real_encoder.encode(TEXTS, role)
    assert small._loaded is None
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=2e-6)
    assert found.truncated.tolist() == wanted.truncated.tolist()
    assert found.vectors.dtype == np.float32


def test_a_model_of_another_tokenizer_class_too(tiny_model):
    model = describe(resolve(str(tiny_model)))
    small, whole = TextEncoder(model, precision="float32", brief=True), TextEncoder(model, precision="float32")
    texts = ["kettle", "tea and toast 3", "a" * 300]
    found, wanted = small.encode(texts, Role.CLASS), whole.encode(texts, Role.CLASS)
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=2e-6)
    assert found.truncated.tolist() == wanted.truncated.tolist()


def test_a_model_that_gives_the_first_token_too(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    path = folder / "1_Pooling/config.json"
    pooling = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**pooling, "pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}))
    texts, model = ["kettle", "tea and toast 3"], describe(resolve(str(folder)))
    small = TextEncoder(model, precision="float32", brief=True).encode(texts, Role.CLASS)
    whole = SentenceTransformer(str(folder), device="cpu").encode(
        texts, prompt_name="passage", normalize_embeddings=True
    )
    np.testing.assert_allclose(small.vectors, whole, atol=2e-6)


def test_many_texts_load_the_whole_library_and_it_stays(tiny_model):
    encoder = TextEncoder(describe(resolve(str(tiny_model))), precision="float32", brief=True)
    encoder.encode(["kettle"] * (MOST_TEXTS + 1), Role.ITEM)
    assert encoder._loaded is not None
    assert encoder._small_one(["kettle"]) is None
    assert not is_brief(["x" * 100_000])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", {"model_type": "distilbert"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("config.json", {"num_hidden_layers": 3}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer"}),
        ("tokenizer_config.json", {"tokenizer_class": "BertTokenizer"}),
    ],
)
def test_what_is_not_a_plain_bert_is_left_to_the_library(tiny_model, tmp_path, name, change):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert plain_bert(describe(resolve(str(tiny_model)))) is not None
    assert plain_bert(describe(resolve(str(folder)))) is None


@pytest.mark.slow
def test_a_class_is_added_by_a_process_that_never_imports_torch(real_encoder, shop, tmp_path):
    code = (
        "import sys\n"
        "from nearclass.cli.app import cli\n"
        "cli(['--uri', 'a.db', 'classes', 'add', 'Kettles', '-d', 'To boil water.'], standalone_mode=False)\n"
        "cli(['--uri', 'a.db', 'assign', 'steel kettle'], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules or 'sentence_transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"class_id":"kettles"' in done.stdout
