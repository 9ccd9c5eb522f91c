"""Identity of a space, computed from the model's files alone.

The fingerprint covers everything that changes a vector: weights, architecture, tokenizer, pooling, length limit,
prompts, dimension, normalisation and the class of precision. It does not cover where the files lie or how the model
was named, so that a folder, a package and the hub give the same space for the same model.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import EncoderError
from ..schemas.records import Role
from ..schemas.spaces import Space
from .files import file_digest, json_digest, read_json, read_optional, tokenizer_digest
from .resolve import ModelFolder

__all__ = ["TextModel", "describe"]

_VOLATILE: Final = {
    "_name_or_path",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "architectures",
}
"""Keys of config.json that name things or libraries and change no vector."""

_ENDLESS: Final = 1_000_000
"""Tokenizers without a limit name one that is far above this."""

_PRECISION: Final = "full"
"""float32 and the equivalent bfloat16 autocast; quantised weights would be another class and another space."""


@dataclass(frozen=True, slots=True)
class TextModel:
    """A text model on disk and the space it makes.

    Attributes:
        folder: Where it is.
        space: The space of its vectors.
        max_tokens: Longest input in tokens, special tokens and prompt included.
        prompts: What is put before a text of each role.
    """

    folder: ModelFolder
    space: Space
    max_tokens: int
    prompts: dict[Role, str]


def describe(folder: ModelFolder, *, class_prompt: str | None = None, item_prompt: str | None = None) -> TextModel:
    """The model's space, read from its files without loading it.

    Args:
        folder: A resolved model.
        class_prompt: Put before class texts in place of the preset's or the model's own prompt.
        item_prompt: The same for items.

    Raises:
        EncoderError: The files are incomplete, or the weights are in a format that could run code.
    """
    config = read_json(folder.path / "config.json")
    modules = _modules(folder.path)
    prompts = _prompts(folder, class_prompt, item_prompt)
    max_tokens = _max_tokens(folder, config)
    dim = _dim(config, modules)
    details: dict[str, Any] = {
        "model": folder.model,
        "weights": _weights_digest(folder.path),
        "config": json_digest({key: value for key, value in config.items() if key not in _VOLATILE}),
        "tokenizer": tokenizer_digest(folder.path),
        "modules": modules,
        "max_tokens": max_tokens,
        "class_prompt": prompts[Role.CLASS],
        "item_prompt": prompts[Role.ITEM],
        "dim": dim,
        "normalised": True,
        "precision": _PRECISION,
    }
    fingerprint = json_digest({key: value for key, value in details.items() if key != "model"})
    # Named after what is in the files: collections are found by this name, whatever the model was asked for as.
    slug = re.sub(r"[^a-z0-9]+", "_", str(config.get("model_type") or "text").lower()).strip("_")[:40]
    space = Space(f"{slug or 'text'}_{dim}_{fingerprint[:10]}", "text", dim, fingerprint, folder.asked, details)
    return TextModel(folder, space, max_tokens, prompts)


def _modules(folder: Path) -> list[dict[str, Any]]:
    """Type and configuration of every module after the transformer; mean pooling where the model says nothing."""
    if not (folder / "modules.json").is_file():
        return [_pooling({})]
    described: list[dict[str, Any]] = []
    for module in _listed_modules(folder / "modules.json")[1:]:
        settings = read_optional(folder / module["path"] / "config.json")
        kind = module["type"].rpartition(".")[2]
        described.append(_pooling(settings) if kind == "Pooling" else {"type": kind, **settings})
    return described


def _listed_modules(path: Path) -> list[dict[str, str]]:
    listed = read_json(path).get("modules")
    if not listed or not isinstance(listed, list):
        message = f"{path} lists no modules"
        raise EncoderError(message, hint="Download the model again; the file is damaged.")
    for module in listed:
        kind, place = (module.get("type"), module.get("path")) if isinstance(module, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(place, str):
            message = f"{path} has a module without type or path: {module!r}"
            raise EncoderError(message, hint="Download the model again; the file is damaged.")
        if not kind.startswith("sentence_transformers."):
            message = f"{path} asks for {kind!r}, which is code of its own and is not run"
            raise EncoderError(message, hint="Use a model that is made of modules of sentence-transformers alone.")
    return listed


def _pooling(settings: dict[str, Any]) -> dict[str, Any]:
    """One form for the flags that older versions of sentence-transformers saved and the name that newer ones do."""
    flags = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_max_tokens": "max",
        "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens": "weightedmean",
        "pooling_mode_lasttoken": "lasttoken",
    }
    # Where there are both, the library goes by the flags.
    named = [mode for flag, mode in flags.items() if settings.get(flag)] or settings.get("pooling_mode") or ["mean"]
    modes = [named] if isinstance(named, str) else list(named)
    size = settings.get("embedding_dimension") or settings.get("word_embedding_dimension")
    dim = size * len(modes) if isinstance(size, int) else None
    return {
        "type": "Pooling",
        "modes": modes,
        "include_prompt": settings.get("include_prompt", True),
        "dim": dim,
    }


def _dim(config: dict[str, Any], modules: list[dict[str, Any]]) -> int:
    dim = config.get("hidden_size") or config.get("d_model") or config.get("dim")
    for module in modules:
        dim = module.get("out_features") or module.get("dim") or dim
    if not isinstance(dim, int):
        message = "cannot tell the vector length of the model: config.json has no hidden_size"
        raise EncoderError(message, hint="Use a model in the sentence-transformers layout.")
    return dim


def _max_tokens(folder: ModelFolder, config: dict[str, Any]) -> int:
    if folder.preset:
        return folder.preset.max_tokens
    limit = read_optional(folder.path / "sentence_bert_config.json").get("max_seq_length")
    if limit:
        return int(limit)
    # Where newer versions of sentence-transformers save it; they take the lower of the two as well.
    own = read_optional(folder.path / "tokenizer_config.json")
    limits = own.get("model_max_length"), config.get("max_position_embeddings")
    return min((one for one in limits if isinstance(one, int) and 0 < one < _ENDLESS), default=512)


def _prompts(folder: ModelFolder, class_prompt: str | None, item_prompt: str | None) -> dict[Role, str]:
    if folder.preset:
        own = {Role.CLASS: folder.preset.class_prompt, Role.ITEM: folder.preset.item_prompt}
    else:
        stored = read_optional(folder.path / "config_sentence_transformers.json").get("prompts") or {}
        document = stored.get("document") or stored.get("passage") or ""
        own = {Role.CLASS: document, Role.ITEM: stored.get("query") or ""}
    given = {Role.CLASS: class_prompt, Role.ITEM: item_prompt}
    return {role: own[role] if given[role] is None else str(given[role]) for role in Role}


def _weights_digest(folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("[0-9]*/*.safetensors"))
    if not any(path.parent == folder for path in files):
        unsafe = [path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))]
        found = f"only {', '.join(unsafe)}, a format that can run code when it is loaded" if unsafe else "no weights"
        message = f"the model folder {folder} has {found}"
        raise EncoderError(message, hint="Use a model with model.safetensors; many repositories offer one.")
    return json_digest([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])
