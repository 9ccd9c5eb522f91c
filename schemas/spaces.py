"""A space: one encoder's vector space, and what a catalogue remembers of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Serving", "Space", "precomputed"]


@dataclass(frozen=True, slots=True)
class Space:
    """Where vectors can be compared with one another, and with no others.

    Attributes:
        name: Readable and unique, safe as part of a collection name.
        kind: ``text`` for an encoder of texts, ``image`` for one of pictures and texts, ``precomputed`` for
            vectors that come in ready-made.
        dim: Length of a vector.
        fingerprint: SHA-256 over everything that changes a vector, 64 hexadecimal digits.
        encoder: What to give as the encoder to get this space again; empty for a precomputed one.
        details: What the fingerprint was made of, for people.
    """

    name: str
    kind: str
    dim: int
    fingerprint: str
    encoder: str
    details: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The space as JSON-able data."""
        return {**asdict(self), "details": dict(self.details)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Space":
        """The space that ``to_dict`` gave."""
        return cls(**{name: data[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Serving:
    """Which spaces of one kind, of texts or of pictures, a catalogue has, as one document says.

    Attributes:
        serving: Name of the space that answers come from; empty before the first text or picture.
        previous: Name of the one that served before, kept to go back to; or empty.
        next: Name of the one that is about to serve, to which everything goes that is written; or empty.
        mark: Another one after every switch.
    """

    serving: str = ""
    previous: str = ""
    next: str = ""
    mark: str = ""


def precomputed(name: str, dim: int) -> Space:
    """A space of vectors that come in ready-made; its fingerprint is its name and dimension.

    >>> precomputed("resnet50", 2048).dim
    2048
    """
    details = {"kind": "precomputed", "name": name, "dim": dim, "normalised": True}
    fingerprint = hashlib.sha256(f"precomputed\x1f{name}\x1f{dim}".encode()).hexdigest()
    return Space(name, "precomputed", dim, fingerprint, "", details)
