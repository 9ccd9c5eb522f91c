"""POST /v1/assign and /v1/search: questions; nothing is stored."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import File, Form, UploadFile

from ...ingest.sources import BadRow
from ...schemas.records import Assignment, Item
from ..access import Reader
from ..answering import Question
from ..options import MAX_K, MAX_TEXT_BYTES
from ..problems import Problem
from ..service import Service
from .bodies import AssignBody, SearchBody
from .common import Json, Served, problems, router
from .items_in import items_of
from .rows import AnswersRow, FoundPage

__all__ = ["routes"]

routes = router("questions")


@routes.post("/assign", response_model=AnswersRow, responses=problems(409))
async def assign(body: AssignBody, service: Served, _: Reader) -> Json:
    """The nearest class of each text or item, and whether to believe it."""
    with ExitStack() as stack:
        if body.texts is not None:
            items = tuple(Item(str(number), text=text) for number, text in enumerate(body.texts, 1))
        else:
            bodies = body.items or []
            pictured = any(one.image for one in bodies)
            upload = stack.enter_context(service.uploads.asking()) if pictured else None
            items = await service.pool.run(items_of, bodies, upload) if upload else items_of(bodies, None)
        return Json(await _answered(service, items, body.k, explain=body.explain))


@routes.post("/assign/picture", response_model=AnswersRow, responses=problems(409))
async def assign_picture(
    service: Served,
    _: Reader,
    picture: Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF or BMP.")],
    text: Annotated[str | None, Form(max_length=MAX_TEXT_BYTES)] = None,
    k: Annotated[int, Form(ge=1, le=MAX_K)] = 5,
    *,
    explain: Annotated[bool, Form()] = False,
) -> Json:
    """The nearest class of a picture, with or without words."""
    with service.uploads.asking() as upload:
        image, folder = await service.pool.run(upload.put, await picture.read())
        item = Item("1", text=text or None, image=image, folder=folder)
        found = await _answered(service, (item,), k, explain=explain)
    for error in found["errors"]:
        raise Problem("picture", error["message"], code=error["code"])
    return Json(found)


@routes.post("/search", response_model=FoundPage, responses=problems(404, 409))
async def search(body: SearchBody, service: Served, _: Reader) -> Json:
    """The stored items nearest to words or a picture."""

    def find() -> Sequence[Any]:
        with service.uploads.asking() as upload, service.metrics.timed("search"):
            image, folder = upload.place(body.image)
            shown = image if folder is None else f"{folder}/{image}"
            return service.catalog.search(body.query, body.k, image=shown, class_id=body.class_, where=body.where)

    return Json({"items": await service.pool.run(find), "next": None})


async def _answered(service: Service, items: Sequence[Item], k: int, *, explain: bool) -> dict[str, list[Any]]:
    question = Question(tuple(items), k)
    answers = await service.answers.submit(question, len(items), service.options.request_timeout_s)
    rows = [one.row(explain=explain) for one in answers if isinstance(one, Assignment)]
    errors: list[dict[str, Any]] = [
        {"index": index, "id": items[index].id, "code": one.code, "message": one.message}
        for index, one in enumerate(answers)
        if isinstance(one, BadRow)
    ]
    return {"assignments": rows, "errors": errors}
