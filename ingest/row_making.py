"""Rows of items made for another space: their texts embedded again, or their pictures looked at again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..encoders.base import Encoder
from ..errors import PictureError
from ..schemas.records import Item, Role
from ..schemas.spaces import Space
from ..schemas.text import content_hash
from ..store.spaces import SpaceCollections
from .item_rows import stored_text
from .left_out import LeftOut

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["Lost", "PictureRows", "RowMaker", "TextRows"]

Row = Mapping[str, Any]


class RowMaker(Protocol):
    """Makes rows of items for one space, of the rows that another space of the kind has."""

    @property
    def made_of(self) -> tuple[str, ...]:
        """Fields that say whether a row is still of the same content."""
        ...

    def expected(self, row: Row) -> Row | None:
        """The fields as the row made of this one would have them; None where none can be made."""
        ...

    def make(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with their vectors, without those that cannot be made."""
        ...

    def kept(self, source: SpaceCollections, target: SpaceCollections, keys: Collection[str]) -> set[str]:
        """Which of these rows of ``target`` stay, although ``source`` has none of them."""
        ...


class TextRows:
    """Embeds the stored texts again."""

    made_of: Final = ("row_hash",)

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def expected(self, row: Row) -> Row | None:
        """The row itself: every stored text can be embedded."""
        return row

    def make(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with vectors of their texts."""
        texts = [stored_text(row) for row in rows]
        encoded = self.encoder.encode(texts, Role.ITEM)
        for row, text, vector, cut in zip(rows, texts, encoded.vectors, encoded.truncated.tolist(), strict=True):
            row |= {"vector": vector, "truncated": int(cut), "content_hash": _hash(self.encoder.space, text)}
        return list(rows)

    def kept(self, source: SpaceCollections, target: SpaceCollections, keys: Collection[str]) -> set[str]:  # noqa: ARG002
        """None: what is gone from one space is gone."""
        return set()


class Lost:
    """An item whose picture could not be read again, and why."""

    __slots__ = ("error", "item")

    def __init__(self, row: Row, error: PictureError) -> None:
        """Take the item from its stored row."""
        title, description, text = (row[name] or None for name in ("title", "description", "text"))
        self.item = Item(row["item_id"], title=title, description=description, text=text, image=row["image"])
        self.error = error


class PictureRows:
    """Looks at the pictures again, where they are now.

    What was found is remembered as long as this lives: a picture that is gone is asked for once, and one that has
    other bytes by now counts as what it is.

    Attributes:
        encoder: Of the space that the rows are for.
        lost: By the key of the item, pictures that cannot be read.
        changed: Pictures that have other bytes than those that were stored.
        left_out: Which pictures the spaces are without.
    """

    made_of: Final = ("row_hash", "content_hash")

    def __init__(
        self,
        encoder: "ImageEncoder",
        loader: "Callable[[], PictureLoader]",
        folders: Callable[[], Sequence[Path]],
        left_out: LeftOut,
    ) -> None:
        """Read with what ``loader`` gives, which is closed again; ``folders`` are those that paths may begin in."""
        self.encoder = encoder
        self.lost: dict[str, Lost] = {}
        self.changed = 0
        self._loader = loader
        self._folders = folders
        self.left_out = left_out
        self._now: dict[tuple[str, str], str | None] = {}

    def expected(self, row: Row) -> Row | None:
        """The row with the digest that its picture is known to have by now; None where it is known to be gone."""
        known = (row["key"], row["content_hash"])
        digest = self._now.get(known, row["content_hash"])
        return None if digest is None else {**row, "content_hash": digest}

    def make(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with vectors of their pictures, without those whose picture is gone."""
        found = self.look([(row["image"], row["content_hash"]) for row in rows])
        made = []
        for row, one in zip(rows, found, strict=True):
            known = (row["key"], row["content_hash"])
            if isinstance(one, PictureError):
                self._now[known] = None
                self.lost[row["key"]] = Lost(row, one)
                continue
            self.lost.pop(row["key"], None)
            digest, vector = one
            if digest != row["content_hash"]:
                self.changed += 1
                self._now[known] = digest
            made.append({**row, "vector": vector, "truncated": 0, "content_hash": digest})
        return made

    def look(self, pictures: Sequence[tuple[str, str]]) -> list[tuple[str, Any] | PictureError]:
        """Digest and vector of pictures by their references and stored digests, or why there is none; in order."""
        from ..pictures.finding import PictureFinder  # noqa: PLC0415 - slow to import
        from ..pictures.load import PictureSource  # noqa: PLC0415
        from .looking import look  # noqa: PLC0415

        with self._loader() as loader:
            finder = PictureFinder(self._folders(), loader)
            sources = [finder.source(reference, digest) for reference, digest in pictures]
            there = [one for one in sources if isinstance(one, PictureSource)]
            looked = iter(look(loader, self.encoder, there))
            found = [one if isinstance(one, PictureError) else next(looked) for one in sources]
        return [one if isinstance(one, PictureError) else (one.digest, one.vector) for one in found]

    def kept(self, source: SpaceCollections, target: SpaceCollections, keys: Collection[str]) -> set[str]:
        """Rows of ``target`` whose pictures ``source`` is without because they could not be read."""
        return self.left_out.kept(source.space.name, target, keys)


def _hash(space: Space, text: str) -> str:
    return content_hash(space.fingerprint, Role.ITEM, text)
