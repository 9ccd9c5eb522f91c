"""/discover: classes that the catalogue may lack, as cards, each accepted with a name."""

from typing import Annotated, Any, Final

from fastapi import Form, Request, Response

from .. import works
from ..access import Admin, Caller, Reader
from ..job import OPEN, Job
from .desk import AtDesk, Desk
from .overview import start_job
from .rendering import fragment, page, pages

__all__ = ["routes"]

routes = pages()

_KINDS: Final = frozenset({"discover", "accept"})


@routes.get("/discover")
async def show(request: Request, desk: AtDesk, caller: Reader) -> Response:
    """What was proposed last."""
    return page(request, caller, "discover.html", **await desk.service.pool.run(_proposals, desk, caller))


@routes.get("/discover/proposals")
async def proposals(desk: AtDesk, caller: Reader) -> Response:
    """The same, as a part."""
    return fragment("_proposals.html", **await desk.service.pool.run(_proposals, desk, caller))


@routes.post("/discover")
async def begin(request: Request, desk: AtDesk, caller: Admin, *, review: Annotated[bool, Form()] = False) -> Response:
    """Look for classes that may be missing."""
    service = desk.service

    def act() -> dict[str, Any]:
        start_job(desk, caller, "discover", works.discover(service, review=review), request.state.request_id)
        return _proposals(desk, caller)

    return fragment("_proposals.html", **await service.pool.run(act))


@routes.post("/discover/accept")
async def accept(
    request: Request,
    desk: AtDesk,
    caller: Admin,
    number: Annotated[int, Form(ge=1, le=100_000)],
    name: Annotated[str, Form(min_length=1, max_length=1000)],
    parent: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Make a class of a proposal, and answer the stored items anew."""
    service = desk.service

    work = works.accept(service, number, name.strip(), by=caller.label, parent=parent or None)

    def act() -> dict[str, Any]:
        start_job(desk, caller, "accept", work, request.state.request_id)
        return _proposals(desk, caller)

    return fragment("_proposals.html", **await service.pool.run(act))


def _proposals(desk: Desk, caller: Caller) -> dict[str, Any]:
    every = desk.service.jobs.every()
    mine = [one for one in every if one.kind in _KINDS]
    latest: Job | None = desk.service.jobs.get(mine[0].id) if mine else None
    return {
        "proposals": desk.service.catalog.proposals(),
        "job": latest,
        "running": latest is not None and latest.state in OPEN,
        "other": next((one for one in every if one.state in OPEN and one.kind not in _KINDS), None),
        "may_admin": caller.scope.value == "admin",
    }
