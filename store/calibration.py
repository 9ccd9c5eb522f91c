"""Calibrations in the state of a catalogue: one for each space, made under one version of what was learnt."""

from typing import Final

from ..schemas.calibration import Calibration
from .state import Document, State

__all__ = ["CALIBRATION", "read_calibration", "write_calibration"]

CALIBRATION: Final = "calibration"
"""Kind of the state document with the calibration of a space, whose name it has."""


def read_calibration(state: State, space_name: str, learner: int) -> Calibration | None:
    """The calibration of a space; None where there is none, or where another learner makes the scores now."""
    document = state.get(CALIBRATION, space_name)
    if document is None:
        return None
    found = Calibration.from_dict(document.body)
    return found if found.learner == learner else None


def write_calibration(state: State, space_name: str, calibration: Calibration) -> None:
    """Keep a calibration in the place of the one before; returns when it is durable."""
    state.put(Document(CALIBRATION, space_name, calibration.to_dict(), calibration.revision))
