"""Finding classes by what people call them."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from .records import PATH_SEPARATOR

__all__ = ["Names", "close_ids", "one_spacing"]

_MAX_SUGGESTIONS: Final = 3


def one_spacing(text: str) -> str:
    """The path with one way of spacing, whatever was typed around the separators.

    Example:
        >>> one_spacing(" Home>Kitchen  >Kettles")
        'Home > Kitchen > Kettles'
    """
    return PATH_SEPARATOR.join(" ".join(name.split()) for name in text.split(">"))


class Names:
    """Ids by name as written, and by name in any letter case."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        """Index pairs of an id and its name, which may be a path."""
        self._exact, self._folded = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for class_id, written in named:
            name = one_spacing(written)
            self._exact[name].append(class_id)
            self._folded[name.casefold()].append(class_id)

    def ids(self, name: str) -> list[str]:
        """Gives the ids with this name as it is written, else in any letter case."""
        wanted = one_spacing(name)
        return self._exact.get(wanted) or self._folded.get(wanted.casefold()) or []

    def close(self, name: str) -> list[str]:
        """Gives a few ids whose names look alike."""
        return [
            self._folded[one][0] for one in difflib.get_close_matches(name.casefold(), self._folded, n=_MAX_SUGGESTIONS)
        ]


def close_ids(text: str, class_ids: Sequence[str], names: Names) -> list[str]:
    """Gives a few ids that may have been meant: those that look alike, else those of such a name."""
    close = difflib.get_close_matches(text, class_ids, n=_MAX_SUGGESTIONS)
    return close or names.close(text.rpartition(">")[2].strip())
