"""The encoder of pictures: where it was found, and whether it runs; and whether addresses of pictures may be asked."""

import time
from typing import Final

import numpy as np
from PIL import Image

from ..encoders.image import ImageEncoder
from ..encoders.image_model import ImageModel, describe_image
from ..encoders.image_presets import IMAGE_PRESETS
from ..encoders.image_resolve import resolve_image
from ..errors import EncoderError, ModelNotFoundError
from ..pictures.urls import UrlPolicy
from ..settings import Settings
from .finding import Finding, Findings, ok, problem, warning

__all__ = ["check_image_encoder"]

_UNIT: Final = 1e-4


def check_image_encoder(settings: Settings) -> Findings[None]:
    """Findings about the encoder of pictures, if one is configured; nothing is downloaded."""
    policy = UrlPolicy.parse(settings.picture_urls)
    if policy.allows_any:
        hosts = "any host with public addresses" if policy.public else ", ".join(policy.hosts)
        yield ok("picture addresses", f"fetched from {hosts}")
    if settings.image_encoder is None:
        return
    try:
        files = resolve_image(settings.image_encoder, offline=True)
        model = describe_image(files, prompts=settings.image_prompts)
    except ModelNotFoundError as error:
        yield _absent(settings, error)
        return
    except EncoderError as error:
        yield problem("image encoder", error.message, error.hint)
        return
    space = model.space
    yield ok("image encoder", f"{settings.image_encoder}: {files.origin} {files.weights.parent}")
    yield ok("image fingerprint", f"{space.fingerprint} (space {space.name}, dimension {space.dim})")
    yield _run(model, settings)


def _absent(settings: Settings, error: ModelNotFoundError) -> Finding:
    name = settings.image_encoder or ""
    on_the_hub = name in IMAGE_PRESETS or ((name.startswith("hf-hub:") or "/" in name) and "tried:" in error.message)
    if settings.offline or not on_the_hub:
        return problem("image encoder", error.message, error.hint)
    return warning(
        "image encoder", f"{name} is not on this machine and will be downloaded at the first use", error.hint
    )


def _run(model: ImageModel, settings: Settings) -> Finding:
    encoder = ImageEncoder(model, device=settings.device, precision=settings.precision, threads=settings.threads)
    picture = Image.linear_gradient("L")
    encoder.encode_pictures([picture])
    started = time.perf_counter()
    vectors = encoder.encode_pictures([picture])
    took_ms = (time.perf_counter() - started) * 1000
    norm = float(np.linalg.norm(vectors))
    if vectors.shape != (1, model.space.dim) or abs(norm - 1) > _UNIT:
        found = (
            f"one picture gave a vector of shape {vectors.shape} and norm {norm:g}, not (1, {model.space.dim}) and 1"
        )
        return problem("encode a picture", found, f"Get the model again: hf download {model.files.model}")
    return ok("encode a picture", f"one in {took_ms:.0f} ms on {encoder.running}, norm {norm:.4f}")
