"""Encoders of pictures and texts for classification by class description.

All load in open_clip without code of their own and publish safetensors weights. "ImageNet" is the published top-1
accuracy in per cent without training on ImageNet, over 1,000 classes from their names in 80 prompts; "38 sets" the mean
over 38 sets of pictures, in per cent. Both are from docs/openclip_results.csv of open_clip where nothing else is named.
They say nothing about your catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["DEFAULT_IMAGE_PRESET", "IMAGE_PRESETS", "ImagePreset"]


@dataclass(frozen=True, slots=True)
class ImagePreset:
    """An encoder of pictures and texts, and where to get it.

    Attributes:
        name: Short name that operators type.
        model: Model id on the Hugging Face hub.
        revision: Commit of the model repository, 40 hex digits, or None to follow its main branch.
        dim: Length of a vector.
        image_size: Width and height in pixels that a picture is brought to.
        max_tokens: Longest text in tokens; the rest is cut off.
        parameters_m: Parameters of both towers in millions.
        languages: Language codes, or what the card claims.
        licence: Licence of the weights, as the card names it.
        note: Published quality and what an operator must know before choosing the model.
        source: Model card, paper or table that the figures come from.
    """

    name: str
    model: str
    revision: str | None
    dim: int
    image_size: int
    max_tokens: int
    parameters_m: float
    languages: str
    licence: str
    note: str
    source: str


_PRESETS: Final = (
    ImagePreset(
        name="clip-b32",
        model="laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
        revision=None,
        dim=512,
        image_size=224,
        max_tokens=77,
        parameters_m=151.3,
        languages="en",
        licence="mit",
        note="ImageNet 69.2, 38 sets 57.9. The quickest here.",
        source="open_clip docs/openclip_results.csv, ViT-B-32 datacomp_xl_s13b_b90k",
    ),
    ImagePreset(
        name="clip-b16",
        model="laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        revision=None,
        dim=512,
        image_size=224,
        max_tokens=77,
        parameters_m=149.6,
        languages="en",
        licence="mit",
        note="ImageNet 73.5, 38 sets 61.5. Four times the work of clip-b32 for each picture.",
        source="open_clip docs/openclip_results.csv, ViT-B-16 datacomp_xl_s13b_b90k",
    ),
    ImagePreset(
        name="clip-l14",
        model="laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
        revision=None,
        dim=768,
        image_size=224,
        max_tokens=77,
        parameters_m=427.6,
        languages="en",
        licence="mit",
        note="ImageNet 79.2, 38 sets 66.3. For a GPU.",
        source="open_clip docs/openclip_results.csv, ViT-L-14 datacomp_xl_s13b_b90k",
    ),
    ImagePreset(
        name="siglip2-b16",
        model="timm/ViT-B-16-SigLIP2-256",
        revision=None,
        dim=768,
        image_size=256,
        max_tokens=64,
        parameters_m=375.2,
        languages="multilingual",
        licence="apache-2.0",
        note="ImageNet 79.1. Texts of many languages. Cosines are small: read their order, not their size.",
        source="arXiv 2502.14786, table 1, B/16 at 256 pixels; licence from model card google/siglip2-base-patch16-256",
    ),
    ImagePreset(
        name="marqo-b",
        model="Marqo/marqo-ecommerce-embeddings-B",
        revision=None,
        dim=768,
        image_size=224,
        max_tokens=64,
        parameters_m=203.0,
        languages="en",
        licence="apache-2.0",
        note="Trained on products of shops.",
        source="model card Marqo/marqo-ecommerce-embeddings-B",
    ),
    ImagePreset(
        name="marqo-l",
        model="Marqo/marqo-ecommerce-embeddings-L",
        revision=None,
        dim=1024,
        image_size=256,
        max_tokens=64,
        parameters_m=652.0,
        languages="en",
        licence="apache-2.0",
        note="Trained on products of shops. On three tasks of marqo-ecommerce-hard its MRR is 17.6 % and its nDCG@10 "
        "20.5 % higher than those of ViT-SO400M-14-SigLIP, as its makers measured. For a GPU.",
        source="model card Marqo/marqo-ecommerce-embeddings-L",
    ),
)

IMAGE_PRESETS: Final[Mapping[str, ImagePreset]] = MappingProxyType({preset.name: preset for preset in _PRESETS})
"""Every preset by its name."""

DEFAULT_IMAGE_PRESET: Final = "clip-b32"
"""Name of the preset that is offered where none is chosen."""
