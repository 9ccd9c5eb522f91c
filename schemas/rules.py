"""Thresholds that turn scores into decisions, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .collections import ABSENT

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds for decisions in one space.

    Attributes:
        novel_below: A fit lower than this means that no class fits.
        margin_below: A margin smaller than this leaves the question which class open.
        basis: Where the thresholds come from, in words.
        score_below: A best score lower than this means the same. Stored items are near to what is stored, themselves,
            whether a class fits them or not; ``ABSENT`` where the fit alone decides.
    """

    novel_below: float
    margin_below: float
    basis: str
    score_below: float = ABSENT

    def to_dict(self) -> dict[str, Any]:
        """The rules as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Rules":
        """The rules that ``to_dict`` gave."""
        return cls(**{name: data[name] for name in cls.__slots__ if name in data})
