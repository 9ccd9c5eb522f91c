"""Canonical text: what is embedded and hashed is always this form."""

import hashlib
import re
import unicodedata
from typing import Final

import ftfy

from .records import Item, Role

__all__ = ["canonical", "clip_bytes", "content_hash", "item_text"]

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]+")
_SPACES: Final = re.compile(r"\s+")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# Bytes of UTF-8 read as Latin-1 or Windows-1252 nearly always show one of these; repairing is slow, so look first.
_MOJIBAKE: Final = re.compile("[ÂÃâåæçèéÐÑðï][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]")  # noqa: RUF001 - these are what to look for

_PASSES: Final = 8


def canonical(text: str) -> str:
    r"""The text in NFC, mojibake repaired, control characters out, runs of white space as one space.

    >>> canonical(" Cafe\u0301\x00  cr\u00c3\u00a8me ")
    'Café crème'
    """
    if text.isascii():
        return _SPACES.sub(" ", _CONTROLS.sub(" ", text)).strip()
    text = _SURROGATES.sub("\ufffd", text)
    # What one pass composes or takes out may leave mojibake for the next; nearly every text needs one.
    for _ in range(_PASSES):
        before, text = text, _cleaned(text)
        if text == before or not _MOJIBAKE.search(text):
            break
    return text


def _cleaned(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if _MOJIBAKE.search(text):
        text = unicodedata.normalize("NFC", ftfy.fix_encoding(text))
    return _SPACES.sub(" ", _CONTROLS.sub(" ", text)).strip()


def item_text(item: Item) -> str:
    """The one text that is embedded for an item: title first, then description, then text.

    The title stands first because encoders weight and keep the beginning most. A text that already holds the
    title stands in its place, so that a source with ``title`` and ``text`` = title + brand is not embedded twice.

    >>> item_text(Item("1", title="Kettle", description="Boils 1.7 l."))
    'Kettle. Boils 1.7 l.'
    >>> item_text(Item("1", title="Kettle", text="Kettle (Brand)"))
    'Kettle (Brand)'
    """
    title, description, text = (canonical(part or "") for part in (item.title, item.description, item.text))
    if title.casefold() in text.casefold():
        title, text = text, ""
    parts = [part for part in (title, description, text) if part]
    closed = [part if part[-1] in ".!?:;" else f"{part}." for part in parts[:-1]]
    return " ".join([*closed, *parts[-1:]])


def content_hash(fingerprint: str, role: Role, text: str) -> str:
    """Identity of an embedding: SHA-256 over the space, the role and the canonical text, 64 hexadecimal digits.

    All three belong to it: the same text has another vector in another space, and in another role.
    """
    framed = f"{fingerprint}\x1f{role.value}\x1f{text}"
    return hashlib.sha256(framed.encode("utf-8", "replace")).hexdigest()


def clip_bytes(text: str, limit: int) -> str:
    """The longest beginning of the text that fits ``limit`` bytes of UTF-8; halves of surrogate pairs are replaced.

    >>> clip_bytes("日本", 5)
    '日'
    """
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    if len(text) * 4 <= limit:
        return text
    return text.encode("utf-8")[:limit].decode("utf-8", "ignore")
