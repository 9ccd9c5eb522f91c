"""Reading stored items: one, many, or the nearest to a description."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ItemNotFoundError, UsageError
from ..schemas.collections import ABSENT, key_of
from ..schemas.filters import All, AnyOf, Attribute, Compare, Filter, In, Operator, Scalar
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from .ranking import ranked

__all__ = ["FOUND_FIELDS", "Found", "ItemReader", "branch", "item_filter", "parse_where", "present"]

FOUND_FIELDS: Final = (
    "item_id", "title", "description", "text", "image", "decision", "class_id", "score", "confidence", "margin",
    "confirmed_class", "revision", "updated_at", "attributes",
)  # fmt: skip

_FIELD_NAMES: Final[Mapping[str, str]] = {
    "id": "item_id",
    "title": "title",
    "decision": "decision",
    "class": "class_id",
    "class_id": "class_id",
    "confirmed": "confirmed_class",
}


_CONDITION: Final = re.compile(r"(?P<name>[^=<>!]+)(?P<op>!=|<=|>=|==|=|<|>)(?P<value>.*)", re.DOTALL)
_OPERATORS: Final[Mapping[str, Operator]] = {
    "=": "==", "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
_NO_TEXT: Final = All([Compare(name, "==", "") for name in ("title", "description", "text")])
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class Found:
    """A stored item.

    Attributes:
        id: The user's id.
        title: Title, or the beginning of the text where there is none, or the reference of the picture.
        description: Longer text, or empty.
        decision: The latest decision, or empty where there were no classes yet.
        class_id: The class decided on, or None.
        path: Names from the root to that class.
        score: Of the best candidate, or None.
        confidence: Or None.
        confirmed_class: The class that a person confirmed, or None.
        revision: Revision of the taxonomy that the answer was given under.
        attributes: Everything else that the source row had.
        image: Reference of its picture, or empty.
        margin: Score of the best candidate minus that of the second, or None.
        updated_at: When it was stored or answered last, in milliseconds since 1970.
        similarity: Cosine similarity to the query, or None outside a search.
    """

    id: str
    title: str
    description: str
    decision: str
    class_id: str | None
    path: tuple[str, ...]
    score: float | None
    confidence: float | None
    confirmed_class: str | None
    revision: int
    attributes: Mapping[str, Any]
    image: str = ""
    margin: float | None = None
    updated_at: int = 0
    similarity: float | None = None


class ItemReader:
    """Reads the items of one space, or each once of those of texts and pictures."""

    def __init__(self, store: Store, collection: str, taxonomy: Taxonomy, *, pictures: str | None = None) -> None:
        """Read ``collection``, and of ``pictures``, that of the image space, the items that have no text."""
        self._store = store
        self._collection = collection
        self._pictures = pictures
        self._taxonomy = taxonomy

    def get(self, item_id: str) -> Found:
        """The item with this id.

        Raises:
            ItemNotFoundError: There is none.
        """
        rows = self._query(Compare("key", "==", key_of(item_id)), None)
        if not rows:
            message = f"no item {item_id!r}"
            raise ItemNotFoundError(message, hint="`nearclass items list` and `nearclass search` find items.")
        return self._found(rows[0])

    def matching(self, *, where: Filter | None = None, limit: int | None = None) -> list[Found]:
        """Stored items that match, at most ``limit`` of them, sorted by their ids."""
        return sorted((self._found(row) for row in self._query(where, limit)), key=lambda item: item.id)

    def first(self, sort: str, limit: int, *, where: Filter | None = None, reverse: bool = False) -> list[Found]:
        """The items that come first by ``margin``, ``score``, ``confidence`` (lowest) or ``updated`` (latest).

        Items without the number come last.
        """
        rows = ranked(self._store, self._sides(where), sort, limit, FOUND_FIELDS, reverse=reverse)
        return [self._found(row) for row in rows]

    def rows(self, fields: Sequence[str], *, where: Filter | None = None) -> Iterator[list[dict[str, Any]]]:
        """Every stored item that matches, as it is stored, a page at a time."""
        for collection, condition in self._sides(where):
            yield from self._store.scan(collection, where=condition, fields=fields)

    def sample(self, fields: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """So many stored items, as they are stored: those of the smallest keys, which are digests."""
        found: list[dict[str, Any]] = []
        for collection, condition in self._sides(None):
            if len(found) < limit:
                left = limit - len(found)
                found += self._store.query(collection, where=condition, fields=fields, limit=left)
        return found

    def page(
        self, *, where: Filter | None = None, limit: int, after: tuple[int, str] = (0, "")
    ) -> tuple[list[Found], tuple[int, str] | None]:
        """The next items that match, in the order of their keys, and where the page after them begins, if there is one.

        Args:
            where: Which items.
            limit: Items of a page, at least one.
            after: Where the page begins: side and key that the page before gave.
        """
        first, last = after
        found: list[Found] = []
        for side, (collection, condition) in enumerate(self._sides(where)):
            if side < first:
                continue
            rest: Filter = Compare("key", ">", last) if side == first else Compare("key", ">", "")
            wanted = rest if condition is None else All([condition, rest])
            left = limit - len(found)
            rows = self._store.query(collection, where=wanted, fields=FOUND_FIELDS, limit=left + 1)
            found += [self._found(row) for row in rows[:left]]
            if len(rows) > left:
                return found, (side, key_of(found[-1].id) if left else "")
        return found, None

    def iterate(self, *, where: Filter | None = None) -> Iterator[Found]:
        """Every stored item that matches, page by page."""
        for page in self.rows(FOUND_FIELDS, where=where):
            for row in page:
                yield self._found(row)

    def search(self, vector: NDArray[np.float32], k: int, *, where: Filter | None = None) -> list[Found]:
        """The k stored items nearest to a unit vector of shape (dim,), nearest first."""
        if self._store.resolve(self._collection) is None:
            return []
        # Strong: whoever searches may have ingested a moment ago.
        hits = self._store.search(self._collection, vector[None, :], k, where=where, fields=FOUND_FIELDS, strong=True)
        return [self._found(hit.fields, round(hit.score, 6)) for hit in hits[0]]

    def count(self, where: Filter | None = None) -> int:
        """How many stored items match."""
        return sum(self._store.count(collection, condition) for collection, condition in self._sides(where))

    def _query(self, where: Filter | None, limit: int | None) -> Sequence[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        for collection, condition in self._sides(where):
            left = None if limit is None else limit - len(rows)
            if left is None or left > 0:
                rows += self._store.query(collection, where=condition, fields=FOUND_FIELDS, limit=left)
        return rows

    def _sides(self, where: Filter | None) -> list[tuple[str, Filter | None]]:
        """Collections and conditions that together give every matching item once."""
        alone = All([_NO_TEXT] if where is None else [where, _NO_TEXT])
        sides = [(self._collection, where), (self._pictures, alone)]
        return [(one, condition) for one, condition in sides if one and self._store.resolve(one) is not None]

    def _found(self, row: Mapping[str, Any], similarity: float | None = None) -> Found:
        follow = self._taxonomy.follow
        class_id = follow(row["class_id"]) or None
        known = class_id is not None and class_id in self._taxonomy
        return Found(
            id=row["item_id"],
            title=row["title"] or (row["text"] or row["description"])[:200] or row["image"],
            description=row["description"],
            decision=row["decision"],
            class_id=class_id,
            path=self._taxonomy.path(class_id) if known and class_id else (),
            score=present(row["score"]),
            confidence=present(row["confidence"]),
            confirmed_class=follow(row["confirmed_class"]) or None,
            revision=row["revision"],
            attributes=row["attributes"],
            image=row["image"],
            margin=present(row["margin"]),
            updated_at=row["updated_at"],
            similarity=similarity,
        )


def present(value: float) -> float | None:
    """A stored number for people, to six digits, or None where it stands for none."""
    return None if value <= ABSENT else round(value, 6)


def branch(taxonomy: Taxonomy, class_id: str) -> Filter:
    """Items assigned to a class or to any below it, or confirmed there."""
    below = taxonomy.descendants(class_id)
    ids = [*below, *taxonomy.merged(below)]
    return AnyOf([In("class_id", ids), In("confirmed_class", ids)])


def item_filter(taxonomy: Taxonomy, class_id: str | None, where: Sequence[str]) -> Filter | None:
    """Items of a class (id, full path or unique name) and below it, for which every condition holds."""
    parts = [] if class_id is None else [branch(taxonomy, taxonomy.find(class_id).id)]
    condition = parse_where(where)
    parts += [] if condition is None else [condition]
    return All(parts) if parts else None


def parse_where(conditions: Sequence[str]) -> Filter | None:
    """A filter from conditions such as ``brand=Acme``, ``price<40`` or ``decision=novel``.

    A name that is no field of an item is one of its attributes. A value that is written as a number, and not as 007,
    equals the number and the text: a source may have either. Of an item without the attribute nothing holds.

    Raises:
        UsageError: A condition has no operator.
    """
    parts = [_condition(one) for one in conditions]
    return All(parts) if parts else None


def _condition(text: str) -> Filter:
    match = _CONDITION.match(text)
    if not match:
        message = f"cannot read the condition {text!r}"
        raise UsageError(message, hint="Write NAME=VALUE, NAME!=VALUE, NAME<VALUE or NAME>VALUE.")
    name, value = match["name"].strip(), match["value"].strip()
    op = _OPERATORS[match["op"]]
    if name in _FIELD_NAMES:
        return Compare(_FIELD_NAMES[name], op, value)
    attribute = Attribute(name)
    if op in {"==", "!="}:
        forms = [Compare(attribute, op, form) for form in _forms(value)]
        return AnyOf(forms) if op == "==" else All(forms)
    number = _number(value)
    return Compare(attribute, op, value if number is None else number)


def _forms(text: str) -> list[Scalar]:
    """What an attribute may hold where a person writes this."""
    number = _number(text) if _JSON_NUMBER.fullmatch(text) else None
    stored = math.isfinite(number) if isinstance(number, float) else number is not None and abs(number) < _INT64
    return [text] if number is None or not stored else [number, text]


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None
