"""A plain BERT on a CPU without padding: the tokens of all texts stand in one row.

Texts of equal length attend together; everything else works on single tokens, whatever text they are of. A call of the
model reads all its weights, and padding is computed like everything else: a few texts of unlike lengths, such as the
requests that a service answers together, cost a third less in one call without padding than cut into calls of like
lengths (measured with MiniLM and batches of 16 and 32 product titles on two cores).

Source:
    Zhai et al., ByteTransformer, 2022 (arXiv 2210.03052): the layers work on packed tokens, attention text by text.
    The layers are those of ``transformers.models.bert``.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fingerprint import TextModel
from .plain_bert import PlainBert, plain_pooling

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

__all__ = ["PackedBert", "packed_bert", "packed_file"]

_FEWEST_TOKENS: Final = 16
"""With fewer, products of matrices add up in another order, and a text alone would differ in the last bit from the same
text among others (measured with MKL; with 16 and more all were equal)."""


def packed_file(plain: PlainBert) -> "PackedBert":
    """The model for packed tokens, from its file of weights."""
    from safetensors.torch import load_file  # noqa: PLC0415 - only who encodes needs it

    return PackedBert(load_file(plain.weights), plain.layers, plain.heads, plain.eps, first=plain.first)


def packed_bert(loaded: "SentenceTransformer", model: TextModel) -> "PackedBert | None":
    """The model for packed tokens; None where it is more than a plain BERT with the mean or the first token of it."""
    import torch  # noqa: PLC0415 - slow to import

    pooling = plain_pooling(model)
    bert: Any = getattr(loaded[0], "auto_model", None)
    if pooling is None or type(bert).__name__ != "BertModel" or bert.dtype != torch.float32:
        return None
    config = bert.config
    absolute = getattr(config, "position_embedding_type", None) in {None, "absolute"}
    if not absolute or config.is_decoder or config.hidden_act != "gelu":
        return None
    layers, heads, eps = config.num_hidden_layers, config.num_attention_heads, config.layer_norm_eps
    return PackedBert(bert.state_dict(), layers, heads, eps, first=pooling == "cls")


class _Layer(NamedTuple):
    """The weights of a layer, each with its bias behind it; those of query, key and value are one."""

    attend: "tuple[Tensor, Tensor]"
    heard: "tuple[Tensor, Tensor]"
    heard_norm: "tuple[Tensor, Tensor]"
    inner: "tuple[Tensor, Tensor]"
    outer: "tuple[Tensor, Tensor]"
    outer_norm: "tuple[Tensor, Tensor]"

    @classmethod
    def of(cls, tensors: "Mapping[str, Tensor]", name: str) -> "_Layer":
        import torch  # noqa: PLC0415 - slow to import

        def of(part: str) -> "tuple[Tensor, Tensor]":
            return tensors[f"{name}.{part}.weight"], tensors[f"{name}.{part}.bias"]

        thrice = zip(*(of(f"attention.self.{part}") for part in ("query", "key", "value")), strict=True)
        weight, bias = (torch.cat(parts) for parts in thrice)
        return cls(
            (weight, bias),
            of("attention.output.dense"),
            of("attention.output.LayerNorm"),
            of("intermediate.dense"),
            of("output.dense"),
            of("output.LayerNorm"),
        )


class PackedBert:
    """The layers of a BERT."""

    def __init__(self, tensors: "Mapping[str, Tensor]", layers: int, heads: int, eps: float, *, first: bool) -> None:
        """Take the weights by the names that transformers gives them.

        Args:
            tensors: The weights.
            layers: How many layers there are.
            heads: Of each layer.
            eps: Added to variances before their root is taken.
            first: Whether a text gets the vector of its first token, and not the mean of all.

        Raises:
            KeyError: A weight is not there.
        """
        name = "embeddings"
        self._words, self._places, self._kinds = (
            tensors[f"{name}.{part}_embeddings.weight"] for part in ("word", "position", "token_type")
        )
        self._norm = tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]
        self._layers = [_Layer.of(tensors, f"encoder.layer.{layer}") for layer in range(layers)]
        self._heads = heads
        self._eps = eps
        self._first = first

    def in_bfloat16(self) -> "PackedBert":
        """The same with its layers in bfloat16, as a copy of them: half of their size.

        With autocast each call of the model would make the copy anew, which takes longer than a few texts: with AMX and
        MiniLM, batches of 1, 10 and 64 product titles take 5.6, 15 and 58 ms on a core, with autocast 13, 29 and 124.
        """
        import torch  # noqa: PLC0415 - slow to import

        other = copy.copy(self)
        other._layers = [  # noqa: SLF001 - another of this class
            _Layer(*((weight.to(torch.bfloat16), bias.to(torch.bfloat16)) for weight, bias in layer))
            for layer in self._layers
        ]
        return other

    def vectors(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors of texts, given as their tokens and sorted by length, shape (n, dim); not of unit length."""
        import torch  # noqa: PLC0415 - slow to import

        filling = max(0, _FEWEST_TOKENS - sum(map(len, ids)))
        ids = [*[ids[0][:1]] * filling, *ids]  # texts of one token, whose vectors nobody gets
        tokens = torch.tensor(list(chain.from_iterable(ids)))
        places = torch.tensor(list(chain.from_iterable(range(len(one)) for one in ids)))
        groups = [(len(list(same)), length) for length, same in groupby(ids, len)]
        with torch.inference_mode():
            embedded = self._words[tokens] + self._kinds[0] + self._places[places]
            hidden = self._normed(embedded, self._norm).to(self._layers[0].attend[0].dtype)
            for layer in self._layers:
                hidden = self._through(layer, hidden, groups)
            made = [one[:, 0] if self._first else one.mean(1) for one in _of_texts(hidden.float(), groups)]
            vectors: NDArray[np.float32] = torch.cat(made)[filling:].numpy()
        return vectors

    def _through(self, layer: _Layer, hidden: "Tensor", groups: Sequence[tuple[int, int]]) -> "Tensor":
        from torch.nn.functional import gelu, linear  # noqa: PLC0415 - slow to import

        heard = linear(_attended(linear(hidden, *layer.attend), groups, self._heads), *layer.heard)
        hidden = self._normed(heard + hidden, layer.heard_norm)
        return self._normed(linear(gelu(linear(hidden, *layer.inner)), *layer.outer) + hidden, layer.outer_norm)

    def _normed(self, values: "Tensor", norm: "tuple[Tensor, Tensor]") -> "Tensor":
        from torch.nn.functional import layer_norm  # noqa: PLC0415 - slow to import

        return layer_norm(values, values.shape[-1:], *norm, self._eps)


def _attended(asked: "Tensor", groups: Sequence[tuple[int, int]], heads: int) -> "Tensor":
    """What each token hears from the others of its text, shape (tokens, dim), by query, key and value side by side."""
    import torch  # noqa: PLC0415 - slow to import

    heard = []
    for same in _of_texts(asked, groups):
        texts, length, _ = same.shape
        parts = same.view(texts, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        found = torch.nn.functional.scaled_dot_product_attention(*parts)
        heard.append(found.transpose(1, 2).reshape(texts * length, -1))
    return torch.cat(heard)


def _of_texts(values: "Tensor", groups: Sequence[tuple[int, int]]) -> "Iterator[Tensor]":
    """Values of packed tokens by texts of equal length, each of shape (texts, length, dim)."""
    sizes = [count * length for count, length in groups]
    for part, (count, length) in zip(values.split_with_sizes(sizes), groups, strict=True):
        yield part.view(count, length, -1)
