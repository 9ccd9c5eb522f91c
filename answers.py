"""Answers for items that are not stored: encoded or given, in chunks, in the order asked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .encoding import CatalogEncoder
from .errors import NearclassError, PictureError, UsageError
from .imaging import CatalogImages
from .ingest.intake import CHUNK_ROWS
from .ingest.rejects import refused
from .ingest.sources import BadRow
from .ingest.sources.address import is_address
from .query.fuse import Half
from .query.live import LiveSpace
from .query.pair import LivePair
from .schemas.progress import SILENT, OnProgress
from .schemas.records import Assignment, Item, Role
from .schemas.spaces import Space
from .schemas.text import item_text
from .schemas.vectors import unit_vector

if TYPE_CHECKING:
    from .encoders.image import ImageEncoder
    from .ingest.looking import Looked

__all__ = ["NO_IMAGE_ENCODER", "Answers", "Seen"]

NO_IMAGE_ENCODER: Final = "no_image_encoder"
"""Code of an item that has nothing but a picture, where nothing can look at it."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """An item that cannot be answered, and why."""

    item: Item
    code: str
    error: NearclassError


@dataclass(frozen=True, slots=True)
class Seen:
    """Items as vectors.

    Attributes:
        items: Those that can be asked about, in the order given.
        text: Those of them with a text; None without any.
        image: Those of them with a picture; None without any.
        refusals: The others, by their places among all.
        count: How many there were in all.
        digests: SHA-256 of the picture of each of ``items``, empty without one.
    """

    items: list[Item]
    text: Half | None
    image: Half | None
    refusals: dict[int, _Refused]
    count: int
    digests: list[str]


class Answers:
    """Assigns items by their texts and pictures, or in a named space of given vectors."""

    def __init__(
        self,
        encoders: CatalogEncoder,
        images: CatalogImages,
        live: Callable[[str], LiveSpace],
        pair: Callable[[], LivePair],
    ) -> None:
        """Ask ``live`` for the space of a name, and ``pair`` for those of texts and pictures."""
        self._encoders = encoders
        self._images = images
        self._live = live
        self._pair = pair

    def assign(self, items: Sequence[Item], *, k: int, explain: bool, space: str | None) -> list[Assignment]:
        """The answers for items, all of which can be asked about.

        Raises:
            PictureError: A picture cannot be used.
            UsageError: An item has neither a text nor a picture that could be looked at.
        """
        answers: list[Assignment] = []
        pair = self._checked() if items and space is None else None  # all answers are from one space
        for start in range(0, len(items), CHUNK_ROWS):
            for answer in self._chunk(items[start : start + CHUNK_ROWS], k, pair, explain=explain, space=space):
                if isinstance(answer, _Refused):
                    raise answer.error
                answers.append(answer)
        return answers

    def each(
        self,
        rows: Iterable[Item | BadRow],
        *,
        k: int,
        explain: bool,
        space: str | None,
        pair: LivePair | None = None,
    ) -> Iterator[Assignment | BadRow]:
        """The answers for rows as they come, in bounded memory; those that cannot be asked about are bad rows.

        With ``pair`` they all come from it; without, each chunk from the spaces that serve by then.
        """
        if space is not None:
            self._live(space)  # named and refused before the first row, and without one
        chunk: list[Item | BadRow] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) >= CHUNK_ROWS:
                yield from self._rows(chunk, k, pair, explain=explain, space=space)
                chunk = []
        yield from self._rows(chunk, k, pair, explain=explain, space=space)

    def lookups(self, query: str | None, image: str | None) -> list[tuple[LiveSpace, NDArray[np.float32]]]:
        """Where to look for stored items, and with which unit vector: words in both spaces, a picture in its own.

        Raises:
            UsageError: There is nothing to look for, or no encoder of pictures.
            PictureError: The picture cannot be used.
        """
        if not query and not image:
            message = "there is nothing to look for"
            raise UsageError(message, hint='Give words or a picture, such as: nearclass search "red kettle"')
        found: list[tuple[LiveSpace, NDArray[np.float32]]] = []
        pair = self._pair()
        if query:
            words = item_text(Item("query", text=query))
            if pair.text is not None and pair.text.has_items:
                encoder_of_texts = self._encoders.of(pair.text.place.space)
                found.append((pair.text, encoder_of_texts.encode([words], Role.CLASS).vectors[0]))
            if pair.image is not None and pair.image.has_items:
                encoder = self._images.of(pair.image.place.space)
                found.append((pair.image, encoder.encode([words], Role.CLASS).vectors[0]))
        if image:
            looked, refusals = self._pictures([_shown(image)], [""], pair)
            if refusals:
                raise refusals[0].error
            shown = pair.image or self._pair().image
            if shown is not None:
                found.extend((shown, one.vector) for one in looked.values() if one.vector is not None)
        return found

    def _rows(
        self, rows: Sequence[Item | BadRow], k: int, pair: LivePair | None, *, explain: bool, space: str | None
    ) -> Iterator[Assignment | BadRow]:
        items = [row for row in rows if isinstance(row, Item)]
        answers = iter(self._chunk(items, k, pair, explain=explain, space=space) if items else ())
        for row in rows:
            answer = row if isinstance(row, BadRow) else next(answers)
            yield refused(answer.item, answer.code, answer.error.message) if isinstance(answer, _Refused) else answer

    def _chunk(
        self, items: Sequence[Item], k: int, pair: LivePair | None, *, explain: bool, space: str | None
    ) -> Sequence[Assignment | _Refused]:
        if space:
            return self._given(items, k, space, explain=explain)
        return self._encoded(items, k, pair or self._checked(), explain=explain)

    def _given(self, items: Sequence[Item], k: int, space: str, *, explain: bool) -> Sequence[Assignment | _Refused]:
        live = self._live(space)
        assigner = live.assigner()
        assigner.check()
        vectors = [_given_vector(item, live.place.space) for item in items]
        usable = [(item, one) for item, one in zip(items, vectors, strict=True) if isinstance(one, np.ndarray)]
        found: Iterator[Assignment] = iter(())
        if usable:
            stacked = np.stack([vector for _, vector in usable])
            ids = [item.id for item, _ in usable]
            found = iter(assigner.assign(ids, stacked, [False] * len(ids), k=k, explain=explain))
        return [one if isinstance(one, _Refused) else next(found) for one in vectors]

    def _encoded(
        self, items: Sequence[Item], k: int, pair: LivePair, *, explain: bool
    ) -> Sequence[Assignment | _Refused]:
        seen = self._seen(items, pair)
        if seen.image is not None and pair.image is None:
            pair = pair.beside(self._pair().image)  # the first picture made the space
        ids = [item.id for item in seen.items]
        found = iter(pair.assigner().assign(ids, seen.text, seen.image, k=k, explain=explain))
        return [seen.refusals[place] if place in seen.refusals else next(found) for place in range(len(items))]

    def seen(
        self, items: Sequence[Item], pair: LivePair, on_progress: OnProgress = SILENT
    ) -> tuple[Seen, dict[int, BadRow]]:
        """Items as vectors of these spaces, and those that cannot be asked about as bad rows, by their places."""
        parts = []
        for start in range(0, len(items), CHUNK_ROWS):
            on_progress("items", start, len(items))
            parts.append(self._seen(items[start : start + CHUNK_ROWS], pair))
        whole = _joined(parts)
        refusals = {
            place: refused(one.item, one.code, one.error.message) for place, one in sorted(whole.refusals.items())
        }
        return whole, refusals

    def _checked(self) -> LivePair:
        """The spaces, which have classes: no model has to be loaded to see that there is none."""
        pair = self._pair()
        for side in (pair.text, pair.image):
            if side is not None:
                side.assigner().check()
        return pair

    def _seen(self, items: Sequence[Item], pair: LivePair) -> Seen:
        texts = [item_text(item) for item in items]
        looked, refusals = self._pictures(items, texts, pair)
        said = [place for place, text in enumerate(texts) if text and place not in refusals]
        kept = sorted({*said, *looked})
        row_of = {place: row for row, place in enumerate(kept)}
        text = image = None
        if said and pair.text is not None:
            encoder = self._encoders.of(pair.text.place.space)
            encoded = encoder.encode([texts[place] for place in said], Role.ITEM)
            rows = np.asarray([row_of[place] for place in said], np.int64)
            text = Half(rows, encoded.vectors, encoded.truncated.tolist(), [texts[place] for place in said])
        if looked:
            rows = np.asarray([row_of[place] for place in sorted(looked)], np.int64)
            vectors = [one for place in sorted(looked) if (one := looked[place].vector) is not None]
            image = Half(rows, np.stack(vectors), [False] * len(looked))
        digests = [looked[place].digest if place in looked else "" for place in kept]
        return Seen([items[place] for place in kept], text, image, refusals, len(items), digests)

    def _pictures(
        self, items: Sequence[Item], texts: Sequence[str], pair: LivePair
    ) -> "tuple[dict[int, Looked], dict[int, _Refused]]":
        """What was seen in the pictures, and the items that cannot be answered, both by their places."""
        pictured = [place for place, item in enumerate(items) if item.image]
        encoder = self._encoder_of_pictures(pair) if pictured else None
        refusals = {
            place: _nothing(item)
            for place, item in enumerate(items)
            if not texts[place] and (encoder is None or not item.image)
        }
        if encoder is None:
            return {}, refusals
        from .ingest.looking import look  # noqa: PLC0415 - decoders that a catalogue of texts has no use for
        from .pictures.load import PictureSource  # noqa: PLC0415

        if pair.image is None:
            self._images.chosen()  # the classes have no vectors among pictures yet
        sources = [PictureSource(items[place].image or "", Path(items[place].folder or ".")) for place in pictured]
        with self._images.loader() as loader:
            found = look(loader, encoder, sources)
        looked: dict[int, Looked] = {}
        for place, one in zip(pictured, found, strict=True):
            if isinstance(one, PictureError):
                refusals[place] = _Refused(items[place], one.code, one)
            else:
                looked[place] = one
        return looked, refusals

    def _encoder_of_pictures(self, pair: LivePair) -> "ImageEncoder | None":
        """The one of the space that answers, if there is one by now."""
        return self._images.current() if pair.image is None else self._images.of(pair.image.place.space)


def _shown(image: str) -> Item:
    """An item of a picture that a person names: it may be anywhere."""
    if is_address(image):
        return Item("query", image=image)
    path = Path(image).expanduser().absolute()
    return Item("query", image=str(path), folder=str(path.parent))


def _joined(parts: Sequence[Seen]) -> Seen:
    """All parts as one."""
    items: list[Item] = []
    refusals: dict[int, _Refused] = {}
    halves: tuple[list[tuple[int, Half]], list[tuple[int, Half]]] = ([], [])
    count = 0
    for part in parts:
        for listed, half in zip(halves, (part.text, part.image), strict=True):
            if half is not None:
                listed.append((len(items), half))
        refusals |= {count + place: one for place, one in part.refusals.items()}
        items += part.items
        count += part.count
    text, image = (_one_half(listed) if listed else None for listed in halves)
    return Seen(items, text, image, refusals, count, [digest for part in parts for digest in part.digests])


def _one_half(parts: Sequence[tuple[int, Half]]) -> Half:
    """Halves of parts as one; each with the number of items before its part."""
    rows = np.concatenate([before + half.rows for before, half in parts])
    texts = [text for _, half in parts for text in half.texts or ()]
    truncated = [one for _, half in parts for one in half.truncated]
    return Half(rows, np.concatenate([half.vectors for _, half in parts]), truncated, texts or None)


def _nothing(item: Item) -> _Refused:
    """An item without a text, whose picture nothing can look at if it has one."""
    if item.image:
        message = f"item {item.id!r} has only a picture, and no encoder of pictures is configured"
        hint = "Set NEARCLASS_IMAGE_ENCODER, for example to clip-b32 or to local-dir:FOLDER."
        return _Refused(item, NO_IMAGE_ENCODER, UsageError(f"{message}: NEARCLASS_IMAGE_ENCODER is not set", hint=hint))
    message = f"item {item.id!r} has no text: title, description and text are empty"
    return _Refused(item, "no_text", UsageError(message, hint="Give it a title, a description, a text or a picture."))


def _given_vector(item: Item, space: Space) -> NDArray[np.float32] | _Refused:
    try:
        return unit_vector(item.vector or (), space.dim)
    except ValueError as error:
        message = f"item {item.id!r} brings to {space.name} {error}"
        hint = f"The space takes finite vectors of length {space.dim} that are not zero."
        return _Refused(item, "bad_vector", UsageError(message, hint=hint))
