"""What the rest of nearclass knows of an encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..schemas.records import Role
from ..schemas.spaces import Space

__all__ = ["Encoded", "Encoder", "ExpectingEncoder"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of some texts, in the order of the texts.

    Attributes:
        vectors: Shape (n, dim), float32, every row of unit length.
        truncated: Shape (n,), bool: whether the text was longer than the encoder reads.
    """

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]

    @classmethod
    def none(cls, dim: int) -> Self:
        """What is made of no text."""
        return cls(np.empty((0, dim), np.float32), np.empty(0, np.bool_))


class Encoder(Protocol):
    """Texts to unit vectors of one space."""

    @property
    def space(self) -> Space:
        """The space of the vectors; known without loading the model."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:
        """Vectors of the texts, in their order.

        Raises:
            EncoderError: The model cannot be loaded or run.
        """
        ...


@runtime_checkable
class ExpectingEncoder(Encoder, Protocol):
    """One that can begin with texts before it is asked for their vectors."""

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Begin with texts that will probably be asked for soon; nothing is waited for, and no error is raised."""
        ...
