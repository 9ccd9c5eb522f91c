"""The write path of items: one chunk of mapped rows to stored, assigned items, by texts, pictures or both."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import Encoder
from ..errors import PictureError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.records import Assignment, Item, Role
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from .item_rows import ItemRows, decision_fields, half, row_of, stored_text
from .pending import ChunkResult, Pending, Refusal, prepare
from .renewal import stays

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["ChunkResult", "ItemWriter", "Looking", "Refusal", "decision_fields"]


@dataclass(frozen=True, slots=True)
class Looking:
    """What turns pictures into vectors; whoever made the loader closes it."""

    encoder: "ImageEncoder"
    loader: "PictureLoader"


class ItemWriter:
    """Writes items. One writer at a time; ``flush`` makes what was written durable."""

    def __init__(
        self,
        store: Store,
        live: LiveSpace,
        encoder: Encoder | None,
        *,
        pair: LivePair | None = None,
        looking: Looking | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Write to one space, or to those of texts and pictures.

        Args:
            store: Where the items are.
            live: The space of texts or of given vectors.
            encoder: The encoder of texts; None for given vectors, and where stored items are only answered anew.
            pair: The spaces of texts and pictures, where the catalogue has both.
            looking: Takes the pictures; None where stored items are only answered anew.
            now_ms: The clock, in milliseconds since 1970.
        """
        self._live = live
        self._encoder = encoder
        self._pair = pair if pair is not None and pair.image is not None else None
        self._looking = looking
        self._now_ms = now_ms
        self._rows = ItemRows(store, live.place)
        self._answered = live.answered
        image = self._pair.image if self._pair else None
        self._pictures = ItemRows(store, image.place) if image else None

    @property
    def space(self) -> str:
        """Name of the space of texts or of given vectors."""
        return self._live.place.space.name

    def write(
        self, items: Sequence[Item], confirmed: Sequence[str] | None = None, *, answer_all: bool = False
    ) -> ChunkResult:
        """Embed, assign and store items; those that are stored already are left as they are.

        An item whose picture cannot be used is refused as a whole, so that nothing is half stored.

        Args:
            items: The items, at most a few thousand.
            confirmed: For each the id of the class that a person confirmed, or an empty text.
            answer_all: Whether items that are stored already are answered anew too, so that there is an answer of each.
        """
        result = ChunkResult()
        space = self._live.place.space
        looks = self._looking is not None and self._pictures is not None
        pending = prepare(items, confirmed or [""] * len(items), space, result, pictures=looks)
        keys = [one.key for one in pending]
        old = self._rows.stored(keys)
        seen = self._pictures.stored(keys) if self._pictures else {}
        pending = self._look(pending, seen, result)
        revision = self._live.assigner().taxonomy.revision
        fresh, stale = _sorted(pending, old, seen, None if answer_all else revision, result)
        stale = stale if stale and (answer_all or self._answered.revision() < revision) else []
        result.reassigned = len(stale)
        self._embed([one for one in fresh if one.content_hash and one.vector is None], old, result)
        self._recall(fresh)
        result.answers = self._write(fresh, old, seen)
        again = [one.key for one in stale]
        # Whoever answers all stored items anew after a change may have passed these before they were here.
        if self._live.moved_on(revision):
            again += [one.key for one in fresh]
        result.answers |= self.reassign(again)
        return result

    def reassign(self, keys: Sequence[str], *, pictures_too: bool = True) -> dict[str, Assignment]:
        """Answer stored items anew from their stored vectors; who has the class that a person confirmed keeps it.

        Args:
            keys: Of the items.
            pictures_too: Whether the rows in the space of pictures get the answers as well.

        Returns:
            By the ids of the items, the answers that were written.
        """
        if not keys:
            return {}
        texts, pictures = self._whole(keys)
        rows, answers, taxonomy = self._again(keys, texts, pictures)
        now = self._now_ms()
        fields = {
            row["key"]: {**decision_fields(answer, taxonomy.revision), "updated_at": now}
            for row, answer in zip(rows, answers, strict=True)
            if not stays(taxonomy, row["confirmed_class"], row["class_id"], (answer.class_id if answer else "") or "")
        }
        # The text row last: where there is one, it says whether an item has its answer.
        if self._pictures is not None and pictures_too:
            self._pictures.upsert([{**row, **fields[key]} for key, row in pictures.items() if key in fields])
        self._rows.upsert([{**row, **fields[key]} for key, row in texts.items() if key in fields])
        return {
            answer.id: answer
            for row, answer in zip(rows, answers, strict=True)
            if answer is not None and row["key"] in fields
        }

    def delete(self, item_ids: Sequence[str]) -> None:
        """Remove items; those that are not there are passed over."""
        keys = [key_of(item_id) for item_id in item_ids]
        self._rows.delete(keys)
        if self._pictures is not None:
            self._pictures.delete(keys)

    def answers(self, keys: Sequence[str]) -> dict[str, Assignment]:
        """What stored items would be answered now, from their stored vectors, by id; nothing is written."""
        _, answers, _ = self._again(keys, *self._whole(keys))
        return {answer.id: answer for answer in answers if answer is not None}

    def _whole(self, keys: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """The rows of stored items with every field, of texts and of pictures."""
        return self._rows.whole(keys), self._pictures.whole(keys) if self._pictures else {}

    def _again(
        self, keys: Sequence[str], texts: dict[str, dict[str, Any]], pictures: dict[str, dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], Sequence[Assignment | None], Taxonomy]:
        """One row of each item that is there, its answer now, and what that is given under."""
        rows = [texts.get(key) or pictures[key] for key in keys if key in texts or key in pictures]
        there = [row["key"] for row in rows]
        answers, taxonomy = self._answers(
            [row["item_id"] for row in rows],
            [texts[key]["vector"] if key in texts else None for key in there],
            [pictures[key]["vector"] if key in pictures else None for key in there],
            [bool(row["truncated"]) for row in rows],
            [stored_text(row) for row in rows],
        )
        return rows, answers, taxonomy

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._rows.flush()
        if self._pictures is not None:
            self._pictures.flush()

    def _look(self, pending: list[Pending], seen: dict[str, dict[str, Any]], result: ChunkResult) -> list[Pending]:
        """Digests of the pictures, and vectors of those that are not stored; the items that can be stored."""
        pictured = [one for one in pending if one.pictured]
        if self._looking is None or not pictured:
            return pending
        from ..pictures.load import PictureSource  # noqa: PLC0415 - slow to import
        from .looking import look  # noqa: PLC0415

        sources = [PictureSource(one.item.image or "", Path(one.item.folder or ".")) for one in pictured]
        known = [seen[one.key]["content_hash"] if one.key in seen else "" for one in pictured]
        looked = look(self._looking.loader, self._looking.encoder, sources, known)
        refused: set[int] = set()
        for one, found in zip(pictured, looked, strict=True):
            if isinstance(found, PictureError):
                refused.add(one.index)
                result.refusals.append(Refusal(one.index, found.code, found.message))
                continue
            one.digest, one.picture = found.digest, found.vector
            result.pictures += found.vector is not None
        return [one for one in pending if one.index not in refused]

    def _embed(self, todo: Sequence[Pending], old: dict[str, dict[str, Any]], result: ChunkResult) -> None:
        todo = [one for one in todo if one.key not in old or old[one.key]["content_hash"] != one.content_hash]
        if self._encoder is None or not todo:
            return
        encoded = self._encoder.encode([one.text for one in todo], Role.ITEM)
        for one, vector, truncated in zip(todo, encoded.vectors, encoded.truncated.tolist(), strict=True):
            one.vector, one.truncated = vector, truncated
        result.embedded = len(todo)
        result.truncated = int(encoded.truncated.sum())

    def _recall(self, pending: Sequence[Pending]) -> None:
        """Stored vectors of what was not embedded anew."""
        texts = self._rows.vectors([one.key for one in pending if one.content_hash and one.vector is None])
        pictures: dict[str, dict[str, Any]] = {}
        if self._pictures is not None:
            pictures = self._pictures.vectors([one.key for one in pending if one.digest and one.picture is None])
        for one in pending:
            if one.key in texts:
                one.vector, one.truncated = texts[one.key]["vector"], bool(texts[one.key]["truncated"])
            if one.key in pictures:
                one.picture = pictures[one.key]["vector"]

    def _write(
        self, pending: Sequence[Pending], old: dict[str, dict[str, Any]], seen: dict[str, dict[str, Any]]
    ) -> dict[str, Assignment]:
        """Answer and write items; the answers by id, none where there is no class."""
        if not pending:
            return {}
        answers, taxonomy = self._answers(
            [one.item.id for one in pending],
            [one.vector for one in pending],
            [one.picture for one in pending],
            [one.truncated for one in pending],
            [one.text for one in pending],
        )
        now = self._now_ms()
        decided = [
            (one, decision_fields(answer, taxonomy.revision)) for one, answer in zip(pending, answers, strict=True)
        ]
        self._rows.upsert(
            [
                {**row_of(one, one.vector, one.content_hash, now), **fields}
                for one, fields in decided
                if one.vector is not None
            ]
        )
        self._rows.delete([one.key for one in pending if one.vector is None and one.key in old])
        if self._pictures is not None:
            self._pictures.upsert(
                [
                    {**row_of(one, one.picture, one.digest, now), **fields}
                    for one, fields in decided
                    if one.picture is not None
                ]
            )
            self._pictures.delete([one.key for one in pending if one.picture is None and one.key in seen])
        return {answer.id: answer for answer in answers if answer is not None}

    def _answers(
        self,
        ids: Sequence[str],
        vectors: Sequence[NDArray[np.float32] | None],
        pictures: Sequence[NDArray[np.float32] | None],
        truncated: Sequence[bool],
        texts: Sequence[str],
    ) -> tuple[Sequence[Assignment | None], Taxonomy]:
        """Answers of items by the vectors there are, None where there is no class, and what they were given under."""
        assigner = self._live.assigner()
        if not assigner.answerable or not ids:
            return [None] * len(ids), assigner.taxonomy
        if self._pair is None:
            words = texts if self._live.place.space.kind == "text" else None
            given = np.stack([vector for vector in vectors if vector is not None])
            return assigner.assign(ids, given, truncated, texts=words, explain=False), assigner.taxonomy
        said = [row for row, vector in enumerate(vectors) if vector is not None]
        shown = [row for row, vector in enumerate(pictures) if vector is not None]
        text = half(
            said,
            [vector for vector in vectors if vector is not None],
            [truncated[row] for row in said],
            [texts[row] for row in said],
        )
        image = half(shown, [vector for vector in pictures if vector is not None], [False] * len(shown), None)
        return self._pair.assigner().assign(ids, text, image), assigner.taxonomy


def _sorted(
    pending: Sequence[Pending],
    old: dict[str, dict[str, Any]],
    seen: dict[str, dict[str, Any]],
    revision: int | None,
    result: ChunkResult,
) -> tuple[list[Pending], list[Pending]]:
    """The items that have to be written, and those with an answer older than ``revision``; counted in ``result``.

    Without a revision every answer counts as older. An item is as it was if each space that it belongs in has its row,
    with the same content, and no other has one.
    """
    fresh: list[Pending] = []
    stale: list[Pending] = []
    for one in pending:
        wanted = [
            (bool(one.content_hash), one.content_hash, old.get(one.key)),
            (bool(one.digest), one.digest, seen.get(one.key)),
        ]
        there = [row for _, _, row in wanted if row is not None]
        same = all(
            (row is not None) == belongs
            and (row is None or (row["content_hash"], row["row_hash"]) == (content, one.row_hash))
            for belongs, content, row in wanted
        )
        confirmed = next((row["confirmed_class"] for row in there if row["confirmed_class"]), "")
        if not same or (one.confirmed and confirmed != one.confirmed):
            fresh.append(one)
            result.ok += 1
        else:
            result.unchanged += 1
            if any(row["revision"] != revision for row in there):
                stale.append(one)
        one.confirmed = one.confirmed or confirmed
    return fresh, stale
