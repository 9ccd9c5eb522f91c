"""A model as sentence-transformers runs it: texts of one call padded to the longest of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderError
from .fingerprint import TextModel
from .precision import halved

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

__all__ = ["PaddedModel", "load_model", "own_tokenizer"]


class PaddedModel:
    """The model on a device."""

    def __init__(self, model: "SentenceTransformer", device: str, *, bfloat16: bool = False) -> None:
        """Run it in float32, or under autocast."""
        self._model = model
        self._device = device
        self._bfloat16 = bfloat16
        self._pad = int(model.tokenizer.pad_token_id or 0)
        self._segments = "token_type_ids" in model.tokenizer.model_input_names

    def in_bfloat16(self) -> "PaddedModel":
        """The same under autocast, with a copy of its weights for that."""
        return PaddedModel(halved(self._model), self._device, bfloat16=True)

    def vectors(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors of texts, given as their tokens, shape (n, dim); not of unit length."""
        import torch  # noqa: PLC0415 - slow to import

        shape = len(ids), max(map(len, ids))
        padded, mask = np.full(shape, self._pad, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        features = {
            "input_ids": torch.from_numpy(padded).to(self._device),
            "attention_mask": torch.from_numpy(mask).to(self._device),
        }
        if self._segments:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        autocast = torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._bfloat16)
        with torch.inference_mode(), autocast:
            output = self._model(features)["sentence_embedding"]
        vectors: NDArray[np.float32] = output.float().cpu().numpy()
        return vectors


def load_model(model: TextModel, device: str) -> "SentenceTransformer":
    """The model in memory, as its authors run it.

    Raises:
        EncoderError: It cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:
        message = f"cannot import sentence-transformers: {type(error).__name__}: {error}"
        raise EncoderError(message, hint="Run `nearclass doctor`: torch and torchvision may not match.") from error
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        loaded = SentenceTransformer(
            str(model.folder.path),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # safetensors, transformers and torch each have their own for a damaged file
        message = f"cannot load the model in {model.folder.path}: {type(error).__name__}: {error}"
        raise EncoderError(message, hint="Run `nearclass doctor`; the files may be incomplete or damaged.") from error
    return loaded.eval()


def own_tokenizer(model: "SentenceTransformer", max_tokens: int) -> "Tokenizer":
    """A copy of the model's tokenizer that cuts at ``max_tokens``; the model changes its own whenever it is called.

    Raises:
        EncoderError: It has no fast one.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415

    backend: Any = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        message = f"the model {model} has no fast tokenizer"
        raise EncoderError(message, hint="Use a model that ships tokenizer.json.")
    own = Tokenizer.from_str(backend.to_str())
    own.no_padding()
    own.enable_truncation(max_length=max_tokens)
    return own
