"""A plain BERT encoder on disk: which models are one, and where their weights are.

These are computed here, in numpy or torch, from the file of weights. Importing transformers and sentence-transformers
takes four seconds, and whoever runs a command waits for them. Whatever is more than a plain BERT is left to
sentence-transformers.

Source:
    Devlin et al., BERT, 2018 (arXiv 1810.04805); names of weights as in ``transformers.models.bert``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .files import read_json, read_optional
from .fingerprint import TextModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["MODULES", "POOLINGS", "PlainBert", "plain_bert", "plain_tokenizer"]

MODULES: Final = ({"Pooling"}, {"Pooling", "Normalize"})
"""What may follow the transformer."""
POOLINGS: Final = (["mean"], ["cls"])

_PLAIN: Final = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
}


@dataclass(frozen=True, slots=True)
class PlainBert:
    """What has to be known of the model besides its weights.

    Attributes:
        weights: File of the weights, by the names that transformers gives them.
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
    modules = model.space.details["modules"]
    pooling: dict[str, Any] = next((one for one in modules if one["type"] == "Pooling"), {})
    plain = {name: config.get(name, wanted) for name, wanted in _PLAIN.items()} == _PLAIN
    if not plain or {one["type"] for one in modules} not in MODULES or pooling["modes"] not in POOLINGS:
        return None
    if not pooling["include_prompt"] or read_optional(folder / "sentence_bert_config.json").get("do_lower_case"):
        return None
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    if not weights.is_file() or not tokenizer.is_file() or not _tokenizer_is_its_file(folder):
        return None
    return PlainBert(
        weights,
        int(config["num_hidden_layers"]),
        int(config["num_attention_heads"]),
        float(config.get("layer_norm_eps", 1e-12)),
        pooling["modes"] == ["cls"],
    )


def plain_tokenizer(model: TextModel) -> "Tokenizer":
    """The tokenizer of such a model; cuts at the most tokens that the model reads."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - only who encodes needs it

    made = Tokenizer.from_file(str(model.folder.path / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(max_length=model.max_tokens)
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
