"""What became of items that were sent to be stored; the same values in the service and in its clients."""

from dataclasses import dataclass

__all__ = ["ItemError", "Written"]


@dataclass(frozen=True, slots=True)
class ItemError:
    """An item that could not be used: its place in what was sent, its id, and why."""

    index: int
    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of items that were sent, all of it durable; ok + unchanged + the number of errors == read."""

    read: int
    ok: int
    unchanged: int
    embedded: int
    truncated: int
    errors: tuple[ItemError, ...]
