"""Items that go from one class to another, in groups, with examples of each and what speaks for where they go."""

from dataclasses import dataclass

from ..schemas.records import Evidence

__all__ = ["EXAMPLES", "EXAMPLE_CHARS", "Move"]

EXAMPLES = 3
EXAMPLE_CHARS = 120


@dataclass(frozen=True, slots=True)
class Move:
    """Items whose class becomes another one.

    Attributes:
        before: Path of the class that they had; empty for none.
        after: Path of the class that they get; where there is none, the decision in brackets stands for it.
        count: How many.
        examples: Texts of some.
        evidence: For each example what speaks most for the class it is nearest to then, or None where nothing is known.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    count: int
    examples: tuple[str, ...]
    evidence: tuple[Evidence | None, ...] = ()
