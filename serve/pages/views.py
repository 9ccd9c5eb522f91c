"""Answers as people read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...schemas.records import Assignment, Candidate, Evidence, EvidenceKind

__all__ = ["Shown", "candidates_of"]

_PIECES: Final = 2
_KINDS: Final[Mapping[EvidenceKind, str]] = {
    EvidenceKind.NAME: "its name",
    EvidenceKind.PARENT: "the class above it",
    EvidenceKind.DESCRIPTION: "its description",
    EvidenceKind.TERM: "a term of its description",
    EvidenceKind.SYNONYM: "a synonym",
    EvidenceKind.EXAMPLE: "an example",
    EvidenceKind.VECTOR: "its vector",
    EvidenceKind.LABEL: "a labelled item",
    EvidenceKind.PICTURE: "a picture",
}
_TEXT_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class Shown:
    """A candidate as it is shown.

    Attributes:
        key: Number of its key, from 1.
        class_id: The class.
        path: Names from the root.
        sure: Its confidence, or None where there is no calibration.
        score: Its score.
        width: Of its bar, from 0 to 100.
        evidence: What matched: its kind in words, the text, the similarity.
    """

    key: int
    class_id: str
    path: Sequence[str]
    sure: float | None
    score: float
    width: float
    evidence: Sequence[tuple[str, str, float]]


def candidates_of(answer: Assignment, evidence: Mapping[str, Sequence[Evidence]] | None = None) -> list[Shown]:
    """The candidates of an answer, best first; ``evidence`` by class in place of what the answer has."""
    pieces = evidence
    if pieces is None:
        pieces = {one.class_id: answer.evidence for one in answer.candidates[:1]}
    return [_shown(key, one, pieces.get(one.class_id, ())) for key, one in enumerate(answer.candidates, 1)]


def _shown(key: int, one: Candidate, pieces: Sequence[Evidence]) -> Shown:
    share = one.score if one.confidence is None else one.confidence
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    said = [(_KINDS[piece.kind], _words(piece), piece.similarity) for piece in pieces[:_PIECES]]
    return Shown(key, one.class_id, one.path, one.confidence, one.score, width, said)


def _words(piece: Evidence) -> str:
    return "" if piece.kind is EvidenceKind.PICTURE else piece.text[:_TEXT_CHARS]
