"""What is particular to bringing one space of pictures up to another."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import PictureError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.filters import AnyOf, Compare, In
from ..schemas.pictures import kept_picture, kept_reference
from ..schemas.records import EvidenceKind
from ..store import Store
from ..store.spaces import SpaceCollections
from .item_copies import Copied
from .item_rows import ItemRows
from .items import ItemWriter
from .row_making import PictureRows

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder

__all__ = ["PictureSide"]

_CHECKED: Final = 16
_AT_ONCE: Final = 1000
_PICTURED: Final = In("kind", [EvidenceKind.LABEL.value, EvidenceKind.PICTURE.value])
_KEPT: Final = ("key", "class_id", "kind", "text")


class PictureSide:
    """Pictures of classes and labels, answers and a check of a space of pictures.

    Attributes:
        encoder: Of the space that is brought up.
        rows: Makes its rows of items.
        lost: By their keys, pictures of classes and of labels that cannot be read: reference and why.
    """

    def __init__(self, store: Store, rows: PictureRows) -> None:
        self.encoder: ImageEncoder = rows.encoder
        self.rows = rows
        self.lost: dict[str, tuple[str, PictureError]] = {}
        self._store = store
        self._now: dict[tuple[str, str], str] = {}

    def evidence(self, source: SpaceCollections, target: SpaceCollections) -> Copied:
        """Bring pictures of classes and of labels; the texts of classes come by themselves."""
        wanted, have = (self._kept(place) for place in (source, target))
        todo = [key for key, row in wanted.items() if not self._done(row, have.get(key))]
        written = 0
        for start in range(0, len(todo), _AT_ONCE):
            written += self._bring(source, target, todo[start : start + _AT_ONCE])
        # A picture that a class has no more goes with the texts that it has no more.
        labels = {key for key, row in have.items() if row["kind"] == EvidenceKind.LABEL.value}
        gone = labels - wanted.keys()
        if gone:
            gone -= self.rows.left_out.keys(source.space.name)
        if gone:
            self._store.delete(target.evidence, In("key", sorted(gone)))
        if written or gone:
            self._store.flush(target.evidence)
        return Copied(written, written, len(gone))

    def live(self, pair: LivePair) -> LiveSpace | None:
        """What answers from the space alone."""
        return pair.image

    def answer(self, pair: LivePair, since_ms: int, on_page: Callable[[int], None]) -> int:
        """Answer pictures that have no answer, or one from before a change, by their texts too where there are any.

        Rows in the space of texts are left as they are.
        """
        if pair.image is None or pair.text is None or self._store.resolve(pair.image.place.items) is None:
            return 0
        assigner = pair.image.assigner()
        if not assigner.answerable:
            return 0
        place, revision = pair.image.place, assigner.taxonomy.revision
        old = AnyOf([Compare("revision", "<", revision), Compare("updated_at", "<", since_ms)])
        keys = [row["key"] for row in self._store.query(place.items, where=old, fields=("key",))]
        writer, rows = ItemWriter(self._store, pair.text, None, pair=pair), ItemRows(self._store, place)
        for start in range(0, len(keys), _AT_ONCE):
            page = keys[start : start + _AT_ONCE]
            writer.reassign(page, only=place.space.name)
            # Those that a person confirmed stay as they are, and have been looked at.
            stayed = [row for row in rows.whole(page).values() if row["revision"] < revision]
            now = time.time_ns() // 1_000_000
            rows.upsert([{**row, "revision": revision, "updated_at": now} for row in stayed])
            on_page(len(page))
        if keys:
            rows.flush()
        return len(keys)

    def alike(self, target: SpaceCollections) -> tuple[list[str], list[float]]:
        """Ids of some stored items, and the cosine of each one's vector with that of its picture looked at again."""
        rows = self._store.query(target.items, fields=("item_id", "image", "content_hash", "vector"), limit=_CHECKED)
        found = self.rows.look([(row["image"], row["content_hash"]) for row in rows])
        same = [
            (row["item_id"], float(row["vector"] @ one[1]))
            for row, one in zip(rows, found, strict=True)
            if not isinstance(one, PictureError) and one[0] == row["content_hash"]
        ]
        return [item_id for item_id, _ in same], [cosine for _, cosine in same]

    def _bring(self, source: SpaceCollections, target: SpaceCollections, keys: list[str]) -> int:
        spec = target.specs[target.evidence]
        rows = self._store.query(source.evidence, where=In("key", keys), fields=("key", *spec.field_names))
        looked = self.rows.look([(kept_reference(row["text"]), _digest(row)) for row in rows])
        made = []
        for row, one in zip(rows, looked, strict=True):
            known = (row["key"], _digest(row))
            reference = kept_reference(row["text"])
            if isinstance(one, PictureError):
                self.lost[row["key"]] = (reference, one)
                self._now[known] = ""
                continue
            self.lost.pop(row["key"], None)
            self._now[known] = one[0]
            made.append({**row, "text": kept_picture(one[0], reference), "vector": one[1]})
        if made:
            self._store.upsert(target.evidence, spec, made)
        return len(made)

    def _kept(self, place: SpaceCollections) -> dict[str, Mapping[str, Any]]:
        if self._store.resolve(place.evidence) is None:
            return {}
        return {
            row["key"]: row for page in self._store.scan(place.evidence, where=_PICTURED, fields=_KEPT) for row in page
        }

    def _done(self, row: Mapping[str, Any], have: Mapping[str, Any] | None) -> bool:
        digest = self._now.get((row["key"], _digest(row)), _digest(row))
        if not digest:
            return True
        return have is not None and (have["class_id"], _digest(have)) == (row["class_id"], digest)


def _digest(row: Mapping[str, Any]) -> str:
    return str(row["text"]).partition(" ")[0]
