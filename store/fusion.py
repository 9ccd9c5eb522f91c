"""What a catalogue knows of its two spaces together: one document."""

from typing import Final

from ..schemas.fusion import Fusion
from .state import Document, State

__all__ = ["FUSION", "read_fusion", "write_fusion"]

FUSION: Final = "fusion"
"""Kind of the state document about two spaces, whose names it has with a + between them."""


def read_fusion(state: State, spaces: tuple[str, str], learners: tuple[int, int]) -> Fusion | None:
    """The fusion of a text space and an image space; None where there is none, or other learners make scores now."""
    document = state.get(FUSION, "+".join(spaces))
    if document is None:
        return None
    found = Fusion.from_dict(document.body)
    return found if found.learners == learners else None


def write_fusion(state: State, spaces: tuple[str, str], fusion: Fusion, revision: int) -> None:
    """Keep a fusion in the place of the one before; returns when it is durable."""
    state.put(Document(FUSION, "+".join(spaces), fusion.to_dict(), revision))
