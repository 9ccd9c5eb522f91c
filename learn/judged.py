"""An answer beside the truth, which every figure is made of."""

from dataclasses import dataclass

from ..schemas.records import Assignment

__all__ = ["Judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer beside the truth: ids of the classes any of which is right; none for an item out of scope."""

    answer: Assignment
    truth: frozenset[str]

    @property
    def right(self) -> bool:
        """Whether the best candidate is right, whatever the decision; never out of scope."""
        return self.answer.candidates[0].class_id in self.truth

    @property
    def confidence(self) -> float | None:
        """The probability given to the best candidate; None until there is a calibration."""
        return self.answer.candidates[0].confidence
