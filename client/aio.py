"""The client for programs that run an event loop: the calls of ``Client``, to be awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2

from ..schemas.records import Assignment, Item
from . import calls
from .answers import ItemError, JobStatus, ServiceError, StoredItem, Written
from .calls import BATCH, Call

__all__ = ["AsyncClient"]

_T = TypeVar("_T")


class AsyncClient:
    """Calls a service; use it in an ``async with`` statement.

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
        transport: httpx2.AsyncBaseTransport | None = None,
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
        self._http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def assign(
        self, items: Iterable[str | Item] | str, *, k: int = 5, explain: bool = False
    ) -> list[Assignment | ItemError]:
        """The nearest class of each text or item, in the order given; an error in the place of what cannot be used."""
        rest = iter([items] if isinstance(items, str) else items)
        found: list[Assignment | ItemError] = []
        while chunk := list(islice(rest, BATCH)):
            answers = await self._do(calls.assign(chunk, k, explain=explain))
            found += answers
        return found

    async def ingest(self, items: Sequence[Item], *, confirmed: Mapping[str, str] | None = None) -> Written:
        """Store at most 256 items; ``confirmed`` gives classes that a person says are right, by the ids of items."""
        return await self._do(calls.ingest(items, confirmed or {}))

    async def search(
        self,
        query: str | None = None,
        *,
        image: str | Path | None = None,
        k: int = 10,
        class_id: str | None = None,
        where: Sequence[str] = (),
    ) -> list[StoredItem]:
        """The stored items nearest to a description, a picture, or both."""
        return await self._do(calls.search(query, image, k, class_id, where))

    async def items(
        self, *, class_id: str | None = None, where: Sequence[str] = (), limit: int = 500
    ) -> AsyncIterator[StoredItem]:
        """Every stored item that matches, page by page."""
        cursor: str | None = None
        while True:
            page, cursor = await self._do(calls.items(class_id, where, cursor, limit))
            for one in page:
                yield one
            if cursor is None:
                return

    async def item(self, item_id: str) -> StoredItem:
        """One stored item."""
        return await self._do(calls.item(item_id))

    async def confirm(self, ids: Sequence[str], class_id: str) -> str:
        """Say that these items belong to a class (id, full path or unique name); its id."""
        return await self._do(calls.confirm(ids, class_id))

    async def unconfirm(self, ids: Sequence[str]) -> int:
        """Take confirmations back."""
        return await self._do(calls.unconfirm(ids))

    async def delete(self, ids: Sequence[str]) -> int:
        """Remove items; how many there were."""
        return await self._do(calls.delete(ids))

    async def classes(self, *, under: str | None = None, retired: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Every class, parents before children."""
        cursor: str | None = None
        while True:
            page, cursor = await self._do(calls.classes(under, cursor, retired=retired))
            for one in page:
                yield one
            if cursor is None:
                return

    async def class_(self, class_id: str) -> dict[str, Any]:
        """One class."""
        return await self._do(calls.class_(class_id))

    async def add_class(
        self, name: str, *, revision: int | None = None, dry_run: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Add a class: ``id``, ``parent``, ``descriptions`` and so on; with a revision, only if it is still that."""
        return await self._do(calls.add_class(name, revision, dry_run=dry_run, **more))

    async def edit_class(
        self, class_id: str, *, revision: int | None = None, dry_run: bool = False, **changes: Any
    ) -> dict[str, Any]:
        """Change fields of a class; those not named stay."""
        return await self._do(calls.edit_class(class_id, revision, dry_run=dry_run, **changes))

    async def change(
        self, what: str, *, revision: int | None = None, dry_run: bool = False, **body: Any
    ) -> dict[str, Any]:
        """``rename``, ``move``, ``merge``, ``split``, ``retire``, ``restore`` or ``rollback``, as under /v1/taxonomy.

        A member called ``class`` is given as ``class_``.
        """
        return await self._do(calls.change(what, revision, dry_run=dry_run, **body))

    async def start(self, kind: str, **body: Any) -> JobStatus:
        """Begin a job: ``learn``, ``calibrate``, ``evaluate``, ``discover``, ``accept``, ``reassign``, ``reembed``."""
        return await self._do(calls.start(kind, **body))

    async def job(self, job_id: str) -> JobStatus:
        """How a job stands."""
        return await self._do(calls.job(job_id))

    async def wait(self, job_id: str, *, every_s: float = 0.5, timeout_s: float = 3600.0) -> JobStatus:
        """The job when it has ended.

        Raises:
            TimeoutError: It has not ended in time; it goes on.
        """
        until = time.monotonic() + timeout_s
        while not (found := await self.job(job_id)).ended:
            if time.monotonic() > until:
                message = f"the job {job_id} is {found.state} after {timeout_s:g} s"
                raise TimeoutError(message)
            await asyncio.sleep(every_s)
        return found

    async def cancel(self, job_id: str) -> JobStatus:
        """Tell a job to end at its next step."""
        return await self._do(calls.cancel(job_id))

    async def reembedding(self) -> dict[str, Any]:
        """Where the move to another encoder stands; its steps are jobs: ``start("reembed", step="plan", ...)``."""
        return await self._do(calls.reembedding())

    async def _do(self, call: Call[_T]) -> _T:
        for attempt in range(self._attempts):
            try:
                answer = await self._http.request(
                    call.method, call.path, json=call.body, params=call.params, headers=call.headers
                )
            except httpx2.TransportError as error:
                raise ServiceError(0, {"detail": f"the service does not answer: {error}"}) from error
            wait_s = calls.retry_in(answer.status_code, answer.headers, attempt)
            if wait_s is None or attempt == self._attempts - 1:
                break
            await asyncio.sleep(wait_s)
        if not answer.is_success:
            kind = answer.headers.get("content-type", "")
            raise calls.wrong(answer.status_code, kind, answer.json() if "json" in kind else None)
        return call.parse(answer.json())
