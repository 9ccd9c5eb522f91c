"""Identity of a space of pictures and texts, computed from the model's files alone."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError, EncoderError
from ..schemas.pictures import DECODING, DEFAULT_PROMPTS, prompt_problem
from ..schemas.spaces import Space
from .files import file_digest, json_digest, tokenizer_digest
from .image_resolve import CONFIG, ImageFiles

__all__ = ["ImageModel", "Preprocessing", "describe_image"]

_VOLATILE: Final = {"hf_tokenizer_name", "timm_model_pretrained", "hf_model_pretrained"}
"""Keys of the architecture that name places or say what to download, and change no vector."""

_TOKENIZER_OPTIONS: Final = {"clean", "strip_sep_token", "language", "reduction_mask"}
"""Options of a tokenizer that are taken from a model's configuration; others could run code of the model's own."""

_RESIZING: Final = {"interpolation": ("bicubic", "bilinear"), "resize_mode": ("shortest", "longest", "squash")}
_PRECISION: Final = "full"
_DEFAULT_IMAGE_SIZE: Final = 224
_DEFAULT_CONTEXT: Final = 77
"""Of open_clip, where a configuration says nothing."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to an upright RGB picture before the model sees it.

    Attributes:
        size: Height and width in pixels.
        mean: Subtracted from red, green and blue, each from 0 to 1.
        std: What the difference is divided by.
        interpolation: ``bicubic`` or ``bilinear``.
        resize_mode: ``shortest`` (then cropped), ``longest`` (then padded) or ``squash``.
        fill_color: Of the padding, from 0 to 255.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str
    fill_color: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Preprocessing":
        """The one that a configuration of open_clip with every key describes."""
        size = config["size"]
        pair = (int(size), int(size)) if isinstance(size, int | float) else (int(size[0]), int(size[-1]))
        mean, std = (
            tuple(float(one) for one in (value if isinstance(value, list | tuple) else [value] * 3))
            for value in (config["mean"], config["std"])
        )
        return cls(pair, mean, std, config["interpolation"], config["resize_mode"], int(config["fill_color"]))

    def to_open_clip(self) -> dict[str, Any]:
        """The configuration for open_clip, with every key."""
        return {
            "size": self.size,
            "mode": "RGB",
            "mean": self.mean,
            "std": self.std,
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
            "fill_color": self.fill_color,
        }


@dataclass(frozen=True, slots=True)
class ImageModel:
    """An open_clip model on disk and the space it makes.

    Attributes:
        files: Where it is.
        space: The space of its vectors, of pictures and of texts.
        preprocessing: What pictures go through.
        max_tokens: Longest text in tokens, special tokens and prompt included.
        prompts: What texts are put into, each with one ``{}``.
    """

    files: ImageFiles
    space: Space
    preprocessing: Preprocessing
    max_tokens: int
    prompts: tuple[str, ...]


def describe_image(files: ImageFiles, *, prompts: Sequence[str] | None = None) -> ImageModel:
    """The model's space, read from its files without loading it.

    Args:
        files: A resolved model.
        prompts: What texts are put into, in place of ``schemas.pictures.DEFAULT_PROMPTS``.

    Raises:
        ConfigError: A prompt has no place for the text, or several.
        EncoderError: The model's configuration is incomplete, contradicts itself, or asks for code of its own.
    """
    chosen = _checked_prompts(DEFAULT_PROMPTS if prompts is None else prompts)
    model_cfg = files.model_cfg
    _check_towers(files)
    preprocessing = _preprocessing(files)
    dim, context = model_cfg["embed_dim"], model_cfg["text_cfg"].get("context_length", _DEFAULT_CONTEXT)
    if not (isinstance(dim, int) and isinstance(context, int) and dim > 0 and context > 2):
        raise _contradiction(files, f"embed_dim is {dim!r} and context_length {context!r}")
    details: dict[str, Any] = {
        "model": files.model,
        "weights": file_digest(files.weights),
        "config": json_digest(_lasting(model_cfg)),
        "preprocessing": preprocessing.to_open_clip(),
        "decoding": DECODING,
        "tokenizer": tokenizer_digest(files.tokenizer) if files.tokenizer else "clip",
        "max_tokens": context,
        "prompts": list(chosen),
        "dim": dim,
        "normalised": True,
        "precision": _PRECISION,
    }
    fingerprint = json_digest({key: value for key, value in details.items() if key != "model"})
    details["logit_scale"] = _logit_scale(files.weights)  # of the weights, which have their digest
    name = f"{_slug(model_cfg['vision_cfg'])}_{dim}_{fingerprint[:10]}"
    space = Space(name, "image", dim, fingerprint, files.asked, details)
    return ImageModel(files, space, preprocessing, context, chosen)


def _checked_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    problem = next(filter(None, map(prompt_problem, prompts)), "" if prompts else "there is no prompt")
    if problem:
        raise ConfigError(f"image_prompts: {problem}", hint='Give for example image_prompts = ["a photo of {}.", "{}"]')
    return tuple(prompts)


def _check_towers(files: ImageFiles) -> None:
    """Refuse what would fetch or run something beyond the files that the fingerprint covers."""
    text, vision = files.model_cfg["text_cfg"], files.model_cfg["vision_cfg"]
    if text.get("hf_model_name"):
        message = f"the image encoder {files.asked!r} has a text tower of transformers, {text['hf_model_name']!r}"
        hint = "Use a model whose text tower is open_clip's own; multilingual ones are siglip2-b16 and its sisters."
        raise EncoderError(message, hint=hint)
    if re.search(r"[/:\\]", str(vision.get("timm_model_name") or "")):
        message = (
            f"the image encoder {files.asked!r} names the tower {vision['timm_model_name']!r}, which lies elsewhere"
        )
        raise EncoderError(message, hint="Use a model whose tower is one that timm itself knows.")
    options = set(text.get("tokenizer_kwargs") or {}) - _TOKENIZER_OPTIONS
    if options:
        message = (
            f"the image encoder {files.asked!r} sets options of its tokenizer that are not taken: {sorted(options)}"
        )
        raise EncoderError(message, hint=f"Remove tokenizer_kwargs from {CONFIG} if the model does without.")


def _preprocessing(files: ImageFiles) -> Preprocessing:
    """The preprocessing of the model's makers, with open_clip's defaults for what may be left out."""
    own = {key: value for key, value in files.preprocess_cfg.items() if value is not None}
    image_size = files.model_cfg["vision_cfg"].get("image_size", _DEFAULT_IMAGE_SIZE)
    filled = {"interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0, "size": image_size, **own}
    if filled.get("mode", "RGB") != "RGB":
        raise _contradiction(files, f"pictures are to be {filled['mode']!r}, and open_clip makes RGB alone")
    for key, known in _RESIZING.items():
        if filled[key] not in known:
            raise _contradiction(files, f"{key} is {filled[key]!r}, and open_clip knows {', '.join(known)}")
    try:
        given, built = Preprocessing.of(filled), Preprocessing.of({**filled, "size": image_size})
    except (TypeError, ValueError, IndexError) as error:
        raise _contradiction(files, f"the preprocessing cannot be read: {error}") from error
    if len(given.mean) != 3 or len(given.std) != 3 or min(*given.std, *given.size) <= 0:
        raise _contradiction(files, f"mean {given.mean}, std {given.std} and size {given.size} prepare no RGB picture")
    if given != built:
        raise _contradiction(files, f"pictures are prepared in {given.size}, and the model takes {built.size}")
    return given


def _logit_scale(weights: Path) -> float | None:
    """What the model was trained to multiply cosines with before a softmax over texts; None where it does not say."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - only catalogues with pictures need it

    try:
        with safe_open(weights, framework="numpy") as tensors:
            if "logit_scale" not in tensors.keys():  # noqa: SIM118 - it is no mapping
                return None
            scale = math.exp(float(tensors.get_tensor("logit_scale").reshape(-1)[0]))
    except (SafetensorError, OSError, OverflowError):  # said in full where the model is loaded
        return None
    return round(scale, 6) if math.isfinite(scale) else None


def _lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _lasting(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in _VOLATILE
    }


def _slug(vision: Mapping[str, Any]) -> str:
    """Readable and made of the architecture alone: collections are found by it, whatever the model was asked for as."""
    kind = "resnet" if isinstance(vision.get("layers"), list) else f"vit{vision.get('patch_size') or ''}"
    name = str(vision.get("timm_model_name") or f"clip_{kind}")
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]


def _contradiction(files: ImageFiles, what: str) -> EncoderError:
    message = f"the configuration of the image encoder {files.asked!r} cannot be followed: {what}"
    return EncoderError(message, hint=f"Take {CONFIG} from where the weights came from; it belongs to them.")
