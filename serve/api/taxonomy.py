"""/v1/taxonomy: changes of the classes by name, and their history."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from ...catalog import Catalog
from ...errors import UsageError
from ...schemas.taxonomy import spec_to_dict
from ...store.history import Entry
from ..access import Reader
from ..changing import tag
from ..options import MAX_PAGE
from ..times import iso_time
from .asked import Change
from .class_bodies import MergeBody, MoveBody, NameBody, RenameBody, RollbackBody, SplitBody
from .common import Json, Served, as_json, problems, router
from .rows import ChangeRow, EntryRow

__all__ = ["routes"]

routes = router("taxonomy")

_CHANGE: Mapping[str, Any] = {"response_model": ChangeRow, "responses": problems(404, 409, 412)}


@routes.post("/taxonomy/rename", **_CHANGE)
async def rename(body: RenameBody, change: Change) -> Response:
    """Give a class another name; its id stays."""
    return await change.one(body.message, lambda classes: classes.rename(body.class_, body.name).id)


@routes.post("/taxonomy/move", **_CHANGE)
async def move(body: MoveBody, change: Change) -> Response:
    """Put a class, with all that is below it, below another one, or at the top."""
    return await change.one(body.message, lambda classes: classes.move(body.class_, body.under).id)


@routes.post("/taxonomy/merge", **_CHANGE)
async def merge(body: MergeBody, change: Change) -> Response:
    """Merge classes into another one, to which they lead from then on."""

    def act(catalog: Catalog) -> dict[str, Any]:
        into = catalog.classes.taxonomy.find(body.into).id
        classes = catalog.classes.signed(change.caller.label, body.message)
        taxonomy = classes.merge(body.classes, into, evidence=body.evidence).taxonomy
        return {**taxonomy.row(into), "merged": taxonomy.merged([into])}

    return await change.made(act)


@routes.post("/taxonomy/split", **_CHANGE)
async def split(body: SplitBody, change: Change) -> Response:
    """Split a class into new ones; its stored items go to the nearest of them, unless a person confirmed them."""
    if any("image" in name.lower() for part in body.into if isinstance(part, Mapping) for name in part):
        message = "pictures of classes cannot be given here"
        raise UsageError(message, hint="Import them with `nearclass classes import`.")

    def act(catalog: Catalog) -> dict[str, Any]:
        with change.service.item_lock:
            done, shared = catalog.split(
                body.class_, body.into, retire=body.retire, by=change.caller.label, message=body.message
            )
        return {"added": list(done.added), "items": shared.moved, "conflicts": list(shared.conflicts)}

    return await change.made(act)


@routes.post("/taxonomy/retire", **_CHANGE)
async def retire(body: NameBody, change: Change) -> Response:
    """Stop answering a class and what is below it; nothing stored is lost."""
    return await change.one(body.message, lambda classes: classes.retire(body.class_).id)


@routes.post("/taxonomy/restore", **_CHANGE)
async def restore(body: NameBody, change: Change) -> Response:
    """Answer a retired class again."""
    return await change.one(body.message, lambda classes: classes.restore(body.class_).id)


@routes.post("/taxonomy/rollback", **_CHANGE)
async def rollback(body: RollbackBody, change: Change) -> Response:
    """Bring the classes of an earlier revision back, as a new one."""

    def act(catalog: Catalog) -> dict[str, Any]:
        done = catalog.classes.signed(change.caller.label, body.message).rollback(body.revision)
        return {"changed": [*done.added, *done.changed]}

    return await change.made(act)


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


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "revision": entry.revision,
        "at": iso_time(entry.at),
        "by": entry.by,
        "command": entry.command,
        "classes": list(entry.classes),
        "count": entry.count,
        "message": entry.message,
    }
