"""What applying events needs from a catalogue, and what comes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from .events import Event

__all__ = ["BROKE", "Failure", "Row", "Tally", "Target"]

BROKE: Final = "failed"
"""Code of a failure that nobody foresaw; what else can be wrong with an event has a code of its own."""

Row = Mapping[str, Any]
"""An answer as it is published."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event could not be stored."""

    code: str
    message: str


class Target(Protocol):
    """Where events go: the catalogue. Every method may raise ``StoreError``."""

    def put(self, events: Sequence[Event]) -> list[Row | Failure | None]:
        """Store or remove items and classes; for each event the answer of its item, if it has one, or the failure."""
        ...

    def expect(self, events: Sequence[Event]) -> None:
        """Begin with what can be done before events are put; they may never be."""
        ...

    def flush(self) -> None:
        """Return when everything put is durable."""
        ...

    def behind(self) -> bool:
        """Whether the classes have changed since all stored items were answered."""
        ...

    def others(self, limit: int) -> dict[str, str]:
        """Keys and ids of the next stored items that the classes of now would answer otherwise, or none of a page."""
        ...

    def answer_anew(self, keys: Sequence[str]) -> dict[str, Row]:
        """Write the new answers of some of those; the answers by key. Others of them are left for another round."""
        ...


@dataclass(slots=True)
class Tally:
    """How many events did what, since the start.

    Attributes:
        applied: Stored.
        superseded: Not needed: something newer of the same id was there, or came with them.
        repeated: Stored before, and delivered again.
        repaired: Newer versions of other workers that this one put back.
        backfilled: Stored items answered anew after a change of the classes.
    """

    applied: int = 0
    superseded: int = 0
    repeated: int = 0
    repaired: int = 0
    backfilled: int = 0
