"""/v1/classes: the classes, one by one."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import Query, Response

from ...catalog import Catalog
from ...errors import UsageError
from ...ingest.sources import RawRow
from ...ingest.taxonomy import read_classes
from ...schemas.records import ClassSpec
from ..access import Reader
from ..changing import tag
from ..options import MAX_PAGE
from .asked import Change
from .class_bodies import ClassBody, ClassChanges, ImportBody
from .common import Json, Served, cursor, position, problems, router
from .rows import ChangeRow, ClassPage, ClassRow

__all__ = ["routes"]

routes = router("classes")

_CHANGE: Mapping[str, Any] = {"response_model": ChangeRow, "responses": problems(404, 409, 412)}
_TRIED: Mapping[int | str, dict[str, Any]] = {200: {"model": ChangeRow, "description": "With dry_run."}}


@routes.get("/classes", response_model=ClassPage, responses=problems(404))
async def list_classes(
    service: Served,
    _: Reader,
    under: Annotated[str | None, Query(max_length=2000, description="Only this class and what is below it.")] = None,
    after: Annotated[str | None, Query(alias="cursor", max_length=2000)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    *,
    retired: Annotated[bool, Query(description="Also classes that are retired.")] = False,
) -> Json:
    """Classes, parents before children, page by page."""
    begin = position(after, str)

    def page() -> tuple[dict[str, Any], int]:
        taxonomy = service.catalog.classes.taxonomy
        ids = taxonomy.descendants(taxonomy.find(under).id) if under else taxonomy.ids()
        ids = [one for one in ids if retired or taxonomy.is_live(one)]
        start = _after(ids, begin[0]) if begin else 0
        shown = ids[start : start + limit]
        rows = [taxonomy.row(one) for one in shown]
        rest = cursor([shown[-1]]) if start + limit < len(ids) else None
        return {"classes": rows, "next": rest, "revision": taxonomy.revision}, taxonomy.revision

    found, revision = await service.pool.run(page)
    return Json(found, headers={"ETag": tag(revision)})


@routes.post("/classes", status_code=201, response_model=ChangeRow, responses={**_TRIED, **problems(404, 409, 412)})
async def add(body: ClassBody, change: Change) -> Response:
    """Add a class; it can be assigned when this answers."""
    given = body.model_dump(exclude={"message", "name"})
    return await change.one(body.message, lambda classes: classes.add(body.name, **given).id, status=201)


@routes.post("/classes/import", **_CHANGE)
async def import_(body: ImportBody, change: Change) -> Response:
    """Add classes, or replace those that are there and differ; refused rows are named, the others go on."""

    def act(catalog: Catalog) -> dict[str, Any]:
        rows = [RawRow(row, "request", number, number - 1) for number, row in enumerate(body.classes, 1)]
        found = read_classes(rows, catalog.classes.taxonomy)
        _refuse_pictures(found.specs)
        done = catalog.import_classes(found.specs, by=change.caller.label, message=body.message)
        errors = [{"line": one.line, "code": one.code, "message": one.message} for one in found.rejects]
        return {
            "added": list(done.added),
            "changed": list(done.changed),
            "unchanged": done.unchanged,
            "errors": errors,
        }

    return await change.made(act)


@routes.get("/classes/{class_id:path}", response_model=ClassRow, responses=problems(404))
async def show(class_id: str, service: Served, _: Reader) -> Json:
    """A class: its texts, its children, how many items it has."""

    def read() -> tuple[dict[str, Any], int]:
        taxonomy = service.catalog.classes.taxonomy
        spec = taxonomy.find(class_id)
        row = taxonomy.row(spec.id)
        items = service.catalog.items().count(class_id=spec.id)
        more = {"children": taxonomy.children(spec.id), "items": items, "revision": taxonomy.revision}
        return {**row, **more}, taxonomy.revision

    row, revision = await service.pool.run(read)
    return Json(row, headers={"ETag": tag(revision)})


@routes.patch("/classes/{class_id:path}", **_CHANGE)
async def edit(class_id: str, body: ClassChanges, change: Change) -> Response:
    """Change a class; what is not named stays, an empty list clears."""
    return await change.one(body.message, lambda classes: classes.edit(class_id, **body.changes()).id)


def _refuse_pictures(specs: Iterable[ClassSpec]) -> None:
    """Refuse pictures of classes: they would be paths, and no file of this machine is read for a caller.

    Raises:
        UsageError: A class has one.
    """
    if any(spec.images for spec in specs):
        message = "pictures of classes cannot be given here"
        raise UsageError(message, hint="Import them with `nearclass classes import`.")


def _after(ids: list[str], class_id: str) -> int:
    return ids.index(class_id) + 1 if class_id in ids else 0
