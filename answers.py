"""Answers for items that are not stored: encoded or given, in chunks, in the order asked."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .encoding import CatalogEncoder
from .errors import UsageError
from .ingest.rejects import refused
from .ingest.run import CHUNK_ROWS
from .ingest.sources import BadRow
from .query.live import LiveSpace
from .schemas.records import Assignment, Item, Role
from .schemas.spaces import Space
from .schemas.text import item_text
from .schemas.vectors import unit_vector

__all__ = ["Answers"]


class Answers:
    """Assigns items in the text space of a catalogue, or in a named space of given vectors."""

    def __init__(self, encoders: CatalogEncoder, live: Callable[[str | None], LiveSpace]) -> None:
        """Ask ``live`` for the space of a name, and of None for the text space."""
        self._encoders = encoders
        self._live = live

    def assign(self, items: Sequence[Item], *, k: int, explain: bool, space: str | None) -> list[Assignment]:
        """The answers for items, all of which can be asked about."""
        answers: list[Assignment] = []
        for start in range(0, len(items), CHUNK_ROWS):
            answers.extend(self._chunk(items[start : start + CHUNK_ROWS], k, explain=explain, space=space))
        return answers

    def each(
        self, rows: Iterable[Item | BadRow], *, k: int, explain: bool, space: str | None
    ) -> Iterator[Assignment | BadRow]:
        """The answers for rows as they come, in bounded memory; those that cannot be asked about are bad rows."""
        given = None if space is None else self._live(space).place.space
        chunk: list[Item | BadRow] = []
        for row in rows:
            chunk.append(row if isinstance(row, BadRow) else _usable(row, given))
            if len(chunk) >= CHUNK_ROWS:
                yield from self._rows(chunk, k, explain=explain, space=space)
                chunk = []
        yield from self._rows(chunk, k, explain=explain, space=space)

    def _rows(
        self, rows: Sequence[Item | BadRow], k: int, *, explain: bool, space: str | None
    ) -> Iterator[Assignment | BadRow]:
        items = [row for row in rows if isinstance(row, Item)]
        answers = iter(self._chunk(items, k, explain=explain, space=space) if items else ())
        for row in rows:
            yield row if isinstance(row, BadRow) else next(answers)

    def _chunk(self, items: Sequence[Item], k: int, *, explain: bool, space: str | None) -> list[Assignment]:
        live = self._live(space)
        assigner = live.assigner()
        assigner.check()
        ids = [item.id for item in items]
        if space is not None:
            vectors = np.stack([_given_vector(item, live.place.space) for item in items])
            return assigner.assign(ids, vectors, [False] * len(items), k=k, explain=explain)
        texts = [item_text(item) for item in items]
        empty = next((item.id for item, text in zip(items, texts, strict=True) if not text), None)
        if empty is not None:
            message = f"item {empty!r} has no text: title, description and text are empty"
            raise UsageError(message, hint="Give it a title, a description or a text.")
        encoded = self._encoders.current().encode(texts, Role.ITEM)
        return assigner.assign(ids, encoded.vectors, encoded.truncated.tolist(), texts=texts, k=k, explain=explain)


def _usable(item: Item, given: Space | None) -> Item | BadRow:
    """The item, or why it cannot be asked about; ``given`` is the space of its vector, None for a text."""
    if given is None:
        return item if item_text(item) else refused(item, "no_text", "title, description and text are empty")
    try:
        _given_vector(item, given)
    except UsageError as error:
        return refused(item, "bad_vector", error.message)
    return item


def _given_vector(item: Item, space: Space) -> NDArray[np.float32]:
    try:
        return unit_vector(item.vector or (), space.dim)
    except ValueError as error:
        message = f"item {item.id!r} brings to {space.name} {error}"
        raise UsageError(
            message, hint=f"The space takes finite vectors of length {space.dim} that are not zero."
        ) from error
