"""Labelled rows for a calibration: those that were not learnt from, with the candidates they got."""

from collections.abc import Collection, Iterable, Sequence

from ..learn.calibrate import Answered
from ..schemas.records import Assignment
from ..schemas.text import item_text
from ..store.calibration import read_calibration, write_calibration
from .labelled import Labelled

__all__ = ["answered", "read_calibration", "unseen", "write_calibration"]


def unseen(rows: Iterable[Labelled], exclude: Collection[str]) -> list[Labelled]:
    """The rows whose canonical text is not among those that were learnt from; rows without a text stay.

    A calibration on what was learnt from would promise more than holds for new items.
    """
    return [row for row in rows if not (text := item_text(row.item)) or text not in exclude]


def answered(rows: Sequence[Labelled], answers: Sequence[Assignment]) -> list[Answered]:
    """The candidates of each row beside its truth; both in the same order."""
    return [
        Answered(
            row.item.id,
            [candidate.class_id for candidate in answer.candidates],
            [candidate.score for candidate in answer.candidates],
            row.truth,
            answer.fit,
        )
        for row, answer in zip(rows, answers, strict=True)
    ]
