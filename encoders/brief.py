"""A few texts to vectors without torch: the forward pass of a BERT encoder in numpy.

Importing torch, transformers and sentence-transformers takes seconds, and a command that adds one class encodes five
texts. So commands that encode little do it here, with the same weights, the same tokenizer and the same formulas in
float32; vectors agree to rounding.

Source:
    Devlin et al., BERT, 2018 (arXiv 1810.04805); layers as in ``transformers.models.bert``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .plain_bert import PlainBert

__all__ = ["MOST_CHARS", "MOST_TEXTS", "BriefEncoder", "brief_encoder", "is_brief"]

MOST_TEXTS: Final = 100
MOST_CHARS: Final = 8_000
"""More than this is encoded sooner with torch, its import included."""

Floats = NDArray[np.float32]


def is_brief(texts: Sequence[str]) -> bool:
    """Whether texts are few and short."""
    return len(texts) <= MOST_TEXTS and sum(map(len, texts)) <= MOST_CHARS


def brief_encoder(plain: PlainBert) -> "BriefEncoder":
    """The model for a few texts, from its file of weights."""
    from safetensors.numpy import load_file  # noqa: PLC0415 - only who encodes needs it

    return BriefEncoder(load_file(plain.weights), plain)


class BriefEncoder:
    """The weights of a BERT encoder, by the names they have in its file."""

    def __init__(self, tensors: Mapping[str, Floats], plain: PlainBert) -> None:
        self._tensors = tensors
        self._plain = plain

    def vector(self, ids: Sequence[int]) -> Floats:
        """What comes out for the first token of one text or the mean of all, shape (dim,); not of unit length."""
        get = self._tensors
        hidden = get["embeddings.word_embeddings.weight"][list(ids)]
        hidden = hidden + get["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = hidden + get["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normed(hidden, "embeddings.LayerNorm")
        for layer in range(self._plain.layers):
            name = f"encoder.layer.{layer}"
            attended = self._dense(self._attended(hidden, f"{name}.attention.self"), f"{name}.attention.output.dense")
            hidden = self._normed(hidden + attended, f"{name}.attention.output.LayerNorm")
            inner = _gelu(self._dense(hidden, f"{name}.intermediate.dense"))
            hidden = self._normed(hidden + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        found: Floats = hidden[0] if self._plain.first else hidden.mean(axis=0, dtype=np.float32)
        return found

    def _attended(self, hidden: Floats, name: str) -> Floats:
        """What each token hears from all others, shape (tokens, dim)."""
        tokens, dim = hidden.shape
        query, key, value = (
            self._dense(hidden, f"{name}.{part}").reshape(tokens, self._plain.heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[2]))
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        heard: Floats = (shares @ value).transpose(1, 0, 2).reshape(tokens, dim)
        return heard

    def _dense(self, values: Floats, name: str) -> Floats:
        made: Floats = values @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]
        return made

    def _normed(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(self._plain.eps))
        made: Floats = centred / spread * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]
        return made


def _gelu(values: Floats) -> Floats:
    from scipy.special import erf  # noqa: PLC0415 - takes a third of a second to import

    made: Floats = values * np.float32(0.5) * (np.float32(1) + erf(values / np.sqrt(np.float32(2))))
    return made
