"""From what a user typed to the files of an open_clip model: folder, hub cache, hub, in that order.

Nothing here imports torch, except for a model named by architecture and tag, whose table is part of open_clip.
"""

import difflib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import EncoderError, ModelNotFoundError
from .files import read_json
from .image_presets import IMAGE_PRESETS, ImagePreset
from .resolve import first_line, from_cache

__all__ = ["CONFIG", "ImageFiles", "import_open_clip", "is_image_name", "resolve_image"]

CONFIG: Final = "open_clip_config.json"
"""Architecture and preprocessing, as open_clip saves them beside the weights."""

_REQUIRED: Final = {"model_cfg": ("embed_dim", "vision_cfg", "text_cfg"), "preprocess_cfg": ("mean", "std")}
_WEIGHTS: Final = "open_clip_model.safetensors"
_FOLDER_WEIGHTS: Final = (_WEIGHTS, "open_clip_pytorch_model.safetensors", "model.safetensors")
_PICKLED: Final = ("*.bin", "*.pt", "*.pth", "*.npz")
_TOKENIZER: Final = ("tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt", "*spiece*", "*sentencepiece*")
_FOLDER: Final = "local-dir:"
_HUB: Final = "hf-hub:"


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """An open_clip model that is on this machine.

    Attributes:
        asked: What gives this model again: a preset or a name as the user typed it, or ``local-dir:`` and a full path.
        model: The model id, the architecture and tag, or the folder's full path.
        origin: ``folder``, ``cache`` or ``hub``.
        model_cfg: The architecture, as open_clip has it.
        preprocess_cfg: The preprocessing that the model's makers give.
        weights: The weights, a safetensors file.
        tokenizer: Folder with the tokenizer's files, or None for the one that open_clip brings.
    """

    asked: str
    model: str
    origin: str
    model_cfg: Mapping[str, Any]
    preprocess_cfg: Mapping[str, Any]
    weights: Path
    tokenizer: Path | None


def resolve_image(name: str, *, offline: bool = False) -> ImageFiles:
    """The model that ``name`` stands for, downloaded from the hub if it is nowhere here.

    Args:
        name: A preset, ``ARCHITECTURE/TAG`` as open_clip lists them, ``hf-hub:organisation/model``, or
            ``local-dir:PATH`` (a bare path to such a folder will do).
        offline: Whether the hub must not be asked.

    Raises:
        ModelNotFoundError: It is in none of the places; the message lists them and says how to get it.
        EncoderError: Its files are incomplete, or its weights are in a format that can run code.
    """
    folder = Path(name.removeprefix(_FOLDER)).expanduser()
    if name.startswith(_FOLDER) or (name not in IMAGE_PRESETS and (folder / CONFIG).is_file()):
        return _from_folder(name, folder)
    preset = IMAGE_PRESETS.get(name)
    if preset or name.startswith(_HUB):
        return _from_repository(name, preset.model if preset else name.removeprefix(_HUB), preset, offline)
    if "/" not in name or name.startswith((".", "/", "~")):
        raise _unknown(name)
    return _from_tag(name, offline)


def is_image_name(name: str) -> bool:
    """Whether ``resolve_image`` would take the name of an encoder; names of encoders of texts it would not.

    >>> is_image_name("clip-b32"), is_image_name("local-dir:clip"), is_image_name("BAAI/bge-small-en-v1.5")
    (True, True, False)
    """
    if name in IMAGE_PRESETS or name.startswith((_FOLDER, _HUB)):
        return True
    if (Path(name).expanduser() / CONFIG).is_file():
        return True
    architecture, slash, _ = name.partition("/")
    found = importlib.util.find_spec("open_clip") if slash else None
    places = found.submodule_search_locations if found else None
    return any((Path(place) / "model_configs" / f"{architecture}.json").is_file() for place in places or ())


def import_open_clip() -> Any:
    """The library, imported late because that takes seconds.

    Raises:
        EncoderError: It cannot be imported.
    """
    try:
        import open_clip  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:
        message = f"cannot import open_clip: {type(error).__name__}: {error}"
        hint = "Run `nearclass doctor`: open_clip_torch may be missing, or torch and torchvision may not match."
        raise EncoderError(message, hint=hint) from error
    return open_clip


def _from_folder(name: str, folder: Path) -> ImageFiles:
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"the image encoder {name!r} was not found: there is no folder {folder}",
            hint=f"Give local-dir: and the folder that holds {CONFIG}.",
        )
    folder = folder.resolve()
    config = _checked_config(folder)
    weights = _weights_in(folder)
    named = config["model_cfg"].get("text_cfg", {}).get("hf_tokenizer_name")
    asked = f"{_FOLDER}{folder}"
    tokenizer = folder if named else None  # as open_clip does, whatever repository is named
    return ImageFiles(asked, str(folder), "folder", config["model_cfg"], config["preprocess_cfg"], weights, tokenizer)


def _from_repository(name: str, model: str, preset: ImagePreset | None, offline: bool) -> ImageFiles:  # noqa: FBT001
    revision = preset.revision if preset else None
    folder, origin = _repository(name, model, (CONFIG, _WEIGHTS), revision, offline)
    config = _checked_config(folder)
    tokenizer = _tokenizer(name, config["model_cfg"], offline)
    return ImageFiles(name, model, origin, config["model_cfg"], config["preprocess_cfg"], folder / _WEIGHTS, tokenizer)


def _from_tag(name: str, offline: bool) -> ImageFiles:  # noqa: FBT001
    open_clip = import_open_clip()
    architecture, _, tag = name.rpartition("/")
    model_cfg = open_clip.get_model_config(architecture.replace("/", "-"))
    tag_cfg = open_clip.get_pretrained_cfg(architecture.replace("/", "-"), tag) if model_cfg else None
    if not tag_cfg:
        raise _unknown_tag(name, architecture, tag, open_clip)
    if bool(tag_cfg.get("quick_gelu")) != bool(model_cfg.get("quick_gelu")):
        message = f"the weights {tag!r} were trained with another activation than {architecture} has"
        other = architecture.removesuffix("-quickgelu") + ("-quickgelu" if tag_cfg.get("quick_gelu") else "")
        raise EncoderError(message, hint=f"Give {other}/{tag}.")
    model, _, file = str(tag_cfg.get("hf_hub") or "").rpartition("/")
    if not model:
        raise _pickled(name, "which are offered only as a pickled file")
    weights = f"{Path(file).stem}.safetensors" if file else _WEIGHTS
    folder, origin = _repository(name, model, (weights,), None, offline)
    tokenizer = _tokenizer(name, model_cfg, offline)
    return ImageFiles(name, name, origin, model_cfg, tag_cfg, folder / weights, tokenizer)


def _checked_config(folder: Path) -> dict[str, dict[str, Any]]:
    """The configuration, which must say how pictures are prepared: open_clip would take a default without a word."""
    config = read_json(folder / CONFIG)
    for key, inside in {
        "model_cfg": ("embed_dim", "vision_cfg", "text_cfg"),
        "preprocess_cfg": ("mean", "std"),
    }.items():
        part = config.get(key)
        missing = [one for one in inside if not isinstance(part, dict) or one not in part]
        if missing:
            message = f"{CONFIG} in {folder} says nothing of {key}: {', '.join(missing)}"
            raise EncoderError(message, hint="Take the file from where the weights came from; it belongs to them.")
    return config


def _weights_in(folder: Path) -> Path:
    for name in _FOLDER_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.safetensors"))
    if len(others) == 1:
        return others[0]
    if others:
        message = f"the folder {folder} has several files of weights: {', '.join(one.name for one in others)}"
        raise EncoderError(message, hint=f"Name the one that is meant {_WEIGHTS}.")
    unsafe = [one.name for pattern in _PICKLED for one in sorted(folder.glob(pattern))]
    found = f"only {', '.join(unsafe)}, a format that can run code when it is loaded" if unsafe else "no weights"
    raise EncoderError(f"the model folder {folder} has {found}", hint=f"Use a model with {_WEIGHTS}.")


def _tokenizer(name: str, model_cfg: Mapping[str, Any], offline: bool) -> Path | None:  # noqa: FBT001
    """Where the tokenizer's files are: in the repository that the configuration names, as open_clip takes them."""
    named = str(model_cfg["text_cfg"].get("hf_tokenizer_name") or "")
    if not named:
        return None
    if "/" not in named or named.startswith((".", "/", "~")):
        message = f"the image encoder {name!r} names the tokenizer {named!r}, which is no model id"
        raise EncoderError(message, hint="Copy model and tokenizer into one folder and give local-dir:PATH.")
    return _repository(name, named, ("tokenizer.json",), None, offline)[0]


def _repository(
    name: str,
    model: str,
    files: Sequence[str],
    revision: str | None,
    offline: bool,  # noqa: FBT001
) -> tuple[Path, str]:
    """The folder of a repository with these files, and whether it came from the cache or the hub."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow to import

    cached = from_cache(model, revision, lambda folder: all((folder / file).is_file() for file in files))
    if cached is not None:
        return cached, "cache"
    if offline:
        raise _not_found(name, model, "the hub was not asked because offline is set")
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=[*files, *_TOKENIZER]))
    except Exception as error:  # it lets those of its HTTP library through, which differ from version to version
        raise _not_found(name, model, f"the hub said: {type(error).__name__}: {first_line(error)}") from error
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise _pickled(name, f"of which {model} has no {', '.join(missing)}")
    return folder, "hub"


def _unknown(name: str) -> ModelNotFoundError:
    near = difflib.get_close_matches(name, IMAGE_PRESETS, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    message = (
        f"no image encoder {name!r}: it is neither a preset, nor an architecture with a tag "
        f"(ViT-B-32/datacomp_xl_s13b_b90k), nor hf-hub:organisation/model, nor local-dir:PATH"
    )
    return ModelNotFoundError(message, hint=f"{hint}Presets: {', '.join(IMAGE_PRESETS)}.")


def _unknown_tag(name: str, architecture: str, tag: str, open_clip: Any) -> ModelNotFoundError:
    known = [f"{one}/{other}" for one, other in open_clip.list_pretrained()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    message = f"open_clip has no weights {tag!r} of {architecture!r}"
    return ModelNotFoundError(message, hint=f"{hint}A model of the hub is written hf-hub:{name}.")


def _pickled(name: str, why: str) -> EncoderError:
    message = f"the image encoder {name!r} has no weights in the format safetensors, {why}"
    hint = "Pickled weights can run code when they are loaded, and are not. Use a model with safetensors weights."
    return EncoderError(message, hint=hint)


def _not_found(name: str, model: str, why: str) -> ModelNotFoundError:
    message = f"the image encoder {name!r} ({model}) was not found; tried: folder, hub cache, hub; {why}"
    hint = (
        f"To get it, run `hf download {model}` on a machine with network, copy the folder here, and name it with "
        f"NEARCLASS_IMAGE_ENCODER={_FOLDER}FOLDER."
    )
    return ModelNotFoundError(message, hint=hint)
