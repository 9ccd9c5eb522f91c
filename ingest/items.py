"""The write path of items: one chunk of mapped rows to stored, assigned items."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..encoders.base import Encoder
from ..query.assign import Assigner
from ..query.live import LiveSpace
from ..schemas.collections import ABSENT, MAX_ID_BYTES, MAX_JSON_BYTES, MAX_TEXT_BYTES, key_of
from ..schemas.filters import In
from ..schemas.records import Assignment, Item, Role
from ..schemas.text import clip_bytes, content_hash, item_text
from ..schemas.vectors import unit_vector
from ..store import Store
from ..store.spaces import SpaceCollections

__all__ = ["ChunkResult", "ItemWriter", "Refusal", "decision_fields"]

_STORED = ("content_hash", "row_hash", "revision", "confirmed_class")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that cannot be stored; ``index`` is its place in the chunk."""

    index: int
    code: str
    message: str


@dataclass(slots=True)
class ChunkResult:
    """What became of the items of a chunk: ok + unchanged + refusals is their number.

    Attributes:
        ok: Written, or followed by a later item of the same id in the chunk.
        unchanged: Stored before with the same content; nothing was embedded.
        refusals: Not written.
        duplicates: Those of ``ok`` that a later item of the same id replaced.
        embedded: How many texts went through the encoder.
        truncated: How many texts were longer than the encoder reads.
        reassigned: Those of ``unchanged`` whose answer was older than the taxonomy, and was given anew.
    """

    ok: int = 0
    unchanged: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    duplicates: int = 0
    embedded: int = 0
    truncated: int = 0
    reassigned: int = 0


@dataclass(slots=True)
class _Pending:
    """An item on its way."""

    index: int
    item: Item
    key: str
    text: str
    content_hash: str
    row_hash: str
    confirmed: str
    vector: NDArray[np.float32] | None = None
    truncated: bool = False


class ItemWriter:
    """Writes items of one space. One writer at a time; ``flush`` makes what was written durable."""

    def __init__(
        self,
        store: Store,
        live: LiveSpace,
        encoder: Encoder | None,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Write to the space of ``live``; ``encoder`` is None for a space of given vectors."""
        self._store = store
        self._live = live
        self._place: SpaceCollections = live.place
        self._encoder = encoder
        self._now_ms = now_ms
        self._place.ensure(store)

    @property
    def space(self) -> str:
        """Name of the space."""
        return self._place.space.name

    def write(self, items: Sequence[Item], confirmed: Sequence[str] | None = None) -> ChunkResult:
        """Embed, assign and store items; those that are stored already are left as they are.

        Args:
            items: The items, at most a few thousand.
            confirmed: For each the id of the class that a person confirmed, or an empty text.
        """
        result = ChunkResult()
        pending = self._prepare(items, confirmed or [""] * len(items), result)
        stored = self._stored([one.key for one in pending])
        assigner = self._live.assigner()
        todo: list[_Pending] = []
        known: list[_Pending] = []
        for one in pending:
            old = stored.get(one.key)
            if old is None or old["content_hash"] != one.content_hash:
                todo.append(one)
                result.ok += 1
            elif old["row_hash"] != one.row_hash or (one.confirmed and old["confirmed_class"] != one.confirmed):
                known.append(one)
                result.ok += 1
            else:
                result.unchanged += 1
                if old["revision"] != assigner.taxonomy.revision:
                    known.append(one)
                    result.reassigned += 1
            if old is not None and not one.confirmed:
                one.confirmed = old["confirmed_class"]
        self._embed(todo, result)
        self._recall(known)
        self._write([*todo, *known], assigner)
        return result

    def reassign(self, rows: Sequence[Mapping[str, Any]]) -> list[Assignment]:
        """Answer stored items anew from their stored vectors; the rows must have every field, key and vector."""
        assigner = self._live.assigner()
        ids = [row["item_id"] for row in rows]
        vectors = np.stack([row["vector"] for row in rows])
        truncated = [bool(row["truncated"]) for row in rows]
        texts = self._texts([_stored_text(row) for row in rows])
        answers = assigner.assign(ids, vectors, truncated, texts=texts, explain=False)
        changed = [
            {**row, **decision_fields(answer), "updated_at": self._now_ms()}
            for row, answer in zip(rows, answers, strict=True)
        ]
        self._store.upsert(self._place.items, self._place.specs[self._place.items], changed)
        return answers

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        self._store.flush(self._place.items)

    def _prepare(self, items: Sequence[Item], confirmed: Sequence[str], result: ChunkResult) -> list[_Pending]:
        last: dict[str, _Pending] = {}
        for index, (item, class_id) in enumerate(zip(items, confirmed, strict=True)):
            made = self._pend(index, item, class_id)
            if isinstance(made, Refusal):
                result.refusals.append(made)
                continue
            if made.key in last:
                result.duplicates += 1
                result.ok += 1
                del last[made.key]
            last[made.key] = made
        return list(last.values())

    def _pend(self, index: int, item: Item, confirmed: str) -> "_Pending | Refusal":
        flaw = _id_flaw(item.id)
        if flaw is not None:
            return Refusal(index, *flaw)
        try:
            attributes = orjson.dumps(dict(item.attributes), option=orjson.OPT_SORT_KEYS)
        except TypeError as error:
            return Refusal(index, "bad_value", f"the attributes cannot be written as JSON: {error}")
        if len(attributes) > MAX_JSON_BYTES:
            message = f"the attributes take {len(attributes)} bytes as JSON, {MAX_JSON_BYTES} are allowed"
            return Refusal(index, "attributes_too_large", message)
        space = self._place.space
        text = item_text(item)
        vector = None
        if self._encoder is None:
            checked = self._check_vector(index, item)
            if isinstance(checked, Refusal):
                return checked
            vector = checked
            digest = content_hash(space.fingerprint, Role.ITEM, vector.tobytes().hex())
        else:
            if not text:
                message = "title, description and text are empty once white space and control characters are out"
                return Refusal(index, "no_text", message)
            digest = content_hash(space.fingerprint, Role.ITEM, text)
        fields = [item.title, item.description, item.text, item.image, attributes.decode()]
        row_hash = key_of(*(part or "" for part in fields))
        return _Pending(index, item, key_of(item.id), text, digest, row_hash, confirmed, vector)

    def _check_vector(self, index: int, item: Item) -> "NDArray[np.float32] | Refusal":
        dim = self._place.space.dim
        if item.vector is None:
            return Refusal(index, "no_vector", f"the space {self._place.space.name} takes items with a vector")
        try:
            return unit_vector(item.vector, dim)
        except ValueError as error:
            return Refusal(index, "bad_vector", str(error))

    def _stored(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        rows = self._store.query(self._place.items, where=In("key", list(keys)), fields=("key", *_STORED))
        return {row["key"]: row for row in rows}

    def _embed(self, todo: Sequence[_Pending], result: ChunkResult) -> None:
        if self._encoder is None or not todo:
            return
        encoded = self._encoder.encode([one.text for one in todo], Role.ITEM)
        for one, vector, truncated in zip(todo, encoded.vectors, encoded.truncated.tolist(), strict=True):
            one.vector, one.truncated = vector, truncated
        result.embedded = len(todo)
        result.truncated = int(encoded.truncated.sum())

    def _recall(self, known: Sequence[_Pending]) -> None:
        if not known:
            return
        keys = [one.key for one in known]
        rows = self._store.query(self._place.items, where=In("key", keys), fields=("key", "vector", "truncated"))
        stored = {row["key"]: row for row in rows}
        for one in known:
            one.vector, one.truncated = stored[one.key]["vector"], bool(stored[one.key]["truncated"])

    def _texts(self, texts: list[str]) -> list[str] | None:
        """The texts that count in answers: none where vectors were given."""
        return texts if self._place.space.kind == "text" else None

    def _write(self, pending: Sequence[_Pending], assigner: Assigner) -> None:
        if not pending:
            return
        ids = [one.item.id for one in pending]
        vectors = np.stack([one.vector for one in pending if one.vector is not None])
        answers: Sequence[Assignment | None] = [None] * len(pending)
        if assigner.answerable:
            texts = self._texts([one.text for one in pending])
            answers = assigner.assign(ids, vectors, [one.truncated for one in pending], texts=texts, explain=False)
        now = self._now_ms()
        rows = [
            {**_row(one, now), **decision_fields(answer, assigner.taxonomy.revision)}
            for one, answer in zip(pending, answers, strict=True)
        ]
        self._store.upsert(self._place.items, self._place.specs[self._place.items], rows)


def _id_flaw(item_id: str) -> tuple[str, str] | None:
    """Code and message of what is wrong with an id, if anything is."""
    if not item_id.strip():
        return "missing_id", "the id is empty"
    try:
        size = len(item_id.encode("utf-8"))
    except UnicodeEncodeError:
        return "bad_id", "the id holds half of a surrogate pair"
    if size > MAX_ID_BYTES:
        return "id_too_long", f"the id takes {size} bytes in UTF-8, {MAX_ID_BYTES} are allowed"
    return None


def _stored_text(row: Mapping[str, Any]) -> str:
    item = Item(row["item_id"], title=row["title"], description=row["description"], text=row["text"])
    return item_text(item)


def _row(one: _Pending, now_ms: int) -> dict[str, Any]:
    item = one.item
    texts = {"title": item.title, "description": item.description, "text": item.text, "image": item.image}
    return {
        "key": one.key,
        "vector": one.vector,
        "item_id": item.id,
        **{name: clip_bytes(text or "", MAX_TEXT_BYTES) for name, text in texts.items()},
        "content_hash": one.content_hash,
        "row_hash": one.row_hash,
        "truncated": int(one.truncated),
        "confirmed_class": one.confirmed,
        "updated_at": now_ms,
        "attributes": dict(item.attributes),
    }


def decision_fields(answer: Assignment | None, revision: int = 0) -> dict[str, Any]:
    """The fields of a stored item that hold its answer; None stands for a catalogue without classes."""
    if answer is None:
        absent = {"score": ABSENT, "confidence": ABSENT, "margin": ABSENT}
        return {"decision": "", "class_id": "", "revision": revision, **absent}
    return {
        "decision": answer.decision.value,
        "class_id": answer.class_id or "",
        "score": answer.score,
        "confidence": ABSENT if answer.confidence is None else answer.confidence,
        "margin": ABSENT if answer.margin is None else answer.margin,
        "revision": answer.revision,
    }
