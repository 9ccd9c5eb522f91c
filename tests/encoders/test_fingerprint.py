"""The identity of a space: the same for the same model wherever it lies, another for whatever changes a vector."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role
from nearclass.schemas.spaces import Space

Change = Callable[..., Path]


def _space(folder: Path | str, **prompts: str) -> Space:
    return describe(resolve(str(folder), offline=True), **prompts).space


def test_a_package_and_a_copied_folder_are_one_space(copy: Path) -> None:
    by_name, by_folder = _space("minilm"), _space(copy)
    assert by_name.fingerprint == by_folder.fingerprint
    # Collections are found by the name, so that has to be the same too.
    assert by_name.name == by_folder.name


def test_a_preset_and_its_model_id_are_one_space(model_dir: Path) -> None:
    assert _space("minilm").fingerprint == _space("sentence-transformers/all-MiniLM-L6-v2").fingerprint


def test_it_does_not_change_from_run_to_run(light: Path) -> None:
    first, second = _space(light), _space(light)
    assert first == second
    assert re.fullmatch(r"[0-9a-f]{64}", first.fingerprint)


def test_the_name_of_a_space_is_safe_in_the_name_of_a_collection(light: Path, tmp_path: Path) -> None:
    odd = Path(shutil.copytree(light, tmp_path / "Mödel; drop --"))
    space = _space(odd)
    assert re.fullmatch(r"[a-z0-9_]{1,64}", space.name)
    assert space.name.endswith(space.fingerprint[:10])


def test_a_folder_is_remembered_by_its_full_path(light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(light.parent)
    space = _space("./light")
    monkeypatch.chdir(tmp_path.parent)
    assert _space(space.encoder) == space


def test_names_of_libraries_and_people_do_not_change_it(light: Path, edit: Change) -> None:
    before = _space(light).fingerprint
    edit(light, "config.json", _name_or_path="/home/me/model", transformers_version="9", use_cache=False)
    edit(light, "config_sentence_transformers.json", __version__={"pytorch": "9"})
    edit(light, "tokenizer_config.json", name_or_path="other", tokenizer_class="BertTokenizerFast")
    (light / "README.md").write_text("Another word.", encoding="utf-8")
    assert _space(light).fingerprint == before


@pytest.mark.parametrize(
    ("file", "values"),
    [
        pytest.param("config.json", {"layer_norm_eps": 1e-6}, id="architecture"),
        pytest.param("config.json", {"num_attention_heads": 6}, id="heads"),
        pytest.param("sentence_bert_config.json", {"max_seq_length": 128}, id="limit of tokens"),
        pytest.param("sentence_bert_config.json", {"do_lower_case": True}, id="lower case by the library"),
        pytest.param("tokenizer_config.json", {"do_lower_case": False}, id="lower case by the tokenizer"),
        pytest.param("tokenizer_config.json", {"strip_accents": False}, id="accents"),
        pytest.param("1_Pooling/config.json", {"include_prompt": False}, id="pooling without the prompt"),
        pytest.param(
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True},
            id="pooling",
        ),
        pytest.param("config_sentence_transformers.json", {"prompts": {"query": "query: "}}, id="prompt of items"),
        pytest.param("config_sentence_transformers.json", {"prompts": {"document": "text: "}}, id="prompt of classes"),
    ],
)
def test_what_changes_a_vector_changes_it(file: str, values: dict, light: Path, edit: Change) -> None:
    before = _space(light).fingerprint
    assert _space(edit(light, file, **values)).fingerprint != before


def test_a_byte_of_the_weights_changes_it(light: Path) -> None:
    before = _space(light).fingerprint
    (light / "model.safetensors").write_bytes(b"weighty")
    assert _space(light).fingerprint != before


def test_a_byte_of_the_tokenizer_changes_it(light: Path) -> None:
    before = _space(light).fingerprint
    tokenizer = light / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert _space(light).fingerprint != before


def test_a_module_more_changes_it(light: Path) -> None:
    before = _space(light).fingerprint
    modules = json.loads((light / "modules.json").read_text(encoding="utf-8"))
    (light / "modules.json").write_text(json.dumps(modules[:2]), encoding="utf-8")
    assert _space(light).fingerprint != before


def test_a_configured_prompt_changes_it_for_either_role(light: Path) -> None:
    plain = _space(light).fingerprint
    found = {
        plain,
        _space(light, item_prompt="query: ").fingerprint,
        _space(light, class_prompt="query: ").fingerprint,
    }
    assert len(found) == 3
    assert _space(light, item_prompt="", class_prompt="").fingerprint == plain


def test_an_empty_prompt_takes_the_models_own_away(light: Path, edit: Change) -> None:
    edit(light, "config_sentence_transformers.json", prompts={"query": "query: ", "passage": "passage: "})
    own, none = describe(resolve(str(light))), describe(resolve(str(light)), item_prompt="")
    assert own.prompts == {Role.ITEM: "query: ", Role.CLASS: "passage: "}
    assert none.prompts == {Role.ITEM: "", Role.CLASS: "passage: "}


def test_the_old_and_the_new_way_to_write_pooling_are_one_space(light: Path) -> None:
    old = _space(light)
    new = {"embedding_dimension": 384, "pooling_mode": "mean", "include_prompt": True}
    (light / "1_Pooling" / "config.json").write_text(json.dumps(new), encoding="utf-8")
    modules = json.loads((light / "modules.json").read_text(encoding="utf-8"))
    modules[1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    (light / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    assert _space(light).fingerprint == old.fingerprint


@pytest.mark.parametrize(
    ("settings", "dim"),
    [
        pytest.param({"embedding_dimension": 384, "pooling_mode": ["cls", "mean"]}, 768, id="two poolings"),
        pytest.param(
            {
                "word_embedding_dimension": 384,
                "pooling_mode_cls_token": True,
                "pooling_mode_max_tokens": True,
                "pooling_mode_mean_tokens": True,
            },
            1152,
            id="three, in the old way",
        ),
        pytest.param({}, 384, id="nothing said"),
    ],
)
def test_the_dimension_is_what_pooling_makes_of_it(settings: dict, dim: int, light: Path) -> None:
    (light / "1_Pooling" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert _space(light).dim == dim


def test_the_dimension_is_that_of_the_last_layer(light: Path, edit: Change) -> None:
    modules = json.loads((light / "modules.json").read_text(encoding="utf-8"))
    modules.insert(2, {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (light / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (light / "2_Dense").mkdir()
    edit(light, "2_Dense/config.json", in_features=384, out_features=64)
    assert _space(light).dim == 64


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"sentence_bert_config.json": {"max_seq_length": 99}}, 99, id="the library's old file"),
        pytest.param({"tokenizer_config.json": {"model_max_length": 77}}, 77, id="the tokenizer"),
        pytest.param({"tokenizer_config.json": {"model_max_length": 10**30}}, 512, id="no limit of its own"),
        pytest.param({"tokenizer_config.json": {"model_max_length": 9999}}, 512, id="more than positions"),
    ],
)
def test_the_limit_of_tokens_is_the_one_that_the_library_takes(
    limits: dict, expected: int, light: Path, edit: Change
) -> None:
    (light / "sentence_bert_config.json").unlink()
    for file, values in limits.items():
        edit(light, file, **values)
    assert describe(resolve(str(light))).max_tokens == expected


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_weights_that_could_run_code_are_refused_by_name(name: str, light: Path) -> None:
    (light / "model.safetensors").rename(light / name)
    with pytest.raises(EncoderError) as caught:
        _space(light)
    assert name in caught.value.message
    assert str(light) in caught.value.message
    assert "safetensors" in caught.value.hint


def test_weights_of_the_other_kind_beside_safe_ones_do_no_harm(light: Path) -> None:
    before = _space(light).fingerprint
    (light / "pytorch_model.bin").write_bytes(b"not read")
    assert _space(light).fingerprint == before


def test_a_folder_without_weights_is_refused(light: Path) -> None:
    (light / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match="no weights"):
        _space(light)


def test_a_missing_tokenizer_is_named(light: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (light / name).unlink()
    with pytest.raises(EncoderError, match="no tokenizer") as caught:
        _space(light)
    assert "tokenizer.json" in caught.value.hint


def test_a_missing_configuration_is_named(light: Path) -> None:
    (light / "config.json").unlink()
    with pytest.raises(EncoderError, match=r"config\.json"):
        _space(light)


@pytest.mark.parametrize("content", ["", "{", "\x00", '{"a": '], ids=repr)
def test_a_configuration_that_is_no_json_is_named(content: str, light: Path) -> None:
    (light / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match=r"config\.json"):
        _space(light)


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", '[{"a": 1}, {"b": 2}]', '"x"'])
def test_modules_that_are_no_modules_are_named(content: str, light: Path) -> None:
    (light / "modules.json").write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match=r"modules\.json"):
        _space(light)


def test_a_vector_length_that_nobody_says_is_an_error(light: Path, edit: Change) -> None:
    edit(light, "config.json", hidden_size=None)
    (light / "1_Pooling" / "config.json").unlink()
    with pytest.raises(EncoderError, match="hidden_size"):
        _space(light)


def test_modules_with_code_of_their_own_are_refused_by_name(light: Path) -> None:
    modules = json.loads((light / "modules.json").read_text(encoding="utf-8"))
    modules[1]["type"] = "custom_pooling.Pooling"
    (light / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(EncoderError, match="custom_pooling"):
        _space(light)
