"""A plain BERT on a CPU without padding: the tokens of all texts stand in one row.

Texts of equal length attend together; everything else works on single tokens, whatever text they are of. A call of the
model reads all its weights, and padding is computed like everything else: a few texts of unlike lengths, such as the
requests that a service answers together, cost a third less in one call without padding than cut into calls of like
lengths (measured with MiniLM and batches of 16 and 32 product titles on two cores).

Source:
    Zhai et al., ByteTransformer, 2022 (arXiv 2210.03052): the layers work on packed tokens, attention text by text.
    The layers are those of ``transformers.models.bert``, called one by one.
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .fingerprint import TextModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

__all__ = ["PackedBert", "packed_bert"]

_MODULES: Final = ({"Pooling"}, {"Pooling", "Normalize"})
_POOLINGS: Final = (["mean"], ["cls"])
_FEWEST_TOKENS: Final = 16
"""With fewer, products of matrices add up in another order, and a text alone would differ in the last bit from the same
text among others (measured with MKL; with 16 and more all were equal)."""


def packed_bert(loaded: "SentenceTransformer", model: TextModel) -> "PackedBert | None":
    """The model for packed tokens; None where it is more than a plain BERT with the mean or the first token of it."""
    import torch  # noqa: PLC0415 - slow to import

    modules = model.space.details["modules"]
    pooling: dict[str, Any] = next((one for one in modules if one["type"] == "Pooling"), {})
    bert: Any = getattr(loaded[0], "auto_model", None)
    if {one["type"] for one in modules} not in _MODULES or pooling["modes"] not in _POOLINGS:
        return None
    if type(bert).__name__ != "BertModel" or not pooling["include_prompt"] or bert.dtype != torch.float32:
        return None
    config = bert.config
    absolute = getattr(config, "position_embedding_type", None) in {None, "absolute"}
    return PackedBert(bert, first=pooling["modes"] == ["cls"]) if absolute and not config.is_decoder else None


class PackedBert:
    """The layers of a BERT, which it shares with the whole model."""

    def __init__(self, bert: Any, *, first: bool) -> None:
        """Give the vector of the first token of each text, or the mean of all of them."""
        self._embeddings = bert.embeddings
        self._layers = bert.encoder.layer
        self._first = first

    def in_bfloat16(self) -> "PackedBert":
        """The same with its layers in bfloat16, as a copy of them: half of their size.

        With autocast each call of the model would make the copy anew, which takes longer than a few texts: with AMX and
        MiniLM, batches of 1, 10 and 64 product titles take 5.6, 15 and 58 ms on a core, with autocast 13, 29 and 124.
        """
        import torch  # noqa: PLC0415 - slow to import

        other = copy.copy(self)
        other._layers = copy.deepcopy(self._layers).to(torch.bfloat16)  # noqa: SLF001 - another of this class
        return other

    def vectors(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors of texts, given as their tokens and sorted by length, shape (n, dim); not of unit length."""
        import torch  # noqa: PLC0415 - slow to import

        filling = max(0, _FEWEST_TOKENS - sum(map(len, ids)))
        ids = [*[ids[0][:1]] * filling, *ids]  # texts of one token, whose vectors nobody gets
        tokens = torch.tensor([list(chain.from_iterable(ids))])
        places = torch.tensor([list(chain.from_iterable(range(len(one)) for one in ids))])
        groups = [(len(list(same)), length) for length, same in groupby(ids, len)]
        with torch.inference_mode():
            embedded = self._embeddings(input_ids=tokens, token_type_ids=torch.zeros_like(tokens), position_ids=places)
            hidden = embedded[0].to(next(self._layers.parameters()).dtype)
            for layer in self._layers:
                hidden = layer.attention.output(_attended(layer.attention.self, hidden, groups), hidden)
                hidden = layer.output(layer.intermediate(hidden), hidden)
            made = [one[:, 0] if self._first else one.mean(1) for one in _of_texts(hidden.float(), groups)]
            vectors: NDArray[np.float32] = torch.cat(made)[filling:].numpy()
        return vectors


def _attended(attention: Any, hidden: "Tensor", groups: Sequence[tuple[int, int]]) -> "Tensor":
    """What each token hears from the others of its text, shape (tokens, dim)."""
    import torch  # noqa: PLC0415 - slow to import

    parts = [_of_texts(one(hidden), groups) for one in (attention.query, attention.key, attention.value)]
    heard = []
    for same in zip(*parts, strict=True):
        heads = [one.view(*one.shape[:2], attention.num_attention_heads, -1).transpose(1, 2) for one in same]
        found = torch.nn.functional.scaled_dot_product_attention(*heads)
        heard.append(found.transpose(1, 2).reshape(-1, hidden.shape[1]))
    return torch.cat(heard)


def _of_texts(values: "Tensor", groups: Sequence[tuple[int, int]]) -> "Iterator[Tensor]":
    """Values of packed tokens by texts of equal length, each of shape (texts, length, dim)."""
    sizes = [count * length for count, length in groups]
    for part, (count, length) in zip(values.split_with_sizes(sizes), groups, strict=True):
        yield part.view(count, length, -1)
