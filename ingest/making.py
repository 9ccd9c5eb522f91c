"""What is done to items before anything is stored: checked, looked at, embedded, answered. It needs no store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..encoders.base import Encoder, ExpectingEncoder
from ..errors import PictureError
from ..query.assign import Assigner
from ..query.fuse import FusedAssigner
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.records import Assignment, Item, Role
from ..schemas.spaces import Space
from ..schemas.taxonomy import Taxonomy
from ..schemas.text import item_text
from .item_rows import half
from .pending import ChunkResult, Pending, Refusal, prepare

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["Answering", "ItemMaker", "Looking"]


@dataclass(frozen=True, slots=True)
class Looking:
    """What turns pictures into vectors; whoever made the loader closes it."""

    encoder: "ImageEncoder"
    loader: "PictureLoader"


class ItemMaker:
    """Turns items into vectors, by texts, pictures or both."""

    def __init__(self, space: Space, encoder: Encoder | None, looking: Looking | None) -> None:
        """Make vectors of ``space``, of texts or of given vectors.

        Args:
            space: The space.
            encoder: The encoder of texts; None for given vectors, and where nothing is embedded.
            looking: Takes the pictures; None where they do not count.
        """
        self._space = space
        self._encoder = encoder
        self._looking = looking

    def prepare(self, items: Sequence[Item], confirmed: Sequence[str] | None, result: ChunkResult) -> list[Pending]:
        """The items that can be stored, the last of each id; see ``pending.prepare``."""
        given = confirmed or [""] * len(items)
        return prepare(items, given, self._space, result, pictures=self._looking is not None)

    def look(self, pending: Sequence[Pending], known: Callable[[str, str], bool], result: ChunkResult) -> list[Pending]:
        """Digests of the pictures, and vectors of those that are not known; the items that can be stored.

        Args:
            pending: The items.
            known: Whether the picture of the item with this key has a vector already, if this is its digest.
            result: Takes refusals and counts.
        """
        pictured = [one for one in pending if one.pictured]
        if self._looking is None or not pictured:
            return list(pending)
        from ..pictures.load import PictureSource  # noqa: PLC0415 - slow to import
        from .looking import look  # noqa: PLC0415

        sources = [PictureSource(one.item.image or "", Path(one.item.folder or ".")) for one in pictured]
        looked = look(
            self._looking.loader,
            self._looking.encoder,
            sources,
            lambda place, digest: known(pictured[place].key, digest),
        )
        refused: set[int] = set()
        for one, found in zip(pictured, looked, strict=True):
            if isinstance(found, PictureError):
                refused.add(one.index)
                result.refusals.append(Refusal(one.index, found.code, found.message))
                continue
            one.digest, one.picture = found.digest, found.vector
            result.pictures += found.vector is not None
        return [one for one in pending if one.index not in refused]

    def expect(self, items: Sequence[Item]) -> None:
        """Begin with the texts of items that will probably come next, where the encoder can."""
        if isinstance(self._encoder, ExpectingEncoder):
            self._encoder.expect([text for item in items if (text := item_text(item))], Role.ITEM)

    def embed(self, todo: Sequence[Pending], result: ChunkResult) -> None:
        """Vectors of these texts."""
        if self._encoder is None or not todo:
            return
        encoded = self._encoder.encode([one.text for one in todo], Role.ITEM)
        for one, vector, truncated in zip(todo, encoded.vectors, encoded.truncated.tolist(), strict=True):
            one.vector, one.truncated = vector, truncated
        result.embedded += len(todo)
        result.truncated += int(encoded.truncated.sum())


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers items by the vectors there are, at one revision of the taxonomy.

    Attributes:
        assigner: Of the space of texts or of given vectors.
        words: Whether their texts count beside the vectors.
        fused: Of texts and pictures, where the catalogue has both.
    """

    assigner: Assigner
    words: bool
    fused: FusedAssigner | None = None

    @classmethod
    def of(cls, live: LiveSpace, pair: LivePair | None) -> "Answering":
        """Answers as of now."""
        words = live.place.space.kind == "text"
        return cls(live.assigner(), words, pair.assigner() if pair is not None and pair.image is not None else None)

    @classmethod
    def portable(cls, live: LiveSpace, pair: LivePair | None) -> "Answering":
        """The same for another process, which has no store."""
        words = live.place.space.kind == "text"
        both = pair is not None and pair.image is not None
        return cls(live.portable(), words, pair.portable() if pair is not None and both else None)

    @property
    def taxonomy(self) -> Taxonomy:
        """What answers are given under."""
        return self.assigner.taxonomy

    def answers(
        self,
        ids: Sequence[str],
        vectors: Sequence[NDArray[np.float32] | None],
        pictures: Sequence[NDArray[np.float32] | None],
        truncated: Sequence[bool],
        texts: Sequence[str],
    ) -> Sequence[Assignment | None]:
        """The answer of each item, None where there is no class.

        Args:
            ids: Ids of the items.
            vectors: Of their texts, or given, shape (dim,); None for none.
            pictures: Of their pictures; None for none.
            truncated: Whether their texts were cut.
            texts: Their canonical texts.
        """
        if not self.assigner.answerable or not ids:
            return [None] * len(ids)
        if self.fused is None:
            given = np.stack([vector for vector in vectors if vector is not None])
            return self.assigner.assign(ids, given, truncated, texts=texts if self.words else None, explain=False)
        said = [row for row, vector in enumerate(vectors) if vector is not None]
        shown = [row for row, vector in enumerate(pictures) if vector is not None]
        text = half(
            said,
            [vector for vector in vectors if vector is not None],
            [truncated[row] for row in said],
            [texts[row] for row in said],
        )
        image = half(shown, [vector for vector in pictures if vector is not None], [False] * len(shown), None)
        return self.fused.assign(ids, text, image)
