"""Names that columns go by, and what a set of names says about where a table comes from."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

__all__ = ["MERCHANT_COLUMNS", "SYNONYMS", "Kind", "kind_of", "looks_like_header", "normalise"]

Kind = Literal["table", "google_merchant", "shopify_products"]

SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "id": (
        "id",
        "item_id",
        "product_id",
        "sku",
        "handle",
        "url_handle",
        "identifier",
        "record_id",
        "row_id",
        "document_id",
        "doc_id",
        "listing_id",
        "article_id",
        "uid",
        "uuid",
    ),
    "title": ("title", "name", "product_name", "product_title", "item_name", "item_title", "subject"),
    "description": (
        "description",
        "body",
        "long_description",
        "body_html",
        "product_description",
        "item_description",
        "summary",
    ),
    "text": ("text", "content", "utterance", "query", "sentence", "message"),
    "image": (
        "image",
        "image_link",
        "image_src",
        "image_url",
        "photo",
        "picture",
        "img",
        "main_image",
        "product_image_url",
    ),
    "label": ("label",),
    "labels": ("labels",),
    "oos": ("oos", "is_oos", "out_of_scope"),
    "vector": ("vector", "embedding"),
}
"""Item field to the column names that mean it, the most telling first, all in the form of ``normalise``."""

MERCHANT_COLUMNS: Final = frozenset(
    {
        "id",
        "title",
        "description",
        "link",
        "image_link",
        "additional_image_link",
        "product_type",
        "google_product_category",
        "brand",
        "gtin",
        "mpn",
        "price",
        "sale_price",
        "availability",
        "condition",
        "item_group_id",
        "identifier_exists",
        "shipping",
        "color",
        "size",
        "gender",
        "age_group",
        "material",
        "pattern",
        "mobile_link",
    }
)
"""Source: Google Merchant Center product data specification, https://support.google.com/merchants/answer/7052112"""

_MERCHANT_MARKS: Final = frozenset({"google_product_category", "product_type", "image_link", "availability", "gtin"})
_SHOPIFY_MARKS: Final = frozenset(
    {
        "body_html",
        "variant_sku",
        "variant_price",
        "option1_name",
        "option1_value",
        "product_image_url",
        "image_src",
    }
)
_KNOWN: Final = MERCHANT_COLUMNS.union(_SHOPIFY_MARKS, *SYNONYMS.values())


def normalise(name: str) -> str:
    """Return a column name without its case, spaces and punctuation.

    >>> normalise(" Body (HTML)"), normalise("g:image link")
    ('body_html', 'image_link')
    """
    return re.sub(r"[\W_]+", "_", name.casefold().strip().removeprefix("g:")).strip("_")


def kind_of(columns: Iterable[str]) -> Kind:
    """Return what kind of table has these columns.

    >>> kind_of(["Handle", "Title", "Body (HTML)"]), kind_of(["id", "title"])
    ('shopify_products', 'table')
    """
    names = {normalise(column) for column in columns}
    if names & {"handle", "url_handle"} and "title" in names and names & _SHOPIFY_MARKS:
        return "shopify_products"
    if {"id", "title", "link"} <= names and names & _MERCHANT_MARKS:
        return "google_merchant"
    return "table"


def looks_like_header(cells: Sequence[str]) -> bool:
    """Return whether these cells name columns rather than hold values: two of them at least are known names.

    >>> looks_like_header(["id", "title", "colour"]), looks_like_header(["red shoes", "size 9"])
    (True, False)
    """
    names = [normalise(cell.strip().strip('"')) for cell in cells]
    return len(set(names)) == len(names) and sum(name in _KNOWN for name in names) >= 2
