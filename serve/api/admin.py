"""/v1/keys and /v1/audit: who may call, and what was done."""

from typing import Annotated, Any

from fastapi import Query, Request

from ..access import Admin, Reader
from ..keys import Scope
from ..options import MAX_PAGE
from ..problems import Problem
from .bodies import KeyBody
from .common import Json, Served, cursor, position, problems, router
from .rows import KeyRow

__all__ = ["routes"]

routes = router("administration")


@routes.get("/keys", response_model=list[KeyRow])
async def list_keys(service: Served, _: Admin) -> Json:
    """All keys, without their secrets."""
    found = await service.pool.run(service.keys.every)
    return Json([{**key.to_dict(), "key": None} for key in found])


@routes.post("/keys", response_model=KeyRow, status_code=201)
async def add_key(body: KeyBody, request: Request, service: Served, caller: Admin) -> Json:
    """Make a key; its text is in this answer and nowhere else."""

    def make() -> dict[str, Any]:
        key, text = service.keys.add(body.name, Scope(body.scope), days=body.days)
        service.audit.note("keys.add", by=caller.label, request_id=request.state.request_id, key=key.id)
        return {**key.to_dict(), "key": text}

    return Json(await service.pool.run(make), status_code=201)


@routes.delete("/keys/{key_id}", response_model=KeyRow, responses=problems(404))
async def revoke_key(key_id: str, request: Request, service: Served, caller: Admin) -> Json:
    """Refuse a key from now on."""

    def revoke() -> dict[str, Any]:
        if key_id not in {key.id for key in service.keys.every()}:
            raise Problem("not-found", f"no key {key_id!r}", hint="GET /v1/keys lists them.")
        key = service.keys.revoke(key_id)
        service.audit.note("keys.revoke", by=caller.label, request_id=request.state.request_id, key=key.id)
        return {**key.to_dict(), "key": None}

    return Json(await service.pool.run(revoke))


@routes.get("/audit")
async def audit(
    service: Served,
    _: Admin,
    after: Annotated[str | None, Query(alias="cursor", max_length=2000)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Json:
    """What was done through the service, newest first."""
    begin = position(after, str)
    found = await service.pool.run(service.audit.latest, limit, before=begin[0] if begin else None)
    rest = cursor([found[-1][0]]) if len(found) == limit else None
    return Json({"entries": [body for _, body in found], "next": rest})


@routes.get("/whoami")
async def whoami(caller: Reader) -> Json:
    """The key that this request was sent with."""
    return Json({"id": caller.id, "name": caller.name, "scope": caller.scope.value})
