"""Items on their way to the store: checked, hashed, and what becomes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..schemas.collections import MAX_ID_BYTES, MAX_JSON_BYTES, key_of
from ..schemas.records import Assignment, Item, Role
from ..schemas.spaces import Space
from ..schemas.text import content_hash, item_text
from ..schemas.vectors import unit_vector

__all__ = ["ChunkResult", "Pending", "Refusal", "prepare"]


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
        pictures: How many pictures did.
        truncated: How many texts were longer than the encoder reads.
        reassigned: Those of ``unchanged`` whose answer was older than the taxonomy, and was given anew.
        answers: By the id of the item, what was answered; not for items that were left as they are.
    """

    ok: int = 0
    unchanged: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    duplicates: int = 0
    embedded: int = 0
    pictures: int = 0
    truncated: int = 0
    reassigned: int = 0
    answers: dict[str, Assignment] = field(default_factory=dict)


@dataclass(slots=True)
class Pending:
    """An item on its way.

    Attributes:
        index: Place in the chunk.
        item: The item.
        key: Its key in every collection.
        text: Its canonical text, or empty.
        content_hash: Of the text, or of a given vector; empty where there is neither.
        row_hash: Of everything that is stored of it.
        confirmed: Id of the class that a person confirmed, or empty.
        pictured: Whether its picture counts.
        vector: Of the text, or given; shape (dim,).
        truncated: Whether the text was cut.
        digest: Of the picture, once it has been looked at.
        picture: Vector of the picture, shape (dim,).
        answer: The fields that a stored item has its answer in, once there is one; their ``revision`` is what it was
            given under.
    """

    index: int
    item: Item
    key: str
    text: str
    content_hash: str
    row_hash: str
    confirmed: str
    pictured: bool
    vector: NDArray[np.float32] | None = None
    truncated: bool = False
    digest: str = ""
    picture: NDArray[np.float32] | None = None
    answer: Mapping[str, Any] | None = None


def prepare(
    items: Sequence[Item], confirmed: Sequence[str], space: Space, result: ChunkResult, *, pictures: bool
) -> list[Pending]:
    """The items that can be stored, the last of each id; the others are counted in ``result``.

    Args:
        items: The items of a chunk.
        confirmed: For each the id of a confirmed class, or an empty text.
        space: Of texts, or of given vectors.
        result: Takes refusals and duplicates.
        pictures: Whether there is a space of pictures too.
    """
    last: dict[str, Pending] = {}
    for index, (item, class_id) in enumerate(zip(items, confirmed, strict=True)):
        made = _pend(index, item, class_id, space, pictures=pictures)
        if isinstance(made, Refusal):
            result.refusals.append(made)
            continue
        if made.key in last:
            result.duplicates += 1
            result.ok += 1
            del last[made.key]
        last[made.key] = made
    return list(last.values())


def _pend(index: int, item: Item, confirmed: str, space: Space, *, pictures: bool) -> Pending | Refusal:
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
    fields = [item.title, item.description, item.text, item.image, attributes.decode()]
    row_hash = key_of(*(part or "" for part in fields))
    made = Pending(
        index, item, key_of(item.id), item_text(item), "", row_hash, confirmed, pictures and bool(item.image)
    )
    return _with_vector(made, space) if space.kind == "precomputed" else _with_text(made, space)


def _with_vector(made: Pending, space: Space) -> Pending | Refusal:
    if made.item.vector is None:
        return Refusal(made.index, "no_vector", f"the space {space.name} takes items with a vector")
    try:
        made.vector = unit_vector(made.item.vector, space.dim)
    except ValueError as error:
        return Refusal(made.index, "bad_vector", str(error))
    made.content_hash = content_hash(space.fingerprint, Role.ITEM, made.vector.tobytes().hex())
    return made


def _with_text(made: Pending, space: Space) -> Pending | Refusal:
    if made.text:
        made.content_hash = content_hash(space.fingerprint, Role.ITEM, made.text)
    elif made.item.image and not made.pictured:
        message = "there is a picture and no text, and no encoder of pictures: NEARCLASS_IMAGE_ENCODER is not set"
        return Refusal(made.index, "no_image_encoder", message)
    elif not made.pictured:
        message = "title, description and text are empty once white space and control characters are out"
        return Refusal(made.index, "no_text", message)
    return made


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
