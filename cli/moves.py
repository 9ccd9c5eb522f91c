"""Where items move, as a table that learning and changes of the classes print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .common import Rows, note

__all__ = ["write_moves"]

_MOVES: Final = ("count", "before", "after", "example", "matched")
_EXAMPLE_CHARS: Final = 60
_EVIDENCE_CHARS: Final = 40
_SHOWN_MOVES: Final = 20


def write_moves(rows: Rows, moves: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print the most frequent moves, and say how many more there are."""
    if not moves:
        return
    shown = [
        {
            "count": move["count"],
            "before": " > ".join(move["before"][-2:]),
            "after": " > ".join(move["after"][-2:]),
            "example": next(iter(move["examples"]), "")[:_EXAMPLE_CHARS],
            "matched": _matched(next(iter(move["evidence"]), None)),
        }
        for move in moves
    ]
    rows.write(shown[:_SHOWN_MOVES], _MOVES, title=title)
    if len(moves) > _SHOWN_MOVES:
        note(f"and {len(moves) - _SHOWN_MOVES} more moves; -o json has all")


def _matched(piece: Mapping[str, Any] | None) -> str:
    """What speaks for where the example goes, in a few words."""
    if piece is None:
        return ""
    return f"{piece['kind']}: {piece['text'][:_EVIDENCE_CHARS]} ({piece['similarity']:.2f})"
