"""What every write brings along: who sends it, its key, the state that it starts from; and how it is answered."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from ...catalog import Catalog
from ...ingest.lifecycle import LivingClasses
from ..access import Admin, Caller, Ingester, Reader
from ..changing import make, tag
from ..job import Control
from ..service import Service
from .common import IdempotencyKey, IfMatch, Json, Served, written_once

__all__ = ["Change", "ItemWrite", "JobStart", "JobStartByReader", "Write"]

DryRun = Annotated[bool, Query(description="Say which stored items would move, and change nothing.")]


@dataclass(frozen=True, slots=True)
class Write:
    """A write."""

    service: Service
    request: Request
    caller: Caller
    key: str | None

    async def answered(self, act: Callable[[], Awaitable[Json]]) -> Response:
        """The answer that ``act`` gives; with a key that was used before, the same again."""
        return await written_once(self.service, self.request, self.caller, self.key, act)

    async def once(self, act: Callable[[], Any], *, status: int = 200, location: str = "") -> Response:
        """The same for what blocks and gives a row.

        Args:
            act: Does it.
            status: Of the answer.
            location: Where what was made can be asked for, with the members of the row in braces.
        """

        async def answer() -> Json:
            row = await self.service.pool.run(act)
            return Json(row, status_code=status, headers={"Location": location.format(**row)} if location else None)

        return await self.answered(answer)

    def note(self, action: str, **facts: Any) -> None:
        """Keep in the audit that this was done; durable when it returns."""
        self.service.audit.note(action, by=self.caller.label, request_id=self.request.state.request_id, **facts)

    async def start(self, kind: str, work: Callable[[Control], dict[str, Any]]) -> Response:
        """The answer to the start of a job."""

        def act() -> dict[str, Any]:
            job = self.service.jobs.start(kind, self.caller.label, work)
            self.note(f"jobs.{kind}", job=job.id)
            return job.to_dict()

        return await self.once(act, status=202, location="/v1/jobs/{id}")


@dataclass(frozen=True, slots=True)
class ClassChange(Write):
    """A change of the classes, made or only tried."""

    match: str | None
    dry_run: bool

    async def made(self, change: Callable[[Catalog], dict[str, Any]], *, status: int = 200) -> Response:
        """The answer to a change, which says what it did as a row."""

        async def act() -> Json:
            service = self.service
            row = await service.pool.run(make, service.catalog, change, _revisions(self.match), dry_run=self.dry_run)
            service.metrics.revision.set(service.catalog.classes.taxonomy.revision)
            headers = {"ETag": tag(row["revision"])}
            return Json(row, status_code=200 if self.dry_run else status, headers=headers)

        return await self.answered(act)

    async def one(self, message: str, change: Callable[[LivingClasses], str], *, status: int = 200) -> Response:
        """The answer to a change of one class, which gives its id; ``message`` is for the history."""

        def act(catalog: Catalog) -> dict[str, Any]:
            class_id = change(catalog.classes.signed(self.caller.label, message))
            return catalog.classes.taxonomy.row(class_id)

        return await self.made(act, status=status)


async def _by_admin(request: Request, service: Served, caller: Admin, key: IdempotencyKey = None) -> Write:
    return Write(service, request, caller, key)


async def _by_ingester(request: Request, service: Served, caller: Ingester, key: IdempotencyKey = None) -> Write:
    return Write(service, request, caller, key)


async def _by_reader(request: Request, service: Served, caller: Reader, key: IdempotencyKey = None) -> Write:
    return Write(service, request, caller, key)


async def _change(
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> ClassChange:
    return ClassChange(service, request, caller, key, match, dry_run)


JobStart = Annotated[Write, Depends(_by_admin)]
"""The start of a job that changes something."""

JobStartByReader = Annotated[Write, Depends(_by_reader)]
"""The start of a job that changes nothing."""

ItemWrite = Annotated[Write, Depends(_by_ingester)]
"""A write of items."""

Change = Annotated[ClassChange, Depends(_change)]
"""A change of the classes."""


def _revisions(match: str | None) -> frozenset[str] | None:
    """The ETags that a change may start from; None for any."""
    if match is None or match.strip() == "*":
        return None
    return frozenset(one.strip() for one in match.split(","))
