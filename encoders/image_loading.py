"""An open_clip model in memory, made of exactly the files and the configuration that its fingerprint covers."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..cores import usable_cores
from ..errors import EncoderError
from . import precision
from .image_model import ImageModel, Preprocessing
from .image_resolve import CONFIG, import_open_clip
from .text import set_environment, usable_device

__all__ = ["LoadedImageModel", "Prepared", "load_image_model", "picture_steps"]

Prepared = NDArray[np.uint8]
"""A picture in the size that a model reads, shape (height, width, 3)."""

_TEXTS_PER_BATCH: Final = 64
_CHARS_PER_TOKEN: Final = 16
"""Texts are cut at this many characters for each token the model reads, and read further only where that gave too few
tokens: the tokenizer of CLIP takes time in the square of the length of a word."""

_PROBE_PICTURES: Final = 8


class LoadedImageModel:
    """A model in memory; for one thread at a time.

    Attributes:
        device: Where it is.
        ways: The arithmetic that it runs in.
    """

    def __init__(self, model: ImageModel, tower: Any, tokenizer: Any, device: str) -> None:
        import torch  # noqa: PLC0415 - slow to import

        self.device = device
        # Colours beside each other, as they come: convolutions are 1.3 to 1.5 times as fast for it (measured on a
        # ResNet on two CPU cores), transformers the same.
        self._layout = torch.contiguous_format if device == "mps" else torch.channels_last
        self.ways = precision.Ways(tower.to(memory_format=self._layout), precision.halved)
        self._tokens = _Tokens(tokenizer, model.max_tokens)
        self._size = model.preprocessing.size
        self._mean, self._std = (
            np.asarray(one, np.float32).reshape(3, 1, 1) for one in (model.preprocessing.mean, model.preprocessing.std)
        )

    def encode_pictures(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors of one batch; shape (n, height, width, 3) to (n, dim), not of unit length."""
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            batch = torch.from_numpy(prepared).to(self.device).permute(0, 3, 1, 2).to(torch.float32).div_(255)
            mean, std = (torch.from_numpy(one).to(self.device) for one in (self._mean, self._std))
            batch = batch.sub_(mean).div_(std).contiguous(memory_format=self._layout)
            return self._vectors(self.ways.model.encode_image, batch)

    def encode_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Unit vectors of the texts, shape (n, dim), and whether each was longer than the model reads."""
        import torch  # noqa: PLC0415

        found, cut = [], []
        with torch.inference_mode():
            for start in range(0, len(texts), _TEXTS_PER_BATCH):
                tokens, truncated = self._tokens.of(texts[start : start + _TEXTS_PER_BATCH])
                found.append(self._vectors(self.ways.model.encode_text, tokens.to(self.device)))
                cut.extend(truncated)
        vectors = np.concatenate(found)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors, np.asarray(cut, np.bool_)

    def probe(self, bfloat16: bool) -> NDArray[np.float32]:  # noqa: FBT001 - the one argument of a callback
        """Unit vectors of pictures made here and of the probe texts, in one arithmetic."""
        self.ways.turn(bfloat16)
        pictures = self.encode_pictures(_probes(self._size))
        pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
        return np.concatenate([pictures, self.encode_texts(precision.PROBES)[0]])

    def _vectors(self, encode: Callable[[Any], Any], batch: Any) -> NDArray[np.float32]:
        import torch  # noqa: PLC0415

        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.ways.bfloat16):
            output = encode(batch)
        vectors: NDArray[np.float32] = output.float().cpu().numpy()
        return vectors


class _Tokens:
    """A tokenizer of open_clip that says which texts it cut."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def of(self, texts: Sequence[str]) -> tuple[Any, list[bool]]:
        """Tokens, shape (n, max_tokens), int64, and for each text whether it had more."""
        short = [self._shortened(text) for text in texts]
        tokens = self._tokenizer([text for text, _ in short])
        return tokens, [cut for _, cut in short]

    def _shortened(self, text: str) -> tuple[str, bool]:
        end = self._max_tokens * _CHARS_PER_TOKEN
        while True:
            count = self._count(text[:end])
            if end >= len(text) or count > self._max_tokens:
                return text[:end], count > self._max_tokens
            end *= 8

    def _count(self, text: str) -> int:
        """Tokens of the text, special ones included."""
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is None:
            return len(self._tokenizer.encode(text)) + 2  # start and end
        clean = self._tokenizer.clean_fn(text)
        extra = 3 if self._tokenizer.tokenizer_mode == "clips" else 0
        return len(inner(clean, add_special_tokens=not extra, truncation=False, verbose=False)["input_ids"]) + extra


def load_image_model(model: ImageModel, device: str, threads: int | None) -> LoadedImageModel:
    """The model in memory, in float32, ready to run.

    Raises:
        EncoderError: It cannot be loaded, or open_clip made another preprocessing of it than its makers give.
    """
    set_environment()
    open_clip = import_open_clip()
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads or usable_cores())
    place = usable_device(device)
    with _own_folder(model) as folder, _no_root_handler():
        try:
            tower = open_clip.create_model(f"local-dir:{folder}", precision="fp32", device=place)
            tokenizer = _tokenizer(model, open_clip)
        except Exception as error:  # safetensors, transformers, timm and torch each have their own for a damaged file
            message = f"cannot load the model {model.files.asked!r}: {type(error).__name__}: {error}"
            raise EncoderError(
                message, hint="Run `nearclass doctor`; the files may be incomplete or damaged."
            ) from error
    _check_same(model.preprocessing, Preprocessing.of(tower.visual.preprocess_cfg))
    return LoadedImageModel(model, tower.eval(), tokenizer, place)


def picture_steps(preprocessing: Preprocessing) -> Callable[[Image.Image], Image.Image]:
    """What open_clip does to a picture up to its pixels in the model's size; the rest is scaling and normalising.

    Raises:
        EncoderError: open_clip ends its preprocessing in another way than this module takes over.
    """
    open_clip = import_open_clip()
    from torchvision import transforms  # noqa: PLC0415

    config = open_clip.transform.PreprocessCfg(**preprocessing.to_open_clip())
    *steps, to_tensor, normalise = open_clip.transform.image_transform_v2(config, is_train=False).transforms
    as_known = isinstance(to_tensor, transforms.ToTensor) and isinstance(normalise, transforms.Normalize)
    built = (tuple(normalise.mean), tuple(normalise.std)) if as_known else None
    if built != (preprocessing.mean, preprocessing.std):
        message = f"this release of open_clip prepares pictures in a way that is not known: {to_tensor}, {normalise}"
        raise EncoderError(message, hint="Run `nearclass doctor`; it names the releases that fit.")
    composed: Callable[[Image.Image], Image.Image] = transforms.Compose(steps)
    return composed


def _check_same(given: Preprocessing, built: Preprocessing) -> None:
    if built != given:
        message = f"open_clip prepares pictures as {built}, and the model's makers say {given}"
        raise EncoderError(message, hint="Run `nearclass doctor`; it names the releases of open_clip that fit.")


@contextmanager
def _own_folder(model: ImageModel) -> Iterator[Path]:
    """A folder with the described configuration and the described weights, and nothing else.

    open_clip takes the first file of weights by a list of names in which pickled ones come before some safe ones, and
    fills gaps in the configuration without a word.
    """
    with tempfile.TemporaryDirectory(prefix="nearclass-") as name:
        folder = Path(name)
        config = {
            "model_cfg": dict(model.files.model_cfg),
            "preprocess_cfg": model.preprocessing.to_open_clip(),
        }
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        link = folder / "open_clip_model.safetensors"
        try:
            link.symlink_to(model.files.weights.resolve())
        except OSError:  # Windows lets only some users make links
            shutil.copyfile(model.files.weights, link)
        yield folder


@contextmanager
def _no_root_handler() -> Iterator[None]:
    """Keep open_clip from setting up logging: its first message would add a handler to everybody's root logger."""
    root, guard = logging.getLogger(), logging.NullHandler()
    root.addHandler(guard)
    try:
        yield
    finally:
        root.removeHandler(guard)


def _tokenizer(model: ImageModel, open_clip: Any) -> Any:
    text = model.files.model_cfg["text_cfg"]
    options = dict(text.get("tokenizer_kwargs") or {})
    if model.files.tokenizer is None:
        return open_clip.SimpleTokenizer(context_length=model.max_tokens, **options)
    return open_clip.tokenizer.HFTokenizer(
        str(model.files.tokenizer),
        context_length=model.max_tokens,
        tokenizer_mode=text.get("tokenizer_mode"),
        local_files_only=True,
        trust_remote_code=False,
        **options,
    )


def _probes(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pictures of gradients, stripes and noise in the model's size, always the same; shape (n, height, width, 3)."""
    height, width = size
    down, across = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(0)
    pictures = []
    for number in range(_PROBE_PICTURES):
        colour = random.integers(60, 256, 3)
        wave = np.sin(across * (number + 1) / width * 6.0) * np.cos(down * (number % 3 + 1) / height * 6.0)
        plane = (wave + 1) / 2 if number % 2 else (across + down * number) % (8 * number + 9) / (8 * number + 9)
        noise = random.normal(0, 4 * number, (height, width, 3))
        pictures.append(np.clip(plane[..., None] * colour + noise, 0, 255).astype(np.uint8))
    return np.stack(pictures)
