"""Where an image encoder is found, and what its space is made of; nothing is loaded."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nearclass.encoders.image_model import ImageModel, describe_image
from nearclass.encoders.image_presets import DEFAULT_IMAGE_PRESET, IMAGE_PRESETS
from nearclass.encoders.image_resolve import resolve_image
from nearclass.errors import ConfigError, EncoderError, ModelNotFoundError
from nearclass.schemas.spaces import Space

Made = Callable[..., Path]
CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


def described(folder: Path, **options: Any) -> ImageModel:
    return describe_image(resolve_image(f"local-dir:{folder}", offline=True), **options)


@pytest.fixture
def copy(tiny_clip: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_clip(tokenizer="words"), tmp_path / "copy"))


@pytest.fixture
def change(copy: Path) -> Callable[..., Path]:
    """Set a key of the configuration by its path, or remove it with None."""

    def set_(path: str, value: Any) -> Path:
        config = json.loads((copy / CONFIG).read_text(encoding="utf-8"))
        *parts, last = path.split(".")
        place = config
        for part in parts:
            place = place[part]
        place[last] = value
        if value is None:
            del place[last]
        (copy / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        return copy

    return set_


def test_the_space_is_known_without_loading_the_model(tiny_clip: Made) -> None:
    model = described(tiny_clip())
    space = model.space
    assert (space.kind, space.dim, len(space.fingerprint)) == ("image", 24, 64)
    assert space.name == f"clip_vit16_24_{space.fingerprint[:10]}"
    assert space.encoder == f"local-dir:{tiny_clip()}"
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))).fingerprint == space.fingerprint
    assert (model.max_tokens, model.preprocessing.size) == (16, (32, 32))


def test_describing_a_folder_imports_neither_torch_nor_open_clip(tiny_clip: Made) -> None:
    code = (
        "import sys\nfrom nearclass.encoders.image_model import describe_image\n"
        "from nearclass.encoders.image_resolve import resolve_image\n"
        "describe_image(resolve_image(sys.argv[1], offline=True))\n"
        "print([name for name in ('torch', 'open_clip', 'transformers') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, f"local-dir:{tiny_clip()}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_same_model_is_the_same_space_wherever_it_lies(copy: Path, tiny_clip: Made) -> None:
    original = described(tiny_clip(tokenizer="words")).space
    assert described(copy).space.fingerprint == original.fingerprint
    assert described(copy).space.name == original.name


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("preprocess_cfg.mean", [0.5, 0.4, 0.31]),
        ("preprocess_cfg.std", [0.3, 0.2, 0.26]),
        ("preprocess_cfg.interpolation", "bilinear"),
        ("preprocess_cfg.resize_mode", "squash"),
        ("preprocess_cfg.fill_color", 1),
        ("model_cfg.vision_cfg.image_size", 64),
        ("model_cfg.vision_cfg.layers", 2),
        ("model_cfg.text_cfg.context_length", 12),
        ("model_cfg.quick_gelu", True),
        ("model_cfg.text_cfg.tokenizer_kwargs", {"clean": "lower"}),
    ],
)
def test_whatever_changes_a_vector_makes_another_space(
    path: str, value: Any, change: Callable[..., Path], tiny_clip: Made
) -> None:
    assert described(change(path, value)).space.fingerprint != described(tiny_clip(tokenizer="words")).space.fingerprint


@pytest.mark.parametrize("file", [WEIGHTS, "tokenizer.json"])
def test_other_weights_or_another_tokenizer_make_another_space(file: str, copy: Path) -> None:
    before = described(copy).space.fingerprint
    (copy / file).write_bytes((copy / file).read_bytes() + b" ")
    assert described(copy).space.fingerprint != before


def test_prompts_are_part_of_the_space(tiny_clip: Made) -> None:
    spaces = [described(tiny_clip(), prompts=prompts).space for prompts in (None, ("a photo of {}.", "{}"), ("{}",))]
    assert spaces[0].fingerprint == spaces[1].fingerprint != spaces[2].fingerprint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("preprocess_cfg.interpolation", "bicubic"),
        ("preprocess_cfg.resize_mode", "shortest"),
        ("preprocess_cfg.mode", "RGB"),
        ("preprocess_cfg.size", 32),
        ("preprocess_cfg.size", [32, 32]),
        ("model_cfg.text_cfg.hf_tokenizer_name", "somebody/else"),
        ("about", "me"),
    ],
)
def test_saying_what_holds_anyway_changes_no_space(
    path: str, value: Any, change: Callable[..., Path], tiny_clip: Made
) -> None:
    assert described(change(path, value)).space.fingerprint == described(tiny_clip(tokenizer="words")).space.fingerprint


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("preprocess_cfg", None, "says nothing of preprocess_cfg: mean, std"),
        ("preprocess_cfg.mean", None, "says nothing of preprocess_cfg: mean"),
        ("model_cfg", None, "says nothing of model_cfg"),
        ("model_cfg.embed_dim", None, "embed_dim"),
        ("model_cfg.embed_dim", "large", "embed_dim is 'large'"),
        ("preprocess_cfg.size", 48, r"prepared in \(48, 48\), and the model takes \(32, 32\)"),
        ("preprocess_cfg.mode", "L", "RGB alone"),
        ("preprocess_cfg.interpolation", "lanczos", "bicubic, bilinear"),
        ("preprocess_cfg.resize_mode", "stretch", "squash"),
        ("preprocess_cfg.std", [0.3, 0.2, 0], "prepare no RGB picture"),
        ("preprocess_cfg.mean", [0.3, 0.2], "prepare no RGB picture"),
        ("preprocess_cfg.mean", "grey", "cannot be read"),
        ("model_cfg.text_cfg.hf_model_name", "somebody/text", "text tower of transformers, 'somebody/text'"),
        ("model_cfg.text_cfg.tokenizer_kwargs", {"trust_remote_code": True}, r"not taken: \['trust_remote_code'\]"),
        ("model_cfg.vision_cfg.timm_model_name", "hf-hub:somebody/tower", "lies elsewhere"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_followed_is_refused(
    path: str, value: Any, words: str, change: Callable[..., Path]
) -> None:
    with pytest.raises(EncoderError, match=words):
        described(change(path, value))


@pytest.mark.parametrize("prompts", [(), ("a photo",), ("{} and {}",), ("{}", "")])
def test_a_prompt_without_exactly_one_place_is_refused(prompts: tuple[str, ...], tiny_clip: Made) -> None:
    with pytest.raises(ConfigError, match="image_prompts"):
        described(tiny_clip(), prompts=prompts)


def test_a_bare_folder_will_do_and_is_remembered_with_its_full_path(
    tiny_clip: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_clip().parent)
    for name in (tiny_clip().name, f"./{tiny_clip().name}", f"local-dir:{tiny_clip().name}", str(tiny_clip())):
        assert resolve_image(name, offline=True).asked == f"local-dir:{tiny_clip()}"


def test_weights_that_can_run_code_are_refused(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "open_clip_pytorch_model.bin")
    with pytest.raises(EncoderError, match=r"only open_clip_pytorch_model\.bin, a format that can run code"):
        described(copy)


def test_several_files_of_weights_are_not_chosen_among(copy: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(copy / WEIGHTS, copy / name)
    assert described(copy).files.weights.name == WEIGHTS
    (copy / WEIGHTS).unlink()
    with pytest.raises(EncoderError, match="several files of weights: a.safetensors, b.safetensors"):
        described(copy)
    (copy / "a.safetensors").unlink()
    assert described(copy).files.weights.name == "b.safetensors"
    (copy / "b.safetensors").unlink()
    with pytest.raises(EncoderError, match="no weights"):
        described(copy)


def test_a_folder_without_the_tokenizer_that_it_names_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(EncoderError, match="has no tokenizer"):
        described(copy)


@pytest.mark.parametrize("name", ["local-dir:nowhere", "local-dir:"])
def test_a_folder_that_is_not_there_or_has_no_model_is_an_error(name: str) -> None:
    with pytest.raises(EncoderError):
        resolve_image(name, offline=True)


def test_a_name_that_is_nothing_is_refused_with_the_nearest_preset() -> None:
    with pytest.raises(ModelNotFoundError, match=r"(?s)no image encoder 'clip-b23'.*Did you mean clip-b32\?"):
        resolve_image("clip-b23", offline=True)


def in_cache(cache: Path, model: str, files: dict[str, Path | bytes]) -> None:
    """Files as the hub's cache has them."""
    folder = cache / f"models--{model.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    for name, content in files.items():
        (snapshot / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())


def test_a_model_of_the_hub_is_found_in_its_cache_with_its_tokenizer_from_another(
    hub_cache: Path, tiny_clip: Made
) -> None:
    made = tiny_clip(tokenizer="words")
    in_cache(hub_cache, "somebody/clip", {name: made / name for name in (CONFIG, WEIGHTS)})
    with pytest.raises(ModelNotFoundError, match="somebody/words"):
        resolve_image("hf-hub:somebody/clip", offline=True)
    in_cache(hub_cache, "somebody/words", {name: made / name for name in ("tokenizer.json", "tokenizer_config.json")})
    files = resolve_image("hf-hub:somebody/clip", offline=True)
    assert (files.asked, files.model, files.origin) == ("hf-hub:somebody/clip", "somebody/clip", "cache")
    assert describe_image(files).space.fingerprint == described(made).space.fingerprint


def test_a_preset_is_found_in_the_cache_and_remembered_by_its_name(hub_cache: Path, tiny_clip: Made) -> None:
    in_cache(hub_cache, IMAGE_PRESETS["clip-b32"].model, {name: tiny_clip() / name for name in (CONFIG, WEIGHTS)})
    files = resolve_image("clip-b32", offline=True)
    assert (files.asked, files.model) == ("clip-b32", IMAGE_PRESETS["clip-b32"].model)


@pytest.mark.parametrize("name", ["clip-b32", "hf-hub:somebody/clip", "ViT-B-32/datacomp_xl_s13b_b90k"])
@pytest.mark.parametrize("offline", [True, False])
def test_a_model_that_is_nowhere_is_said_to_be_with_how_to_get_it(name: str, offline: bool, hub_cache: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="(?s)tried: folder, hub cache, hub.*hf download") as caught:
        resolve_image(name, offline=offline)
    assert ("offline is set" in caught.value.message) == offline


def test_a_cached_model_with_pickled_weights_alone_is_not_taken(hub_cache: Path, tiny_clip: Made) -> None:
    pickled = {CONFIG: tiny_clip() / CONFIG, "open_clip_pytorch_model.bin": b"cposix\nsystem\n(S'false'\ntR."}
    in_cache(hub_cache, "somebody/clip", pickled)
    with pytest.raises(EncoderError):
        resolve_image("hf-hub:somebody/clip", offline=True)


def test_an_architecture_with_a_tag_brings_the_preprocessing_of_the_tag(hub_cache: Path) -> None:
    in_cache(hub_cache, "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", {WEIGHTS: b"weights"})
    model = describe_image(resolve_image("ViT-B-32/datacomp_xl_s13b_b90k", offline=True))
    assert (model.space.dim, model.max_tokens, model.preprocessing.size) == (512, 77, (224, 224))
    assert model.preprocessing.resize_mode == "shortest"
    assert model.space.name.startswith("clip_vit32_512_")
    words = {"tokenizer.json": b"{}"}
    in_cache(hub_cache, "timm/ViT-B-16-SigLIP2-256", {WEIGHTS: b"weights", **words})
    siglip = describe_image(resolve_image("ViT-B-16-SigLIP2-256/webli", offline=True))
    assert (siglip.preprocessing.resize_mode, siglip.preprocessing.mean) == ("squash", (0.5, 0.5, 0.5))
    assert (siglip.space.dim, siglip.max_tokens) == (768, 64)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("ViT-B-32/datacomp_xl", ModelNotFoundError, r"Did you mean ViT-B-\d+/datacomp_xl_s13b_b90k"),
        ("ViT-B-99/openai", ModelNotFoundError, "has no weights 'openai' of 'ViT-B-99'"),
        ("somebody/clip", ModelNotFoundError, "hf-hub:somebody/clip"),
        ("ViT-B-16/dfn2b", EncoderError, "Give ViT-B-16-quickgelu/dfn2b"),
    ],
)
def test_a_tag_that_open_clip_does_not_list_is_refused_with_what_it_does(name: str, error: type, words: str) -> None:
    with pytest.raises(error, match=f"(?s){words}"):
        resolve_image(name, offline=True)


@pytest.mark.parametrize("preset", IMAGE_PRESETS.values(), ids=IMAGE_PRESETS)
def test_a_preset_says_what_an_operator_must_know(preset: Any) -> None:
    assert preset.note
    assert preset.source
    assert preset.licence in {"mit", "apache-2.0"}
    assert len(preset.model.split("/")) == 2


@pytest.mark.parametrize(
    ("preset", "architecture"),
    {
        "clip-b32": "ViT-B-32",
        "clip-b16": "ViT-B-16",
        "clip-l14": "ViT-L-14",
        "siglip2-b16": "ViT-B-16-SigLIP2-256",
        "marqo-b": "ViT-B-16-SigLIP",
        "marqo-l": "ViT-L-16-SigLIP-256",
    }.items(),
)
def test_presets_agree_with_the_architectures_of_open_clip(preset: str, architecture: str) -> None:
    import open_clip

    one, config = IMAGE_PRESETS[preset], open_clip.get_model_config(architecture)
    found = (config["embed_dim"], config["vision_cfg"]["image_size"], config["text_cfg"].get("context_length", 77))
    assert (one.dim, one.image_size, one.max_tokens) == found
    listed = {open_clip.get_pretrained_cfg(*names).get("hf_hub", "") for names in open_clip.list_pretrained()}
    assert preset.startswith("marqo") or f"{one.model}/" in listed


def test_the_default_is_a_preset() -> None:
    assert DEFAULT_IMAGE_PRESET in IMAGE_PRESETS
