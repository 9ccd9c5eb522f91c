"""The text encoder: a model of sentence-transformers behind batches sorted by length."""

import logging
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..cores import usable_cores
from ..errors import EncoderError
from ..schemas.records import Role
from ..schemas.spaces import Space
from . import batching, precision
from .base import Encoded
from .brief import BriefEncoder, brief_encoder, is_brief
from .fingerprint import TextModel
from .lanes import Lanes
from .outcome import explained, unit
from .packed import PackedBert, packed_bert, packed_file
from .padded import PaddedModel, load_model, own_tokenizer
from .plain_bert import plain_bert, plain_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TextEncoder", "set_environment", "usable_device"]

_log = logging.getLogger(__name__)

_CHARS_PER_TOKEN: Final = 32
"""Texts are cut at this many characters for each token the model reads, and read further only where that gave too
few tokens: without the cut a text of a megabyte costs seconds."""

_GPU_TOKENS_PER_BATCH: Final = 32_768
_SAME: Final = 1e-4
"""Most that a number of a unit vector may differ between two ways of computing it for the two to be the same."""


class TextEncoder:
    """Texts to unit vectors; the model is loaded at the first text and may be used from several threads."""

    def __init__(
        self,
        model: TextModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        brief: bool = False,
    ) -> None:
        """Encode with a model.

        Args:
            model: The model on disk.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto``, ``float32`` or ``bfloat16``.
            threads: Of torch; None is every usable core.
            brief: Whether the process will probably encode a few texts only, for which torch is not worth its import.
        """
        self._model = model
        self._brief = brief and device in {"auto", "cpu"} and precision in {"auto", "float32"}
        self._small: _Small | None = None
        self._wanted_device = device
        self._wanted_precision = precision
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def space(self) -> Space:
        """The space of the vectors; known without loading the model."""
        return self._model.space

    @property
    def model(self) -> TextModel:
        """The model on disk."""
        return self._model

    @property
    def running(self) -> str:
        """Device and arithmetic in use, such as ``cpu float32``; loads the model."""
        with self._lock:
            loaded = self._load()
        return f"{loaded.device} {'bfloat16' if loaded.ways.bfloat16 else 'float32'}"

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:
        """Vectors of the texts, in their order.

        Raises:
            EncoderError: The model cannot be loaded, or gave something that is not a finite vector.
        """
        if not texts:
            return Encoded.none(self.space.dim)
        with self._lock:
            loaded = self._small_one(texts) or self._load()
        with explained(f"{len(texts)} texts"):
            return loaded.encode(texts, self._model.prompts[role])

    def _small_one(self, texts: Sequence[str]) -> "_Small | None":
        """What encodes a few texts before anything was loaded, if that is wanted and can be done."""
        if not self._brief or self._loaded is not None or not is_brief(texts):
            return None
        if self._small is None:
            plain = plain_bert(self._model)
            self._brief = plain is not None
            self._small = None if plain is None else _Small(brief_encoder(plain), self._model)
        return self._small

    def _load(self) -> "_Loaded":
        if self._loaded is None:
            set_environment()
            loaded = _Loaded(self._model, usable_device(self._wanted_device), self._threads)
            loaded.ways.settle(precision.choose(self._wanted_precision, loaded.device, loaded.probe))
            _log.info("encoder %s runs on %s, bfloat16 %s", self.space.name, loaded.device, loaded.ways.bfloat16)
            self._loaded = loaded
        return self._loaded


class _Loaded:
    """A model in memory.

    Attributes:
        device: Where it is.
        ways: The arithmetic that it runs in.
    """

    def __init__(self, model: TextModel, device: str, threads: int | None) -> None:
        import torch  # noqa: PLC0415 - slow to import

        torch.set_num_threads(threads or usable_cores())
        self.device = device
        self._dim = model.space.dim
        self._max_tokens = model.max_tokens
        self._on_cpu = device == "cpu"
        self._lanes = Lanes((threads or usable_cores()) if self._on_cpu else 1)
        self._tokenizer: Tokenizer
        self.ways: precision.Ways[PackedBert | PaddedModel]
        if not self._on_cpu or not self._from_file(model):
            self._from_library(model)

    @property
    def packed(self) -> bool:
        """Whether texts are computed without padding."""
        return isinstance(self.ways.model, PackedBert)

    def probe(self, bfloat16: bool) -> NDArray[np.float32]:  # noqa: FBT001 - the one argument of a callback
        self.ways.turn(bfloat16)
        return self.encode(precision.PROBES, "").vectors

    def encode(self, texts: Sequence[str], prompt: str) -> Encoded:
        ids, truncated = _tokenized(self._tokenizer, texts, prompt, self._max_tokens)
        vectors = np.empty((len(texts), self._dim), np.float32)
        model = self.ways.model

        def computed(batch: NDArray[np.int64]) -> NDArray[np.float32]:
            return model.vectors([ids[index] for index in batch])

        batches = self._batches([len(one) for one in ids])
        for batch, made in zip(batches, self._lanes.each(computed, batches), strict=True):
            vectors[batch] = made
        return Encoded(unit(vectors), truncated)

    def _batches(self, lengths: list[int]) -> list[NDArray[np.int64]]:
        if not self._on_cpu:
            return list(batching.by_length(lengths, _GPU_TOKENS_PER_BATCH))
        tokens_per_call = None if self.packed else batching.TOKENS_PER_CALL
        return list(batching.by_length(lengths, batching.tokens_per_batch(sum(lengths)), tokens_per_call))

    def _from_file(self, model: TextModel) -> bool:
        """Take the weights of a plain BERT, if they give the same vectors here in two ways."""
        plain = plain_bert(model)
        if plain is None:
            return False
        self._tokenizer, self.ways = plain_tokenizer(model), _ways(packed_file(plain))
        return self._gives(_Small(brief_encoder(plain), model).encode(precision.PROBES, "").vectors)

    def _from_library(self, model: TextModel) -> None:
        """Load the model as its authors run it, and leave padding out if that gives the same vectors."""
        transformer = load_model(model, self.device)
        self._tokenizer = own_tokenizer(transformer, model.max_tokens)
        self.ways = padded = _ways(PaddedModel(transformer, self.device))
        packed = packed_bert(transformer, model) if self._on_cpu else None
        if packed is None:
            return
        usual = self.probe(bfloat16=False)
        self.ways = _ways(packed)
        if not self._gives(usual):
            self.ways = padded

    def _gives(self, usual: NDArray[np.float32]) -> bool:
        """Whether the model gives these vectors for the probes."""
        furthest = float(np.abs(self.probe(bfloat16=False) - usual).max())
        if furthest > _SAME:
            _log.warning("packed tokens give vectors that differ by %.2g; the model is run another way", furthest)
        return furthest <= _SAME


def _ways(exact: PackedBert | PaddedModel) -> precision.Ways[PackedBert | PaddedModel]:
    return precision.Ways(exact, lambda one: one.in_bfloat16())


class _Small:
    """A model for a few texts in memory."""

    def __init__(self, encoder: BriefEncoder, model: TextModel) -> None:
        self._encoder = encoder
        self._tokenizer = plain_tokenizer(model)
        self._max_tokens = model.max_tokens

    def encode(self, texts: Sequence[str], prompt: str) -> Encoded:
        ids, truncated = _tokenized(self._tokenizer, texts, prompt, self._max_tokens)
        return Encoded(unit(np.stack([self._encoder.vector(one) for one in ids])), truncated)


def _tokenized(
    tokenizer: "Tokenizer", texts: Sequence[str], prompt: str, max_tokens: int
) -> tuple[list[list[int]], NDArray[np.bool_]]:
    """Tokens of texts, and whether each was cut."""
    limit = max_tokens * _CHARS_PER_TOKEN
    encodings = tokenizer.encode_batch_fast([prompt + text[:limit] for text in texts])
    for index, text in enumerate(texts):
        end = limit
        # A key of a thousand digits is one unknown word to some tokenizers: what follows it counts too.
        while end < len(text) and not encodings[index].overflowing:
            end *= 8
            encodings[index] = tokenizer.encode_batch_fast([prompt + text[:end]])[0]
    truncated = [bool(encoding.overflowing) for encoding in encodings]
    return [encoding.ids for encoding in encodings], np.asarray(truncated, np.bool_)


def usable_device(wanted: str) -> str:
    """``cpu``, ``cuda`` or ``mps``: the one that is wanted, or with ``auto`` the best there is.

    Raises:
        EncoderError: There is none of this kind here.
    """
    import torch  # noqa: PLC0415

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[wanted]:
        message = f"the device {wanted!r} is not available here"
        raise EncoderError(message, hint="Set NEARCLASS_DEVICE=auto, or install the build of torch for that device.")
    return wanted


def set_environment() -> None:
    """What the libraries under torch read once, when they are first loaded."""
    # Threads that wait sleep instead of spinning: with other work on the same cores the rate is three to four times
    # higher (measured on two cores); on idle ones spinning would be 8 to 15 % quicker.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The fast tokenizers have a thread pool of their own; without this they print a warning after every fork.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
