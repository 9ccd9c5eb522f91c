"""A plain BERT encoder on disk: which models are one, and where their weights are.

These are computed here, in numpy or torch, from the file of weights. Importing transformers and sentence-transformers
takes four seconds, and whoever runs a command waits for them. Whatever is more than a plain BERT is left to
sentence-transformers.

Source:
    Devlin et al., BERT, 2018 (arXiv 1810.04805); names of weights as in ``transformers.models.bert``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .files import read_json, read_optional
from .fingerprint import TextModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["PlainBert", "plain_bert", "plain_pooling", "plain_tokenizer"]

_MODULES: Final = ({"Pooling"}, {"Pooling", "Normalize"})
"""What may follow the transformer."""

_PLAIN: Final = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
}


_EMBEDDINGS: Final = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_OF_LAYER: Final = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_SINGLE_PRECISION: Final = "F32"


@dataclass(frozen=True, slots=True)
class PlainBert:
    """What has to be known of the model besides its weights.

    Attributes:
        weights: File of the weights, all of them there in single precision, by the names that transformers gives them.
        layers: How many there are.
        heads: Of each layer.
        eps: Added to variances before their root is taken.
        first: Whether the vector of the first token stands for the text, and not the mean of all.
    """

    weights: Path
    layers: int
    heads: int
    eps: float
    first: bool


def plain_bert(model: TextModel) -> PlainBert | None:
    """What the files of a model say of it; None where it is more than a plain BERT with the mean or first token."""
    folder = model.folder.path
    config = read_json(folder / "config.json")
    pooling = plain_pooling(model)
    plain = {name: config.get(name, wanted) for name, wanted in _PLAIN.items()} == _PLAIN
    if not plain or pooling is None or read_optional(folder / "sentence_bert_config.json").get("do_lower_case"):
        return None
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    layers = int(config["num_hidden_layers"])
    if not tokenizer.is_file() or not _tokenizer_is_its_file(folder) or not _are_whole(weights, layers):
        return None
    eps = float(config.get("layer_norm_eps", 1e-12))
    return PlainBert(weights, layers, int(config["num_attention_heads"]), eps, pooling == "cls")


def plain_pooling(model: TextModel) -> str | None:
    """``mean`` or ``cls``, what makes one vector of those of the tokens; None where it is more than that."""
    modules = model.space.details["modules"]
    pooling: dict[str, Any] = next((one for one in modules if one["type"] == "Pooling"), {})
    if {one["type"] for one in modules} not in _MODULES or not pooling["include_prompt"]:
        return None
    return pooling["modes"][0] if pooling["modes"] in (["mean"], ["cls"]) else None


def plain_tokenizer(model: TextModel) -> "Tokenizer":
    """The tokenizer of such a model; cuts at the most tokens that the model reads."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only who encodes needs it

    made = Tokenizer.from_file(str(model.folder.path / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(max_length=model.max_tokens)
    return made


def _are_whole(weights: Path, layers: int) -> bool:
    """Whether a file has the weights of so many layers and no more, under the names they are looked for by.

    A damaged file is not whole; whoever loads the model otherwise says what is wrong with it.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - only who encodes needs it

    try:
        with safe_open(weights, framework="numpy") as file:
            names = set(file.keys())
            needed = set(_names(layers))
            too_many = any(name.startswith(f"encoder.layer.{layers}.") for name in names)
            return (
                needed <= names
                and not too_many
                and all(file.get_slice(name).get_dtype() == _SINGLE_PRECISION for name in needed)
            )
    except (OSError, SafetensorError):
        return False


def _names(layers: int) -> Iterator[str]:
    yield from (f"embeddings.{part}.weight" for part in _EMBEDDINGS)
    parts = ["embeddings.LayerNorm"]
    parts += [f"encoder.layer.{layer}.{part}" for layer in range(layers) for part in _OF_LAYER]
    yield from (f"{part}.{kind}" for part in parts for kind in ("weight", "bias"))


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
