"""/v1/items: stored items."""

import io
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from ...query.items import item_filter
from ..access import Reader
from ..options import MAX_PAGE
from ..service import Service
from ..writing import Write
from .asked import ItemWrite
from .bodies import ConfirmBody, IdsBody, IngestBody
from .common import Json, Served, as_json, cursor, position, problems, router
from .items_in import items_of
from .rows import FoundPage, FoundRow, WrittenRow

__all__ = ["routes"]

routes = router("items")

ClassFilter = Annotated[str | None, Query(alias="class", max_length=2000, description="A class and what is below it.")]
Where = Annotated[list[str] | None, Query(max_length=20, description="Such as decision=novel or price<40.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@routes.get("/items", response_model=FoundPage, responses=problems(404))
async def list_items(
    service: Served,
    _: Reader,
    class_id: ClassFilter = None,
    where: Where = None,
    after: Annotated[str | None, Query(alias="cursor", max_length=2000)] = None,
    limit: Limit = 50,
) -> Json:
    """Stored items with their latest answers, page by page, in a stable order."""
    begin = position(after, int, str)

    def page() -> dict[str, Any]:
        condition = item_filter(service.catalog.classes.taxonomy, class_id, where or [])
        reader = service.catalog.items().reader
        start = (0, "") if begin is None else (begin[0], begin[1])
        found, rest = reader.page(where=condition, limit=limit, after=start)
        return {"items": found, "next": None if rest is None else cursor(list(rest))}

    return Json(await service.pool.run(page))


@routes.post("/items", response_model=WrittenRow, responses=problems(409))
async def ingest(body: IngestBody, write: ItemWrite) -> Response:
    """Store items and assign each; all is durable when this answers. One of an id that is stored takes its place."""
    service = write.service

    async def act() -> Json:
        items = await service.pool.run(items_of, body.items, service.uploads.storing())
        confirmed = tuple(one.confirmed_class or "" for one in body.items)
        done = await service.writes.submit(Write(items, confirmed), len(items), service.options.request_timeout_s)
        return Json(done)

    return await write.answered(act)


@routes.post("/items/confirm", responses=problems(404, 409))
async def confirm(body: ConfirmBody, write: ItemWrite) -> Response:
    """Note that a person says these items belong to a class."""

    def act() -> dict[str, Any]:
        with write.service.item_lock:
            spec = write.service.catalog.items().confirm(body.ids, body.class_)
        write.note("items.confirm", ids=body.ids, class_id=spec.id)
        return {"class_id": spec.id, "confirmed": len(body.ids)}

    return await write.once(act)


@routes.post("/items/unconfirm", responses=problems(404, 409))
async def unconfirm(body: IdsBody, write: ItemWrite) -> Response:
    """Take confirmations back."""

    def act() -> dict[str, Any]:
        with write.service.item_lock:
            write.service.catalog.items().unconfirm(body.ids)
        write.note("items.unconfirm", ids=body.ids)
        return {"unconfirmed": len(body.ids)}

    return await write.once(act)


@routes.post("/items/delete", responses=problems(409))
async def delete(body: IdsBody, write: ItemWrite) -> Response:
    """Remove items; those that are not there are passed over."""

    def act() -> dict[str, Any]:
        with write.service.item_lock:
            count = write.service.catalog.items().delete(body.ids)
        write.note("items.delete", ids=body.ids)
        return {"deleted": count}

    return await write.once(act)


@routes.get("/items/{item_id:path}", response_model=FoundRow, responses=problems(404))
async def show(item_id: str, service: Served, _: Reader) -> Json:
    """One stored item."""
    return Json(await service.pool.run(lambda: service.catalog.items().get(item_id)))


@routes.get(
    "/pictures/{item_id:path}",
    response_class=Response,
    responses={**problems(404), 200: {"content": {"image/jpeg": {}}, "description": "The picture, made anew."}},
)
async def picture(
    item_id: str, service: Served, _: Reader, size: Annotated[int, Query(ge=16, le=2048)] = 512
) -> Response:
    """The picture of a stored item, decoded within the limits and made anew, at most so many pixels wide and high."""
    data = await service.pool.run(_thumbnail, service, item_id, size)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@routes.get(
    "/export/items",
    response_class=StreamingResponse,
    responses={**problems(404), 200: {"content": {"application/x-ndjson": {}}, "description": "One item a line."}},
)
async def export(service: Served, _: Reader, class_id: ClassFilter = None, where: Where = None) -> Response:
    """Every stored item, one a line."""
    condition = where or []
    found = service.catalog.items()
    # Refused before the answer begins.
    await service.pool.run(item_filter, service.catalog.classes.taxonomy, class_id, condition)

    def lines() -> Iterator[bytes]:
        for item in found.iterate(class_id=class_id, where=condition):
            yield as_json(item) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _thumbnail(service: Service, item_id: str, size: int) -> bytes:
    from ...errors import ItemNotFoundError  # noqa: PLC0415

    item = service.catalog.items().get(item_id)
    if not item.image:
        message = f"item {item_id!r} has no picture"
        raise ItemNotFoundError(message)
    image = service.catalog.picture(item.image)
    image.thumbnail((size, size))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
