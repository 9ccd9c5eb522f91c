"""Stored items as rows that can be ingested again, with their answers beside them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..schemas.columns import OURS
from ..schemas.filters import Filter
from ..schemas.taxonomy import Taxonomy
from .items import FOUND_FIELDS, ItemReader, present

__all__ = ["ItemExport"]

_FIELDS: Final = ("title", "description", "text", "image")
_ANSWER: Final = (
    "decision", "class", "path", "score", "confidence", "margin", "confirmed", "revision", "updated_at",
)  # fmt: skip


class ItemExport:
    """Rows of the items that match: their fields, their attributes as columns, and what nearclass says of them.

    The columns of nearclass begin with ``nearclass_``, which an ingest passes over; so the same rows come back as the
    same items. An attribute with the name of a field comes as ``attributes.NAME``.
    """

    def __init__(self, reader: ItemReader, taxonomy: Taxonomy, where: Filter | None, *, vectors: bool = False) -> None:
        """Export from ``reader``; ``vectors`` says whether with their vectors, without which some are no items."""
        self._reader = reader
        self._taxonomy = taxonomy
        self._where = where
        self._base = ("id", *_FIELDS, *(("vector",) if vectors else ()))
        self._taken = frozenset(self._base)

    def columns(self) -> dict[str, frozenset[type]]:
        """Every column in order, and which types its values have; reads the attributes of every item."""
        kinds: dict[str, set[type]] = {}
        for page in self._reader.rows(("attributes",), where=self._where):
            for row in page:
                for name, value in row["attributes"].items():
                    kinds.setdefault(self._name(name), set()).add(type(value))
        names = (*self._base, *sorted(kinds), *(f"{OURS}{name}" for name in _ANSWER))
        return {name: frozenset(kinds.get(name, ())) for name in names}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every item that matches, one row each, page by page; what it has not is None."""
        vectors = ("vector",) if "vector" in self._taken else ()
        for page in self._reader.rows((*FOUND_FIELDS, *vectors), where=self._where):
            for row in page:
                yield self._row(row)

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        fields = {name: row[name] or None for name in _FIELDS}
        vector = {"vector": row["vector"].tolist()} if "vector" in self._taken else {}
        attributes = {self._name(name): value for name, value in row["attributes"].items()}
        class_id = self._taxonomy.follow(row["class_id"]) or None
        known = class_id is not None and class_id in self._taxonomy
        answer = {
            "decision": row["decision"] or None,
            "class": class_id,
            "path": list(self._taxonomy.path(class_id)) if known and class_id else None,
            "score": present(row["score"]),
            "confidence": present(row["confidence"]),
            "margin": present(row["margin"]),
            "confirmed": self._taxonomy.follow(row["confirmed_class"]) or None,
            "revision": row["revision"],
            "updated_at": datetime.fromtimestamp(row["updated_at"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        ours = {f"{OURS}{name}": value for name, value in answer.items()}
        return {"id": row["item_id"], **fields, **vector, **attributes, **ours}

    def _name(self, attribute: str) -> str:
        return f"attributes.{attribute}" if attribute in self._taken or attribute.startswith(OURS) else attribute
