"""From scores to a decision: does any class fit, and if so, which one?

Two questions, two signals. Whether any class fits is read from the best score; which one, from the margin to the
next. The thresholds are data: label-free defaults until there is a calibration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..schemas.records import Decision
from ..schemas.rules import Rules
from ..schemas.taxonomy import Taxonomy

__all__ = ["Verdict", "decide"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, the class decided on if there is one, and the rule in words."""

    decision: Decision
    class_id: str | None
    rule: str


def decide(class_ids: Sequence[str], scores: Sequence[float], rules: Rules, taxonomy: Taxonomy) -> Verdict:
    """The decision for one item.

    Args:
        class_ids: Candidates, best first, at least one.
        scores: Their scores, not rising.
        rules: The thresholds of the space.
        taxonomy: For the ancestors that candidates share.
    """
    best = scores[0]
    if best < rules.novel_below:
        return Verdict(Decision.NOVEL, None, f"best score {best:.3f} is below {rules.novel_below:.3f}; {rules.basis}")
    alike = [
        class_id
        for class_id, score in zip(class_ids, scores, strict=True)
        if best - score < rules.margin_below or class_id == class_ids[0]
    ]
    if len(alike) == 1:
        rule = f"best score {best:.3f}, margin of at least {rules.margin_below:.3f}; {rules.basis}"
        return Verdict(Decision.ASSIGNED, class_ids[0], rule)
    near = f"{len(alike)} classes within {rules.margin_below:.3f} of the best score {best:.3f}"
    shared = taxonomy.common_ancestor(alike)
    if shared is not None:
        return Verdict(Decision.ANCESTOR, shared, f"{near}, all under this one; {rules.basis}")
    return Verdict(Decision.REVIEW, None, f"{near}, under different branches; {rules.basis}")
