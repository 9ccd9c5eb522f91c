"""Stored items judged anew from their stored vectors: which of them would get another answer now.

A change of the classes changes few answers, but which ones cannot be told from the changed classes alone: a class more
changes how rare each n-gram is, and with it every lexical score and the thresholds. So all items are judged, in a few
matrix products over columns as the store gives them, and whole answers are made only for those that differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..query.assign import Assigner, Judgement
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import ABSENT
from ..schemas.filters import In
from ..schemas.records import Assignment
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from .item_rows import half, stored_text

__all__ = ["PAGE", "Page", "Renewal", "Renewed", "stays"]

PAGE: Final = 8_192

_TEXTS: Final = ("title", "description", "text")
_ANSWER: Final = ("decision", "class_id", "score", "confidence", "margin", "confirmed_class", "revision")
_FIELDS: Final = ("vector", "item_id", *_TEXTS, "image", "truncated", *_ANSWER)

_SLACK: Final = 0.005
"""A score, a margin or a confidence that differs by less is no other answer: a class more moves them all a little."""

Columns = Mapping[str, Any]
_Judged = Sequence[tuple[Assigner, Judgement] | None]


@dataclass(frozen=True, slots=True)
class Renewed:
    """A stored item whose answer would be another one.

    Attributes:
        key: Its key.
        item_id: The user's id.
        shown: Its title, or the beginning of its text, or the reference of its picture.
        before: The class it is answered with, or an empty text.
        answer: The answer now; None where there is no class any more.
        moved: Whether class or decision is another, and not only a figure.
        conflict: Whether it stays all the same, because a person confirmed the class that it has.
    """

    key: str
    item_id: str
    shown: str
    before: str
    answer: Assignment | None
    moved: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some stored items: how many were judged, and those of them whose answer would be another one."""

    items: int
    renewed: Sequence[Renewed]


class Renewal:
    """Judges the items of one space, or of those of texts and pictures, under the taxonomy as it is now.

    Attributes:
        taxonomy: The classes that answers are given from; those of another process are not seen any more.
    """

    def __init__(self, store: Store, live: LiveSpace, pair: LivePair | None = None) -> None:
        self._store = store
        self._place = live.place
        self._assigner = live.assigner()
        self._fused = pair.assigner() if pair is not None and pair.image is not None else None
        self._image = pair.image.place if pair is not None and pair.image is not None else None
        self.taxonomy = self._assigner.taxonomy

    def pages(self) -> Iterator[Page]:
        """Every stored item once, in no order; judged are those that were answered under an earlier revision."""
        pictures = self._image.items if self._image else None
        seen: set[str] = set()
        if self._store.resolve(self._place.items) is not None:
            shown = _Pictures(self._store, pictures)
            for columns in self._store.columns(self._place.items, fields=_FIELDS, page=PAGE):
                seen.update(columns["key"] if pictures else ())
                yield self._page(columns, list(columns["vector"]), shown.of(columns["key"]))
        if pictures is not None and self._store.resolve(pictures) is not None:
            for columns in self._store.columns(pictures, fields=_FIELDS, page=PAGE):
                alone = [None if key in seen else vector for key, vector in _pairs(columns)]
                yield self._page(columns, [None] * len(alone), alone)

    def _page(
        self,
        columns: Columns,
        vectors: Sequence[NDArray[np.float32] | None],
        pictures: Sequence[NDArray[np.float32] | None],
    ) -> Page:
        there = [row for row, one in enumerate(vectors) if one is not None or pictures[row] is not None]
        rows = [row for row in there if columns["revision"][row] < self.taxonomy.revision]
        items = [{name: columns[name][row] for name in ("key", *_FIELDS) if name != "vector"} for row in rows]
        judged = self._judged(items, [vectors[row] for row in rows], [pictures[row] for row in rows])
        found = (self._renewed(*one) for one in zip(items, judged, strict=True))
        return Page(len(rows), [one for one in found if one is not None])

    def _judged(
        self,
        items: Sequence[Columns],
        vectors: Sequence[NDArray[np.float32] | None],
        pictures: Sequence[NDArray[np.float32] | None],
    ) -> _Judged:
        """The judgement of each item, None where there is no class."""
        if not self._assigner.answerable or not items:
            return [None] * len(items)
        ids = [item["item_id"] for item in items]
        texts = [stored_text(item) for item in items]
        if self._fused is None:
            words = texts if self._place.space.kind == "text" else None
            given = np.stack([vector for vector in vectors if vector is not None])
            return [(self._assigner, one) for one in self._assigner.judge(ids, given, texts=words)]
        said = [row for row, vector in enumerate(vectors) if vector is not None]
        shown = [row for row, vector in enumerate(pictures) if vector is not None]
        text = half(
            said,
            [vector for vector in vectors if vector is not None],
            [bool(items[row]["truncated"]) for row in said],
            [texts[row] for row in said],
        )
        image = half(shown, [vector for vector in pictures if vector is not None], [False] * len(shown), None)
        return self._fused.judge(ids, text, image)

    def _renewed(self, item: Columns, judged: tuple[Assigner, Judgement] | None) -> Renewed | None:
        """The item with its new answer, or None where the answer is what it was."""
        if judged is None:
            moved = other = bool(item["decision"])
        else:
            verdict = judged[1].verdict
            moved = (item["class_id"], item["decision"]) != (verdict.class_id or "", verdict.decision.value)
            other = moved or _other_figures(item, judged[1])
        if not other:
            return None
        answer = judged[0].answer(item["item_id"], judged[1], (), bool(item["truncated"])) if judged else None
        now = (answer.class_id if answer else None) or ""
        return Renewed(
            item["key"],
            item["item_id"],
            item["title"] or (item["text"] or item["description"])[:200] or item["image"],
            item["class_id"],
            answer,
            moved,
            stays(self.taxonomy, item["confirmed_class"], item["class_id"], now),
        )


def stays(taxonomy: Taxonomy, confirmed: str, before: str, now: str) -> bool:
    """Whether an item keeps its class whatever is answered: it has the one that a person confirmed."""
    right = taxonomy.follow(confirmed)
    return bool(confirmed) and taxonomy.follow(before) == right != taxonomy.follow(now)


def _other_figures(item: Columns, judged: Judgement) -> bool:
    figures = {"score": judged.score, "margin": judged.margin, "confidence": judged.verdict.confidence}
    return any(abs(item[name] - (ABSENT if now is None else now)) > _SLACK for name, now in figures.items())


def _pairs(columns: Columns) -> Iterator[tuple[str, NDArray[np.float32]]]:
    return zip(columns["key"], columns["vector"], strict=True)


class _Pictures:
    """Vectors of pictures by the keys of their items."""

    def __init__(self, store: Store, collection: str | None) -> None:
        self._store = store
        self._collection = collection if collection and store.resolve(collection) is not None else None
        self._all: dict[str, NDArray[np.float32]] | None = None
        if self._collection and store.embedded:  # which holds all rows in this process anyway
            pages = store.columns(self._collection, fields=("vector",))
            self._all = {key: vector for columns in pages for key, vector in _pairs(columns)}

    def of(self, keys: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The vector of each, shape (dim,), or None."""
        if self._collection is None:
            return [None] * len(keys)
        known = self._all
        if known is None:
            rows = self._store.query(self._collection, where=In("key", keys), fields=("vector",))
            known = {row["key"]: row["vector"] for row in rows}
        return [known.get(key) for key in keys]
