"""An encoder of texts that costs nothing, where the texts are not what is measured."""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nearclass.encoders.base import Encoded
    from nearclass.schemas.records import Role
    from nearclass.schemas.spaces import Space

__all__ = ["Meaningless"]


class Meaningless:
    """An encoder whose vectors are random, the same for the same text."""

    @property
    def space(self) -> "Space":
        """A space of its own."""
        from nearclass.schemas.spaces import Space

        return Space("meaningless_64", "text", 64, "0" * 64, "meaningless", {})

    def encode(self, texts: Sequence[str], role: "Role") -> "Encoded":  # noqa: ARG002
        """Vectors of the texts."""
        import numpy as np

        from nearclass.encoders.base import Encoded

        made = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(64, np.float32) for text in texts]
        vectors = np.stack(made)
        return Encoded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.zeros(len(texts), bool))
