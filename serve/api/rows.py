"""What answers hold: the rows that the command prints."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AnswersRow",
    "AssignmentRow",
    "ChangeRow",
    "ClassPage",
    "ClassRow",
    "EntryRow",
    "ErrorRow",
    "FoundPage",
    "FoundRow",
    "JobRow",
    "KeyRow",
    "MoveRow",
    "ProblemRow",
    "WrittenRow",
]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProblemRow(BaseModel):
    """What went wrong: problem details of RFC 9457."""

    type: str = Field(description="urn:nearclass:problem:..., which never changes.")
    title: str
    status: int
    detail: str
    hint: str | None = Field(None, description="What to do next.")
    request_id: str


class ErrorRow(_Row):
    """An item of the request that could not be used."""

    index: int
    id: str
    code: str
    message: str


class CandidateRow(_Row):
    """A class that may fit."""

    class_id: str
    path: list[str]
    score: float
    confidence: float | None


class EvidenceRow(_Row):
    """What matched."""

    class_id: str
    kind: str
    text: str
    similarity: float
    space: str


class AssignmentRow(_Row):
    """The answer for one item."""

    id: str
    decision: Literal["assigned", "ancestor", "review", "novel"]
    class_id: str | None
    path: list[str]
    score: float
    confidence: float | None
    margin: float | None
    candidates: list[CandidateRow]
    evidence: list[EvidenceRow]
    truncated: bool
    space: str
    revision: int
    rule: Annotated[str | None, Field(description="Only with explain.")] = None
    fit: Annotated[float | None, Field(description="Only with explain.")] = None


class AnswersRow(_Row):
    """Answers in the order of the request, without the items that are among the errors."""

    assignments: list[AssignmentRow]
    errors: list[ErrorRow]


class WrittenRow(_Row):
    """What became of the items, all of it durable: ok + unchanged + the number of errors is read."""

    read: int
    ok: int
    unchanged: int
    embedded: int
    truncated: int
    errors: list[ErrorRow]


class FoundRow(_Row):
    """A stored item with its latest answer."""

    id: str
    title: str
    description: str
    decision: str
    class_id: str | None
    path: list[str]
    score: float | None
    confidence: float | None
    confirmed_class: str | None
    revision: int
    attributes: dict[str, Any]
    image: str
    margin: float | None
    updated_at: int
    similarity: float | None


class FoundPage(_Row):
    """Stored items, and the cursor of the next page if there is one."""

    items: list[FoundRow]
    next: str | None


class ClassRow(BaseModel):
    """A class."""

    id: str
    name: str
    path: list[str]
    state: Literal["active", "retired"]
    assignable: bool


class ClassPage(_Row):
    """Classes, parents before children, and the cursor of the next page if there is one."""

    classes: list[ClassRow]
    next: str | None
    revision: int


class ChangeRow(BaseModel):
    """What a change did; with dry_run, what it would do."""

    change: dict[str, Any]
    revision: int
    dry_run: bool
    preview: dict[str, Any] | None = None


class EntryRow(_Row):
    """A change of the classes."""

    revision: int
    at: str
    by: str
    command: str
    classes: list[str]
    count: int
    message: str


class JobRow(_Row):
    """A job."""

    id: str
    kind: str
    state: Literal["running", "cancelling", "done", "failed", "cancelled", "interrupted"]
    by: str
    started_at: str
    ended_at: str | None
    doing: str
    done: int
    steps: int | None
    result: Any = None
    error: str | None


class MoveRow(_Row):
    """Where the move to another encoder stands."""

    step: Literal["none", "filling", "filled", "swapped", "dropping"]
    serving: str
    other: str
    encoder: str
    items: int
    other_items: int
    next: str


class KeyRow(_Row):
    """A key, without its secret; when it is made, with it."""

    id: str
    name: str
    scope: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    key: str | None = None
