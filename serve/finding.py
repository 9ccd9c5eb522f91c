"""Finding a class while its name is typed, among any number of them."""

import unicodedata
from dataclasses import dataclass

from ..schemas.records import PATH_SEPARATOR
from ..schemas.taxonomy import Taxonomy

__all__ = ["Finder", "fold"]


def fold(text: str) -> str:
    """A text as it is compared: without accents, in small letters.

    >>> fold("Crème  Brûlée")
    'creme brulee'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())


@dataclass(frozen=True, slots=True)
class _Entry:
    class_id: str
    name: str
    words: tuple[str, ...]
    path: str


class Finder:
    """The live classes of one state of the taxonomy."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self._entries = [self._entry(one) for one in taxonomy.ids() if taxonomy.is_live(one)]

    def find(self, text: str, limit: int) -> list[str]:
        """Ids of classes whose name, synonyms or path have every word that was typed, the likeliest first.

        A name that is or begins with what was typed comes before one with a word that does, and that before a path.
        """
        wanted = fold(text.replace(">", " "))
        words = wanted.split()
        if not words:
            return []
        found = []
        for place, entry in enumerate(self._entries):
            if all(word in entry.path for word in words):
                found.append((_rank(entry, wanted, words), len(entry.path), place, entry.class_id))
        return [class_id for *_, class_id in sorted(found)[:limit]]

    def _entry(self, class_id: str) -> _Entry:
        spec = self.taxonomy[class_id]
        name = fold(spec.name)
        line = [*self.taxonomy.path(class_id), *spec.synonyms, spec.id]
        return _Entry(class_id, name, tuple(name.split()), fold(PATH_SEPARATOR.join(line)))


def _rank(entry: _Entry, wanted: str, words: list[str]) -> int:
    if entry.name == wanted:
        return 0
    if entry.name.startswith(wanted):
        return 1
    if all(any(one.startswith(word) for one in entry.words) for word in words):
        return 2
    return 3 if any(word in entry.name for word in words) else 4
