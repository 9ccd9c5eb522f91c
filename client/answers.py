"""What the service answers, as typed values."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from ..errors import NearclassError
from ..schemas.records import Assignment, Candidate, Decision, Evidence, EvidenceKind
from ..schemas.written import ItemError, Written

__all__ = ["ItemError", "JobStatus", "ServiceError", "StoredItem", "Written", "answers_of", "made", "written_of"]

_T = TypeVar("_T")
_ENDED: Final = frozenset({"done", "failed", "cancelled", "interrupted"})


class ServiceError(NearclassError):
    """The service refused a call or failed.

    Attributes:
        status: Of the response; 0 where there was none.
        type: What kind of problem, such as ``urn:nearclass:problem:class-not-found``.
        request_id: Under which the service's log has it.
        more: Every member of the problem.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        detail = str(problem.get("detail") or f"the service answered with {status}")
        super().__init__(detail, hint=str(problem.get("hint") or ""))
        self.status = status
        self.type = str(problem.get("type", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.more = dict(problem)


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A stored item with its latest answer; the fields are those of ``nearclass items list``."""

    id: str
    title: str
    description: str
    decision: str
    class_id: str | None
    path: tuple[str, ...]
    score: float | None
    confidence: float | None
    confirmed_class: str | None
    revision: int
    attributes: Mapping[str, Any]
    image: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job, and when it is done its result."""

    id: str
    kind: str
    state: str
    by: str
    started_at: str
    ended_at: str | None
    done: int
    steps: int | None
    result: Any
    error: str | None
    doing: str = ""

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.state in _ENDED


def made(kind: type[_T], row: Mapping[str, Any]) -> _T:
    """A value of this kind from a row; members that a newer service adds are passed over."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    given = {name: tuple(value) if name == "path" else value for name, value in row.items() if name in names}
    return kind(**given)


def answers_of(body: Mapping[str, Any]) -> list[Assignment | ItemError]:
    """Answers and errors, in the order of what was asked."""
    errors = {row["index"]: made(ItemError, row) for row in body["errors"]}
    rows = iter(body["assignments"])
    count = len(body["assignments"]) + len(errors)
    return [errors[place] if place in errors else _assignment(next(rows)) for place in range(count)]


def written_of(body: Mapping[str, Any]) -> Written:
    """What became of items."""
    return made(Written, {**body, "errors": tuple(made(ItemError, row) for row in body["errors"])})


def _assignment(row: Mapping[str, Any]) -> Assignment:
    return made(
        Assignment,
        {
            "rule": "",
            "fit": float("nan"),
            **row,
            "decision": Decision(row["decision"]),
            "candidates": tuple(made(Candidate, one) for one in row["candidates"]),
            "evidence": tuple(made(Evidence, {**one, "kind": EvidenceKind(one["kind"])}) for one in row["evidence"]),
        },
    )
