"""Every call that the clients make, as data: what is sent, and what is made of the answer."""

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from ..errors import UsageError
from ..schemas.records import Assignment, Item
from .answers import ItemError, JobStatus, ServiceError, StoredItem, Written, answers_of, made, written_of

__all__ = ["BATCH", "MOST_WAIT_S", "Call", "retry_in", "wrong"]

_T = TypeVar("_T")

BATCH: Final = 256
"""Most items of a request."""

MOST_WAIT_S: Final = 30.0
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Call(Generic[_T]):
    """One request.

    Attributes:
        method: Of HTTP.
        path: Below the address of the service.
        parse: Makes a value of the answer's body.
        body: What is sent as JSON, or None.
        params: Of the address.
        headers: Besides those of every request.
    """

    method: str
    path: str
    parse: Callable[[Any], _T]
    body: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def retry_in(status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """Seconds after which a request that was answered so is worth another attempt; None if it is not."""
    if status != _UNAVAILABLE:
        return None
    try:
        asked = float(headers.get("retry-after", "1"))
    except ValueError:
        asked = 1.0
    return float(min(asked * 2**attempt, MOST_WAIT_S))


def wrong(status: int, content_type: str, body: Any) -> ServiceError:
    """The error that an answer stands for."""
    return ServiceError(status, body if "json" in content_type and isinstance(body, dict) else {})


def assign(items: Sequence[str | Item], k: int, *, explain: bool) -> Call[list[Assignment | ItemError]]:
    """Ask for the nearest classes of at most ``BATCH`` items."""
    rows = [_row(one if isinstance(one, Item) else Item(str(n), text=one)) for n, one in enumerate(items, 1)]
    return Call("POST", "/v1/assign", answers_of, {"items": rows, "k": k, "explain": explain})


def ingest(items: Sequence[Item], confirmed: Mapping[str, str]) -> Call[Written]:
    """Store at most ``BATCH`` items."""
    rows = [_row(item) | _given(confirmed_class=confirmed.get(item.id)) for item in items]
    return _write("POST", "/v1/items", written_of, {"items": rows})


def search(
    query: str | None, image: str | Path | None, k: int, class_id: str | None, where: Sequence[str]
) -> Call[list[StoredItem]]:
    """Ask for the stored items nearest to a description or a picture."""
    body = {"k": k, "where": list(where), **_given(query=query, image=_picture(image)), **_given(**{"class": class_id})}
    return Call("POST", "/v1/search", lambda found: [made(StoredItem, row) for row in found["items"]], body)


def items(
    class_id: str | None, where: Sequence[str], cursor: str | None, limit: int
) -> Call[tuple[list[StoredItem], str | None]]:
    """Ask for a page of stored items."""
    params = {"where": list(where), "limit": limit, **_given(**{"class": class_id}, cursor=cursor)}
    return Call(
        "GET",
        "/v1/items",
        lambda page: ([made(StoredItem, row) for row in page["items"]], page["next"]),
        params=params,
    )


def item(item_id: str) -> Call[StoredItem]:
    """Ask for one stored item."""
    return Call("GET", f"/v1/items/{_segment(item_id)}", lambda row: made(StoredItem, row))


def confirm(ids: Sequence[str], class_id: str) -> Call[str]:
    """Say that these items belong to a class; its id."""
    return _write(
        "POST", "/v1/items/confirm", lambda body: str(body["class_id"]), {"ids": list(ids), "class": class_id}
    )


def unconfirm(ids: Sequence[str]) -> Call[int]:
    """Take confirmations back."""
    return _write("POST", "/v1/items/unconfirm", lambda body: int(body["unconfirmed"]), {"ids": list(ids)})


def delete(ids: Sequence[str]) -> Call[int]:
    """Remove items; how many there were."""
    return _write("POST", "/v1/items/delete", lambda body: int(body["deleted"]), {"ids": list(ids)})


def classes(under: str | None, cursor: str | None, *, retired: bool) -> Call[tuple[list[dict[str, Any]], str | None]]:
    """Ask for a page of classes."""
    params = {"limit": 1000, "retired": retired, **_given(under=under, cursor=cursor)}
    return Call("GET", "/v1/classes", lambda page: (page["classes"], page["next"]), params=params)


def class_(class_id: str) -> Call[dict[str, Any]]:
    """Ask for one class."""
    return Call("GET", f"/v1/classes/{_segment(class_id)}", dict)


def add_class(name: str, revision: int | None, *, dry_run: bool, **more: Any) -> Call[dict[str, Any]]:
    """Add a class."""
    return _change("POST", "/v1/classes", {"name": name, **more}, revision, dry_run=dry_run)


def edit_class(class_id: str, revision: int | None, *, dry_run: bool, **changes: Any) -> Call[dict[str, Any]]:
    """Change a class."""
    return _change("PATCH", f"/v1/classes/{_segment(class_id)}", changes, revision, dry_run=dry_run)


def change(what: str, revision: int | None, *, dry_run: bool, **body: Any) -> Call[dict[str, Any]]:
    """Rename, move, merge, split, retire or restore classes, or roll them back."""
    return _change("POST", f"/v1/taxonomy/{quote(what, safe='')}", body, revision, dry_run=dry_run)


def start(kind: str, **body: Any) -> Call[JobStatus]:
    """Begin a job."""
    return _write("POST", f"/v1/jobs/{quote(kind, safe='')}", lambda row: made(JobStatus, row), body or None)


def job(job_id: str) -> Call[JobStatus]:
    """Ask how a job stands."""
    return Call("GET", f"/v1/jobs/{quote(job_id, safe='')}", lambda row: made(JobStatus, row))


def cancel(job_id: str) -> Call[JobStatus]:
    """Tell a job to end."""
    return Call("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel", lambda row: made(JobStatus, row))


def reembedding() -> Call[dict[str, Any]]:
    """Ask where the move to another encoder stands."""
    return Call("GET", "/v1/reembed", dict)


def _write(method: str, path: str, parse: Callable[[Any], _T], body: Mapping[str, Any] | None, **more: Any) -> Call[_T]:
    """A write that may be sent again: the service does it once."""
    headers = {"Idempotency-Key": uuid.uuid4().hex, **more.pop("headers", {})}
    return Call(method, path, parse, body, headers=headers, **more)


def _change(
    method: str, path: str, body: Mapping[str, Any], revision: int | None, *, dry_run: bool
) -> Call[dict[str, Any]]:
    headers = {} if revision is None else {"If-Match": f'"r{revision}"'}
    given = {name.rstrip("_"): value for name, value in body.items()}
    return _write(method, path, dict, given, headers=headers, params={"dry_run": dry_run})


def _row(one: Item) -> dict[str, Any]:
    row = _given(title=one.title, description=one.description, text=one.text, image=_picture(one.image, one.folder))
    return {"id": one.id, **row, **({"attributes": dict(one.attributes)} if one.attributes else {})}


def _picture(image: str | Path | None, folder: str | None = None) -> str | None:
    """An address as it is, a file of this machine as its content."""
    if image is None or str(image).lower().startswith(("http://", "https://", "data:")):
        return None if image is None else str(image)
    path = Path(folder or ".") / image
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"the picture {str(path)!r} cannot be read: {error.strerror or error}"
        raise UsageError(message, hint="Give a file or an address.") from error
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode('ascii')}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _segment(text: str) -> str:
    return quote(text, safe="/")
