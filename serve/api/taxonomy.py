"""/v1/taxonomy: changes of the classes by name, and their history."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from ...catalog import Catalog
from ...errors import UsageError
from ...schemas.taxonomy import spec_to_dict
from ...store.history import Entry
from ..access import Admin, Reader
from ..changing import class_row, tag
from ..options import MAX_PAGE
from .class_bodies import MergeBody, MoveBody, NameBody, RenameBody, RollbackBody, SplitBody
from .classes import DryRun, changed
from .common import IdempotencyKey, IfMatch, Json, Served, as_json, problems, router
from .rows import ChangeRow, EntryRow

__all__ = ["routes"]

routes = router("taxonomy")

_PROBLEMS = problems(404, 409, 412)


@routes.post("/taxonomy/rename", response_model=ChangeRow, responses=_PROBLEMS)
async def rename(
    body: RenameBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Give a class another name; its id stays."""

    def change(catalog: Catalog) -> dict[str, Any]:
        return _row(catalog, catalog.classes.signed(caller.label, body.message).rename(body.class_, body.name).id)

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/move", response_model=ChangeRow, responses=_PROBLEMS)
async def move(
    body: MoveBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Put a class, with all that is below it, below another one, or at the top."""

    def change(catalog: Catalog) -> dict[str, Any]:
        return _row(catalog, catalog.classes.signed(caller.label, body.message).move(body.class_, body.under).id)

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/merge", response_model=ChangeRow, responses=_PROBLEMS)
async def merge(
    body: MergeBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Merge classes into another one, to which they lead from then on."""

    def change(catalog: Catalog) -> dict[str, Any]:
        into = catalog.classes.taxonomy.find(body.into).id
        classes = catalog.classes.signed(caller.label, body.message)
        taxonomy = classes.merge(body.classes, into, evidence=body.evidence).taxonomy
        return {**_row(catalog, into), "merged": taxonomy.merged([into])}

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/split", response_model=ChangeRow, responses=_PROBLEMS)
async def split(
    body: SplitBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Split a class into new ones; its stored items go to the nearest of them, unless a person confirmed them."""
    if any("image" in name.lower() for part in body.into if isinstance(part, Mapping) for name in part):
        message = "pictures of classes cannot be given here"
        raise UsageError(message, hint="Import them with `nearclass classes import`.")

    def change(catalog: Catalog) -> dict[str, Any]:
        with service.item_lock:
            done, shared = catalog.split(
                body.class_, body.into, retire=body.retire, by=caller.label, message=body.message
            )
        return {"added": list(done.added), "items": shared.moved, "conflicts": list(shared.conflicts)}

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/retire", response_model=ChangeRow, responses=_PROBLEMS)
async def retire(
    body: NameBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Stop answering a class and what is below it; nothing stored is lost."""

    def change(catalog: Catalog) -> dict[str, Any]:
        return _row(catalog, catalog.classes.signed(caller.label, body.message).retire(body.class_).id)

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/restore", response_model=ChangeRow, responses=_PROBLEMS)
async def restore(
    body: NameBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Answer a retired class again."""

    def change(catalog: Catalog) -> dict[str, Any]:
        return _row(catalog, catalog.classes.signed(caller.label, body.message).restore(body.class_).id)

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.post("/taxonomy/rollback", response_model=ChangeRow, responses=_PROBLEMS)
async def rollback(
    body: RollbackBody,
    request: Request,
    service: Served,
    caller: Admin,
    key: IdempotencyKey = None,
    match: IfMatch = None,
    *,
    dry_run: DryRun = False,
) -> Response:
    """Bring the classes of an earlier revision back, as a new one."""

    def change(catalog: Catalog) -> dict[str, Any]:
        done = catalog.classes.signed(caller.label, body.message).rollback(body.revision)
        return {"changed": [*done.added, *done.changed]}

    return await changed(service, request, caller, key, match, change, dry_run=dry_run)


@routes.get("/taxonomy/log", response_model=list[EntryRow])
async def log(service: Served, _: Reader, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20) -> Json:
    """The changes of the classes, newest first."""
    entries = await service.pool.run(service.catalog.classes.log)
    return Json([_entry(one) for one in entries[:limit]])


@routes.get("/taxonomy/diff", responses=problems(409))
async def diff(
    service: Served,
    _: Reader,
    before: Annotated[int, Query(alias="from", ge=0, lt=2**31, description="Revision to start from.")],
    after: Annotated[int | None, Query(alias="to", ge=0, lt=2**31, description="By default now.")] = None,
) -> Json:
    """How the classes of two revisions differ."""
    found = await service.pool.run(service.catalog.classes.diff, before, after)
    return Json({"differences": [one.to_dict() for one in found]})


@routes.get("/taxonomy/lint", responses=problems(409))
async def lint(service: Served, _: Reader) -> Json:
    """What may be wrong with the classes."""
    found = await service.pool.run(service.catalog.lint)
    return Json({"findings": [asdict(one) for one in found]})


@routes.get(
    "/export/classes",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One class a line."}},
)
async def export(service: Served, _: Reader) -> Response:
    """Every class, one a line, in the form that `nearclass classes import` reads."""
    taxonomy = service.catalog.classes.taxonomy
    lines = (as_json(spec_to_dict(spec)) + b"\n" for spec in taxonomy)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"ETag": tag(taxonomy.revision)})


def _row(catalog: Catalog, class_id: str) -> dict[str, Any]:
    taxonomy = catalog.classes.taxonomy
    return class_row(taxonomy[class_id], taxonomy, frozenset(taxonomy.assignable()))


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "revision": entry.revision,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.at)),
        "by": entry.by,
        "command": entry.command,
        "classes": list(entry.classes),
        "count": entry.count,
        "message": entry.message,
    }
