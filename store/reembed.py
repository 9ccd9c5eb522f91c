"""How far a catalogue is with embedding everything by another encoder: one document, which outlives every process.

Which space serves is not said here but in the document of the catalogue, where the switch is one write.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .state import Document, State

__all__ = [
    "DROPPING",
    "FILLED",
    "FILLING",
    "Job",
    "drop_job",
    "read_job",
    "read_left_out",
    "write_job",
    "write_left_out",
]

FILLING: Final = "filling"
"""The new space is being filled; answers come from the old one."""
FILLED: Final = "filled"
"""The new space was filled, learnt and answered in; it may serve."""
DROPPING: Final = "dropping"
"""A space is being removed."""

_JOB: Final = "reembed"
_LEFT_OUT: Final = "left_out"
_KEYS_A_DOCUMENT: Final = 400
"""A key has 64 characters, and a document some tens of thousands of bytes."""


@dataclass(frozen=True, slots=True)
class Job:
    """A move from one space of texts to another, or from one of pictures to another.

    Attributes:
        old: Name of the space that served at first.
        new: Name of the space that is to serve.
        encoder: What gives the encoder of ``new``.
        step: ``filling``, ``filled`` or ``dropping``.
        dropped: Name of the space that is being removed; empty otherwise.
        answered_by: What the items of the new space were last answered by: learnt version and calibration.
        answered_since: Their answers are from this time on, in milliseconds since 1970.
        report: What was found when it was filled.
        kind: Of both spaces, ``text`` or ``image``.
        leave_out: Whether pictures that cannot be read again are left out.
        untold: Whether rows in the other kind's space may lack the answers of the space that serves by now.
    """

    old: str
    new: str
    encoder: str
    step: str = FILLING
    dropped: str = ""
    answered_by: str = ""
    answered_since: int = 0
    report: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "text"
    leave_out: bool = False
    untold: bool = False


def read_job(state: State) -> Job | None:
    """The move that is under way, or None."""
    document = state.get(_JOB, _JOB)
    return Job(**document.body) if document else None


def write_job(state: State, job: Job) -> None:
    """Keep how far it is; returns when it is durable."""
    state.put(Document(_JOB, _JOB, asdict(job)))


def drop_job(state: State) -> None:
    """Forget the move."""
    state.delete(_JOB, [_JOB])


def read_left_out(state: State, space: str) -> set[str]:
    """Keys of the items whose picture could not be read for this space."""
    mine = (one for one in state.every(_LEFT_OUT) if one.name.startswith(f"{space}/"))
    return {key for document in mine for key in document.body["keys"]}


def write_left_out(state: State, space: str, keys: Collection[str]) -> None:
    """Keep the keys of the items whose picture cannot be read for this space, in the place of those before."""
    ordered = sorted(keys)
    parts = [ordered[start : start + _KEYS_A_DOCUMENT] for start in range(0, len(ordered), _KEYS_A_DOCUMENT)]
    names = [f"{space}/{number}" for number in range(len(parts))]
    old = [one.name for one in state.every(_LEFT_OUT) if one.name.startswith(f"{space}/")]
    state.put(*(Document(_LEFT_OUT, name, {"keys": keys}) for name, keys in zip(names, parts, strict=True)))
    gone = sorted(set(old) - set(names))
    if gone:
        state.delete(_LEFT_OUT, gone)
