"""One item of a product feed, as its elements come."""

from typing import Any, Final

from .rows import MAX_ROW_BYTES
from .text import UNDECODABLE

__all__ = ["ItemBuilder"]

_MERCHANT: Final = "http://base.google.com/ns/1.0"
_ATOM_NAMES: Final = {"summary": "description", "content": "description"}
_ELEMENT_BYTES: Final = 64


class ItemBuilder:
    """Gathers the fields of one item.

    Attributes:
        line: The line that it begins on.
        values: Field to text, to a dict where it has elements of its own, to a list where it is repeated.
        size: About how many bytes it has; beyond the limit nothing is kept.
        undecodable: Whether some of it is not text in the encoding of the feed.
    """

    def __init__(self, line: int) -> None:
        """Begin an item."""
        self.line = line
        self.values: dict[str, Any] = {}
        self.size = 0
        self.undecodable = False
        self._origin: dict[str, tuple[str, str]] = {}
        self._depth = 0
        self._texts: list[str] = []
        self._inner_texts: list[str] = []
        self._inner: dict[str, Any] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element within the item."""
        self._depth += 1
        self.size += _ELEMENT_BYTES
        if self._depth == 1:
            self._texts, self._inner = [], {}
            if name == "link" and "href" in attributes:
                self.text(attributes["href"])
        elif self._depth == 2:
            self._inner_texts = []

    def text(self, text: str) -> None:
        """Take text of the element in hand."""
        self.size += len(text)
        if self.size <= MAX_ROW_BYTES and self._depth:
            self.undecodable = self.undecodable or UNDECODABLE in text
            (self._texts if self._depth == 1 else self._inner_texts).append(text)

    def end(self, space: str, name: str) -> bool:
        """End an element, and return whether that was the item itself."""
        if self._depth == 2:
            inner = "".join(self._inner_texts)
            self._texts.append(inner)
            _add(self._inner, name, inner.strip())
        elif self._depth == 1 and self.size <= MAX_ROW_BYTES:
            self._field(space, name)
        self._depth -= 1
        return self._depth < 0

    def _field(self, space: str, name: str) -> None:
        value = self._inner if self._inner and space == _MERCHANT else "".join(self._texts).strip()
        key = name if space == _MERCHANT else _ATOM_NAMES.get(name, name)
        known = self._origin.setdefault(key, (space, name))
        if key not in self.values or known == (space, name):
            _add(self.values, key, value)
        elif space == _MERCHANT:  # g:title says more surely what is meant than title
            self.values[key] = value
            self._origin[key] = (space, name)


def _add(values: dict[str, Any], key: str, value: Any) -> None:
    if key not in values:
        values[key] = value
    elif isinstance(values[key], list):
        values[key].append(value)
    else:
        values[key] = [values[key], value]
