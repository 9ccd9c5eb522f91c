"""A few texts to vectors without torch: the forward pass of a BERT encoder in numpy.

Importing torch, transformers and sentence-transformers takes seconds, and a command that adds one class encodes five
texts. So commands that encode little do it here, with the same weights, the same tokenizer and the same formulas in
float32; vectors agree to rounding. Whatever is not a plain BERT with mean pooling is left to sentence-transformers.

Source:
    Devlin et al., BERT, 2018 (arXiv 1810.04805); layers as in ``transformers.models.bert``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .files import read_json, read_optional
from .fingerprint import TextModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["MOST_CHARS", "MOST_TEXTS", "BriefEncoder", "brief_encoder", "brief_tokenizer", "is_brief"]

MOST_TEXTS: Final = 100
MOST_CHARS: Final = 8_000
"""More than this is encoded sooner with torch, its import included."""

_PLAIN: Final = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
_MODULES: Final = ({"Pooling"}, {"Pooling", "Normalize"})

Floats = NDArray[np.float32]


def is_brief(texts: Sequence[str]) -> bool:
    """Whether texts are few and short."""
    return len(texts) <= MOST_TEXTS and sum(map(len, texts)) <= MOST_CHARS


def brief_encoder(model: TextModel) -> "BriefEncoder | None":
    """The model for a few texts, or None where it is of another kind than this module computes."""
    folder = model.folder.path
    config = read_json(folder / "config.json")
    modules = model.space.details["modules"]
    pooling: dict[str, Any] = next((one for one in modules if one["type"] == "Pooling"), {})
    plain = {name: config.get(name, wanted) for name, wanted in _PLAIN.items()} == _PLAIN
    if not plain or {one["type"] for one in modules} not in _MODULES or pooling["modes"] != ["mean"]:
        return None
    if not pooling["include_prompt"] or read_optional(folder / "sentence_bert_config.json").get("do_lower_case"):
        return None
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    if not weights.is_file() or not tokenizer.is_file() or not _tokenizer_is_its_file(folder):
        return None
    from safetensors.numpy import load_file  # noqa: PLC0415 - only who encodes needs it

    tensors = load_file(weights)
    if any(one.dtype != np.float32 for name, one in tensors.items() if "position_ids" not in name):
        return None
    made = BriefEncoder(tensors, int(config["num_attention_heads"]), float(config.get("layer_norm_eps", 1e-12)))
    return made if made.is_whole(int(config["num_hidden_layers"])) else None


def brief_tokenizer(model: TextModel) -> "Tokenizer":
    """The tokenizer of such a model; cuts at the most tokens that the model reads."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only who encodes needs it

    made = Tokenizer.from_file(str(model.folder.path / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(max_length=model.max_tokens)
    return made


class BriefEncoder:
    """The weights of a BERT encoder, by the names they have in its file."""

    def __init__(self, tensors: Mapping[str, Floats], heads: int, eps: float) -> None:
        self._tensors = tensors
        self._heads = heads
        self._eps = np.float32(eps)
        self._layers = sum(name.endswith("attention.self.query.weight") for name in tensors)

    def is_whole(self, layers: int) -> bool:
        """Whether there are so many layers, and every weight under the name that it is looked for by."""
        try:
            self.vector([0])
        except KeyError:
            return False
        return self._layers == layers

    def vector(self, ids: Sequence[int]) -> Floats:
        """The mean of what comes out for the tokens of one text, shape (dim,); not of unit length."""
        get = self._tensors
        hidden = get["embeddings.word_embeddings.weight"][list(ids)]
        hidden = hidden + get["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = hidden + get["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normed(hidden, "embeddings.LayerNorm")
        for layer in range(self._layers):
            name = f"encoder.layer.{layer}"
            attended = self._dense(self._attended(hidden, f"{name}.attention.self"), f"{name}.attention.output.dense")
            hidden = self._normed(hidden + attended, f"{name}.attention.output.LayerNorm")
            inner = _gelu(self._dense(hidden, f"{name}.intermediate.dense"))
            hidden = self._normed(hidden + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        mean: Floats = hidden.mean(axis=0, dtype=np.float32)
        return mean

    def _attended(self, hidden: Floats, name: str) -> Floats:
        """What each token hears from all others, shape (tokens, dim)."""
        tokens, dim = hidden.shape
        query, key, value = (
            self._dense(hidden, f"{name}.{part}").reshape(tokens, self._heads, -1).transpose(1, 0, 2)
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
        spread = np.sqrt((centred * centred).mean(axis=1, keepdims=True) + self._eps)
        made: Floats = centred / spread * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]
        return made


def _gelu(values: Floats) -> Floats:
    from scipy.special import erf  # noqa: PLC0415 - takes a third of a second to import

    made: Floats = values * np.float32(0.5) * (np.float32(1) + erf(values / np.sqrt(np.float32(2))))
    return made


def _tokenizer_is_its_file(folder: Path) -> bool:
    """Whether transformers, which may change what the file says by its own settings, leaves it as it is."""
    own = read_optional(folder / "tokenizer_config.json")
    kind = str(own.get("tokenizer_class") or "")
    if kind == "PreTrainedTokenizerFast":
        return True
    normalizer = read_json(folder / "tokenizer.json").get("normalizer") or {}
    return (
        kind in {"BertTokenizer", "BertTokenizerFast"}
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("lowercase") == own.get("do_lower_case", True)
        and normalizer.get("strip_accents") == own.get("strip_accents")
        and normalizer.get("handle_chinese_chars") == own.get("tokenize_chinese_chars", True)
    )
