"""Product taxonomies as they are published: one class on a line of text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from .sources.rows import BadRow, RawRow, clip

__all__ = ["SHOPIFY_GID", "parse_google", "parse_shopify", "sniff_taxonomy"]

SHOPIFY_GID: Final = "gid://shopify/TaxonomyCategory/"
"""Before the ids of Shopify's classes, in some of its files."""

_GOOGLE_HEADER: Final = "# Google_Product_Taxonomy_Version"
_GOOGLE_LINE: Final = re.compile(r"(\d+)\s+-\s+(.*)")
_SHOPIFY_HEADER: Final = "# Shopify Product Taxonomy"
_SHOPIFY_LINE: Final = re.compile(SHOPIFY_GID + r"(\S+)\s*:\s*(.*)")


def sniff_taxonomy(first_lines: Sequence[str]) -> Literal["google", "shopify"] | None:
    """Gives which published taxonomy text the first lines of a file belong to, or None.

    Example:
        >>> sniff_taxonomy(["# Google_Product_Taxonomy_Version: 2021-09-21", "1 - Animals & Pet Supplies"])
        'google'
        >>> sniff_taxonomy(["id,name", "1,Animals"]) is None
        True
    """
    comments = [line.lstrip("\ufeff") for line in first_lines if line.lstrip("\ufeff").startswith("#")]
    content = [text for _, text in _content(first_lines)]
    if any(line.startswith(_SHOPIFY_HEADER) for line in comments) or _all_match(_SHOPIFY_LINE, content):
        return "shopify"
    if any(line.startswith(_GOOGLE_HEADER) for line in comments) or _all_match(_GOOGLE_LINE, content):
        return "google"
    return None


def _all_match(pattern: re.Pattern[str], lines: Sequence[str]) -> bool:
    return bool(lines) and all(pattern.fullmatch(line) for line in lines)


def parse_google(lines: Iterable[str], source: str = "") -> Iterator[RawRow | BadRow]:
    """Yields a row per line of the Google product taxonomy, with ids or without.

    Example:
        >>> next(parse_google(["3237 - Animals & Pet Supplies > Live Animals"])).values
        {'id': '3237', 'path': ['Animals & Pet Supplies', 'Live Animals']}
    """
    content = list(_content(lines))
    with_ids = any(_GOOGLE_LINE.fullmatch(text) for _, text in content)
    pattern = _GOOGLE_LINE if with_ids else re.compile("()(.*)")
    return _rows(content, pattern, source, "'1 - A > B'" if with_ids else "'A > B'")


def parse_shopify(lines: Iterable[str], source: str = "") -> Iterator[RawRow | BadRow]:
    """Yields a row per line of ``categories.txt`` of the Shopify product taxonomy.

    Example:
        >>> next(parse_shopify(["gid://shopify/TaxonomyCategory/ap-1 : Animals > Live Animals"])).values
        {'id': 'ap-1', 'path': ['Animals', 'Live Animals']}
    """
    return _rows(_content(lines), _SHOPIFY_LINE, source, "'gid://shopify/TaxonomyCategory/x-1 : A > B'")


def _content(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.lstrip("\ufeff").strip()
        if text and not text.startswith("#"):
            yield number, text


def _rows(
    content: Iterable[tuple[int, str]], pattern: re.Pattern[str], source: str, form: str
) -> Iterator[RawRow | BadRow]:
    for position, (number, text) in enumerate(content):
        found = pattern.fullmatch(text)
        path = [name.strip() for name in found[2].split(">")] if found else []
        if found and all(path):
            values = {"id": found[1], "path": path} if found[1] else {"path": path}
            yield RawRow(values, source, number, position)
        else:
            message = f"the line is not of the form {form}"
            yield BadRow(clip(text), source, number, position, "bad_line", message)
