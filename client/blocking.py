"""The client for programs that wait."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2

from ..schemas.records import Assignment, Item
from . import calls
from .answers import ItemError, JobStatus, ServiceError, StoredItem, Written
from .calls import BATCH, Call

__all__ = ["Client"]

_T = TypeVar("_T")


class Client:
    """Calls a service; use it in a ``with`` statement. It may be used from several threads.

    A call that the service has no room for is made again after the time that it asks for; a write too, since it
    carries a key under which the service does it once.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 60.0,
        attempts: int = 4,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Call the service at an address such as ``http://127.0.0.1:8000``.

        Args:
            url: Its address.
            key: API key; None where none is needed.
            timeout_s: Longest wait for one answer.
            attempts: How often a call is made before it fails.
            transport: Of the connections; by default that of the library.
        """
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._attempts = attempts

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def assign(
        self, items: Iterable[str | Item] | str, *, k: int = 5, explain: bool = False
    ) -> list[Assignment | ItemError]:
        """The nearest class of each text or item, in the order given; an error in the place of what cannot be used."""
        rest = iter([items] if isinstance(items, str) else items)
        found: list[Assignment | ItemError] = []
        while chunk := list(islice(rest, BATCH)):
            answers = self._do(calls.assign(chunk, k, explain=explain))
            found += answers
        return found

    def ingest(self, items: Sequence[Item], *, confirmed: Mapping[str, str] | None = None) -> Written:
        """Store at most 256 items; ``confirmed`` gives classes that a person says are right, by the ids of items."""
        return self._do(calls.ingest(items, confirmed or {}))

    def search(
        self,
        query: str | None = None,
        *,
        image: str | Path | None = None,
        k: int = 10,
        class_id: str | None = None,
        where: Sequence[str] = (),
    ) -> list[StoredItem]:
        """The stored items nearest to a description, a picture, or both."""
        return self._do(calls.search(query, image, k, class_id, where))

    def items(
        self, *, class_id: str | None = None, where: Sequence[str] = (), limit: int = 500
    ) -> Iterator[StoredItem]:
        """Every stored item that matches, page by page."""
        cursor: str | None = None
        while True:
            page, cursor = self._do(calls.items(class_id, where, cursor, limit))
            yield from page
            if cursor is None:
                return

    def item(self, item_id: str) -> StoredItem:
        """One stored item."""
        return self._do(calls.item(item_id))

    def confirm(self, ids: Sequence[str], class_id: str) -> str:
        """Say that these items belong to a class (id, full path or unique name); its id."""
        return self._do(calls.confirm(ids, class_id))

    def unconfirm(self, ids: Sequence[str]) -> int:
        """Take confirmations back."""
        return self._do(calls.unconfirm(ids))

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items; how many there were."""
        return self._do(calls.delete(ids))

    def classes(self, *, under: str | None = None, retired: bool = False) -> Iterator[dict[str, Any]]:
        """Every class, parents before children."""
        cursor: str | None = None
        while True:
            page, cursor = self._do(calls.classes(under, cursor, retired=retired))
            yield from page
            if cursor is None:
                return

    def class_(self, class_id: str) -> dict[str, Any]:
        """One class."""
        return self._do(calls.class_(class_id))

    def add_class(
        self, name: str, *, revision: int | None = None, dry_run: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Add a class: ``id``, ``parent``, ``descriptions`` and so on; with a revision, only if it is still that."""
        return self._do(calls.add_class(name, revision, dry_run=dry_run, **more))

    def edit_class(
        self, class_id: str, *, revision: int | None = None, dry_run: bool = False, **changes: Any
    ) -> dict[str, Any]:
        """Change fields of a class; those not named stay."""
        return self._do(calls.edit_class(class_id, revision, dry_run=dry_run, **changes))

    def change(self, what: str, *, revision: int | None = None, dry_run: bool = False, **body: Any) -> dict[str, Any]:
        """``rename``, ``move``, ``merge``, ``split``, ``retire``, ``restore`` or ``rollback``, as under /v1/taxonomy.

        A member called ``class`` is given as ``class_``.
        """
        return self._do(calls.change(what, revision, dry_run=dry_run, **body))

    def start(self, kind: str, **body: Any) -> JobStatus:
        """Begin a job: ``learn``, ``calibrate``, ``evaluate``, ``discover``, ``accept``, ``reassign``, ``reembed``."""
        return self._do(calls.start(kind, **body))

    def job(self, job_id: str) -> JobStatus:
        """How a job stands."""
        return self._do(calls.job(job_id))

    def wait(self, job_id: str, *, every_s: float = 0.5, timeout_s: float = 3600.0) -> JobStatus:
        """The job when it has ended.

        Raises:
            TimeoutError: It has not ended in time; it goes on.
        """
        until = time.monotonic() + timeout_s
        while not (found := self.job(job_id)).ended:
            if time.monotonic() > until:
                message = f"the job {job_id} is {found.state} after {timeout_s:g} s"
                raise TimeoutError(message)
            time.sleep(every_s)
        return found

    def cancel(self, job_id: str) -> JobStatus:
        """Tell a job to end at its next step."""
        return self._do(calls.cancel(job_id))

    def reembedding(self) -> dict[str, Any]:
        """Where the move to another encoder stands; its steps are jobs: ``start("reembed", step="plan", ...)``."""
        return self._do(calls.reembedding())

    def _do(self, call: Call[_T]) -> _T:
        for attempt in range(self._attempts):
            try:
                answer = self._http.request(
                    call.method, call.path, json=call.body, params=call.params, headers=call.headers
                )
            except httpx2.TransportError as error:
                raise ServiceError(0, {"detail": f"the service does not answer: {error}"}) from error
            wait_s = calls.retry_in(answer.status_code, answer.headers, attempt)
            if wait_s is None or attempt == self._attempts - 1:
                break
            time.sleep(wait_s)
        if not answer.is_success:
            kind = answer.headers.get("content-type", "")
            raise calls.wrong(answer.status_code, kind, answer.json() if "json" in kind else None)
        return call.parse(answer.json())
