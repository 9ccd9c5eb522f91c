"""How the scores of two spaces become one, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .calibration import Calibration

__all__ = ["Fusion"]


@dataclass(frozen=True, slots=True)
class Fusion:
    """What was found out, by labels or by items, of a text space and an image space together.

    Attributes:
        text_weight: What the score of the text counts, from 0 to 1; that of the picture counts the rest.
        learners: Versions of what the text space and the image space had learnt; with others, all this is void.
        basis: Where the weight comes from, in words.
        calibration: Of the fused scores, or None.
    """

    text_weight: float
    learners: tuple[int, int]
    basis: str
    calibration: Calibration | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fusion as JSON-able data."""
        return {
            "text_weight": self.text_weight,
            "learners": list(self.learners),
            "basis": self.basis,
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Fusion":
        """The fusion that ``to_dict`` gave."""
        made = data["calibration"]
        text, image = data["learners"]
        calibration = None if made is None else Calibration.from_dict(made)
        return cls(float(data["text_weight"]), (int(text), int(image)), str(data["basis"]), calibration)
