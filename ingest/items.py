"""The write path of items: one chunk of mapped rows to stored, assigned items, by texts, pictures or both."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..encoders.base import Encoder
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.collections import key_of
from ..schemas.records import Assignment, Item
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.picture_folders import PictureFolders
from .item_rows import ItemRows, decision_fields, row_of, stored_text
from .looking import folders_of
from .making import Answering, ItemMaker, Looking
from .pending import ChunkResult, Pending, Refusal
from .renewal import stays

__all__ = ["ChunkResult", "ItemWriter", "Looking", "Refusal", "answer", "decision_fields"]


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
        folders: PictureFolders | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Write to one space, or to those of texts and pictures.

        Args:
            store: Where the items are.
            live: The space of texts or of given vectors.
            encoder: The encoder of texts; None for given vectors, and where stored items are only answered anew.
            pair: The spaces of texts and pictures, where the catalogue has both.
            looking: Takes the pictures; None where stored items are only answered anew.
            folders: Remembers where the pictures were; None where none is taken.
            now_ms: The clock, in milliseconds since 1970.
        """
        self._live = live
        self._pair = pair if pair is not None and pair.image is not None else None
        self._maker = ItemMaker(live.place.space, encoder, looking if self._pair else None)
        self._folders = folders
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
        pending = self._maker.prepare(items, confirmed, result)
        seen = self._seen(pending)
        known = {key: row["content_hash"] for key, row in seen.items()}
        pending = self._maker.look(pending, lambda key, digest: known.get(key) == digest, result)
        return self._put(pending, seen, result, answer_all=answer_all)

    def expect(self, items: Sequence[Item]) -> None:
        """Begin to embed items that will probably be written next, where the encoder can; nothing is waited for."""
        self._maker.expect(items)

    def put(self, pending: Sequence[Pending]) -> ChunkResult:
        """Store items that were made elsewhere, with the vectors and answers that they bring, as ``write`` would.

        What they do not bring is made here. An answer that was given under another revision of the taxonomy does not
        count.

        Args:
            pending: The items of a chunk, at most one of each id.
        """
        result, seen = ChunkResult(), self._seen(pending)
        known = {key: row["content_hash"] for key, row in seen.items()}
        # Its picture was stored when it was made, and is not any more.
        blind = [one for one in pending if one.digest and one.picture is None and known.get(one.key) != one.digest]
        looked = self._maker.look(blind, lambda _key, _digest: False, result)
        lost = {one.key for one in blind} - {one.key for one in looked}
        return self._put([one for one in pending if one.key not in lost], seen, result)

    def _seen(self, pending: Sequence[Pending]) -> dict[str, dict[str, Any]]:
        """What is stored of the pictures of items."""
        return self._pictures.stored([one.key for one in pending]) if self._pictures else {}

    def _put(
        self,
        pending: list[Pending],
        seen: dict[str, dict[str, Any]],
        result: ChunkResult,
        *,
        answer_all: bool = False,
    ) -> ChunkResult:
        if self._folders is not None:  # also for what is stored already: it may be older than this memory
            self._folders.note(folders_of(one.item for one in pending if one.digest))
        old = self._rows.stored([one.key for one in pending])
        revision = self._live.assigner().taxonomy.revision
        fresh, stale = _sorted(pending, old, seen, None if answer_all else revision, result)
        stale = stale if stale and (answer_all or self._answered.revision() < revision) else []
        result.reassigned = len(stale)
        todo = [one for one in fresh if one.content_hash and one.vector is None]
        self._maker.embed(
            [one for one in todo if one.key not in old or old[one.key]["content_hash"] != one.content_hash], result
        )
        self._recall(fresh)
        result.answers = self._write(fresh, old, seen)
        again = [one.key for one in stale]
        # Whoever answers all stored items anew after a change may have passed these before they were here.
        if self._live.moved_on(revision):
            again += [one.key for one in fresh]
        result.answers |= self.reassign(again)
        return result

    def reassign(self, keys: Sequence[str], *, only: str = "") -> dict[str, Assignment]:
        """Answer stored items anew from their stored vectors; who has the class that a person confirmed keeps it.

        Args:
            keys: Of the items.
            only: Name of the one space whose rows get the answers; by default those of both do.

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
        for rows_of, stored in ((self._pictures, pictures), (self._rows, texts)):
            if rows_of is not None and only in {"", rows_of.place.space.name}:
                rows_of.upsert([{**row, **fields[key]} for key, row in stored.items() if key in fields])
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
        answering = Answering.of(self._live, self._pair)
        answers = answering.answers(
            [row["item_id"] for row in rows],
            [texts[key]["vector"] if key in texts else None for key in there],
            [pictures[key]["vector"] if key in pictures else None for key in there],
            [bool(row["truncated"]) for row in rows],
            [stored_text(row) for row in rows],
        )
        return rows, answers, answering.taxonomy

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._rows.flush()
        if self._pictures is not None:
            self._pictures.flush()

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
        answering = Answering.of(self._live, self._pair)
        answers = answer(pending, answering)
        now = self._now_ms()
        decided = [(one, one.answer or {}) for one in pending]
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


def answer(pending: Sequence[Pending], answering: Answering) -> Sequence[Assignment | None]:
    """Give items their answers, unless they bring one of this revision; the answers that were given."""
    revision = answering.taxonomy.revision
    todo = [one for one in pending if one.answer is None or one.answer["revision"] != revision]
    given = answering.answers(
        [one.item.id for one in todo],
        [one.vector for one in todo],
        [one.picture for one in todo],
        [one.truncated for one in todo],
        [one.text for one in todo],
    )
    for one, found in zip(todo, given, strict=True):
        one.answer = decision_fields(found, revision)
    return given


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
