"""Text-embedding models for classification by class description, each with its two role prompts.

Two roles are encoded differently: a *class* text is a class name or description (the document side), an
*item* text is the thing to be categorised (the query side). A prompt is put before the text exactly as
written here, trailing space or its absence included; an empty prompt means that the text is encoded bare.
Pass prompts explicitly, empty ones too: several of these models store prompts of their own for retrieval,
which are not the ones wanted here.

Every model loads in sentence-transformers without remote code and publishes safetensors weights.
BAAI/bge-m3 is absent because its repository has no safetensors file.

Quality figures are published ones, in the setting named in the note. "MTEB English" is the older benchmark
of 56 datasets and "MTEB English v2" its successor: the two are not comparable. "BTZSC Banking77" is
zero-shot accuracy over 77 intents from label texts alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["DEFAULT_TEXT_PRESET", "TEXT_PRESETS", "TextPreset"]


@dataclass(frozen=True, slots=True)
class TextPreset:
    """A text-embedding model, where to get it, and how to prompt it for each role.

    Attributes:
        name: Short name that operators type.
        model: Model id on the Hugging Face hub.
        revision: Commit of the model repository, 40 hex digits, or None to follow its main branch.
        dim: Length of a full, untruncated vector.
        max_tokens: Longest input in tokens, the prompt included; the rest is cut off.
        parameters_m: Parameters in millions.
        class_prompt: Put before a class text; empty for none.
        item_prompt: Put before an item text; empty for none.
        languages: Language codes, or how many languages the card claims.
        licence: Licence of the weights, as the card names it.
        note: Published quality and what an operator must know before choosing the model.
        source: Model card, paper or benchmark that the prompts and figures come from.
    """

    name: str
    model: str
    revision: str | None
    dim: int
    max_tokens: int
    parameters_m: float
    class_prompt: str
    item_prompt: str
    languages: str
    licence: str
    note: str
    source: str


# English whatever the language of the items, because most instructions in training were (Qwen3 card).
_TASK: Final = "Given a product title or short text, retrieve the description of the category it belongs to"

_PRESETS: Final = (
    TextPreset(
        name="minilm",
        model="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        dim=384,
        max_tokens=256,
        parameters_m=22.7,
        class_prompt="",
        item_prompt="",
        languages="en",
        licence="apache-2.0",
        note="BTZSC Banking77 0.441; 0.800 with logistic regression on 8 exemplars per class (MTEB). Smallest here.",
        source="model card sentence-transformers/all-MiniLM-L6-v2; BTZSC (ICLR 2026); MTEB results",
    ),
    TextPreset(
        name="bge-small",
        model="BAAI/bge-small-en-v1.5",
        revision="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
        dim=384,
        max_tokens=512,
        parameters_m=33.4,
        class_prompt="",
        item_prompt="",
        languages="en",
        licence="mit",
        note="MTEB English mean 62.17, classification 74.14. No prompt: the card recommends its instruction "
        "only for short queries that look for long passages.",
        source="model card BAAI/bge-small-en-v1.5",
    ),
    TextPreset(
        name="granite-small",
        model="ibm-granite/granite-embedding-small-english-r2",
        revision="54a8d2616a0844355a5164432d3f6dafb37b17a3",
        dim=384,
        max_tokens=8192,
        parameters_m=47.7,
        class_prompt="",
        item_prompt="",
        languages="en",
        licence="apache-2.0",
        note="MTEB English v2 mean 61.1, BEIR retrieval 50.9. Long inputs; trained only on data with "
        "permissive licences.",
        source="model card ibm-granite/granite-embedding-small-english-r2; arXiv 2508.21085",
    ),
    TextPreset(
        name="multilingual-e5-small",
        model="intfloat/multilingual-e5-small",
        revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
        dim=384,
        max_tokens=512,
        parameters_m=118.0,
        class_prompt="query: ",
        item_prompt="query: ",
        languages="about 100",
        licence="mit",
        note="MTEB multilingual retrieval (18 tasks) 50.9. The card wants a prompt on every text, and "
        '"query: " for tasks other than retrieval. Cosines lie around 0.7 to 1.0: read their order, not '
        "their size.",
        source="model card intfloat/multilingual-e5-small; figure from model card "
        "ibm-granite/granite-embedding-97m-multilingual-r2",
    ),
    TextPreset(
        name="multilingual-e5-large-instruct",
        model="intfloat/multilingual-e5-large-instruct",
        revision="baa7be480a7de1539afce709c8f13f833a510e0a",
        dim=1024,
        max_tokens=512,
        parameters_m=560.0,
        class_prompt="",
        # The space after "Query:" is this model's; Qwen3 has none.
        item_prompt=f"Instruct: {_TASK}\nQuery: ",
        languages="about 100",
        licence="mit",
        note="MTEB multilingual mean 63.22, MTEB English v2 mean 65.53. The instruction goes on the item side only.",
        source="model card intfloat/multilingual-e5-large-instruct; figures from model card Qwen/Qwen3-Embedding-0.6B",
    ),
    TextPreset(
        name="embeddinggemma",
        model="google/embeddinggemma-300m",
        revision="57c266a740f537b4dc058e1b0cda161fd15afa75",
        dim=768,
        max_tokens=2048,
        parameters_m=307.6,
        class_prompt="task: classification | query: ",
        item_prompt="task: classification | query: ",
        languages="100+",
        licence="gemma",
        note="MTEB multilingual mean 61.15, MTEB English v2 mean 69.67. Gated: accept Google's terms on the "
        "hub and log in first. float16 is not supported: use float32 or bfloat16. Clustering has its own "
        'prompt, "task: clustering | query: ".',
        source="model card google/embeddinggemma-300m; arXiv 2509.20354",
    ),
    TextPreset(
        name="bge-large",
        model="BAAI/bge-large-en-v1.5",
        revision="d4aa6901d3a41ba39fb536a557fa166f842b0e09",
        dim=1024,
        max_tokens=512,
        parameters_m=335.0,
        class_prompt="",
        item_prompt="",
        languages="en",
        licence="mit",
        note="BTZSC Banking77 0.677; 0.878 with logistic regression on 8 exemplars per class (MTEB); MTEB "
        "English mean 64.23. No prompt: the card recommends its instruction only for short queries that look "
        "for long passages.",
        source="model card BAAI/bge-large-en-v1.5; BTZSC (ICLR 2026); MTEB results",
    ),
    TextPreset(
        name="mxbai-large",
        model="mixedbread-ai/mxbai-embed-large-v1",
        revision="db9d1fe0f31addb4978201b2bf3e577f3f8900d2",
        dim=1024,
        max_tokens=512,
        parameters_m=335.1,
        class_prompt="",
        item_prompt="",
        languages="en",
        licence="apache-2.0",
        note="MTEB English mean 64.68. No prompt: the card has one for retrieval queries and says that other "
        "tasks need none.",
        source="model card mixedbread-ai/mxbai-embed-large-v1",
    ),
    TextPreset(
        name="qwen3-0.6b",
        model="Qwen/Qwen3-Embedding-0.6B",
        revision="97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
        dim=1024,
        max_tokens=32768,
        parameters_m=595.8,
        class_prompt="",
        item_prompt=f"Instruct: {_TASK}\nQuery:",
        languages="100+",
        licence="apache-2.0",
        note="BTZSC Banking77 0.639; 0.810 with logistic regression on 8 exemplars per class (MTEB); MTEB "
        "multilingual mean 64.33, MTEB English v2 mean 70.70. Pools the last token: pad on the left. Needs "
        "transformers 4.51 or later.",
        source="model card Qwen/Qwen3-Embedding-0.6B; BTZSC (ICLR 2026); MTEB results",
    ),
)

TEXT_PRESETS: Final[Mapping[str, TextPreset]] = MappingProxyType({preset.name: preset for preset in _PRESETS})
"""Every preset by its name."""

DEFAULT_TEXT_PRESET: Final = "minilm"
"""Name of the preset used where none is chosen."""
