"""/try: what the catalogue would answer, and why; nothing is stored."""

from typing import Annotated, Any

from fastapi import File, Form, Request, Response, UploadFile

from ...ingest.sources import BadRow
from ...schemas.records import Item
from ..access import Reader
from ..answering import Question
from ..options import MAX_TEXT_BYTES
from ..problems import Problem
from .desk import AtDesk
from .rendering import fragment, page, pages
from .views import candidates_of

__all__ = ["routes"]

routes = pages()

_CANDIDATES = 5


@routes.get("/try")
async def show(request: Request, desk: AtDesk, caller: Reader) -> Response:
    """The form."""
    most_mb = desk.service.catalog.settings.picture_max_mb
    return page(request, caller, "try.html", sees=desk.service.catalog.sees, most_mb=min(most_mb, 10))


@routes.post("/try")
async def answer(
    desk: AtDesk,
    _: Reader,
    text: Annotated[str, Form(max_length=MAX_TEXT_BYTES)] = "",
    picture: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """The answer."""
    service = desk.service
    data = await picture.read() if picture is not None and picture.filename else b""
    if not text.strip() and not data:
        raise Problem("validation", "there is nothing to look at yet", hint="Type a description, or drop a photo.")
    with service.uploads.asking() as upload:
        image, folder = await service.pool.run(upload.put, data) if data else (None, None)
        item = Item("1", text=text.strip() or None, image=image, folder=folder)
        question = Question((item,), _CANDIDATES)
        found = (await service.answers.submit(question, 1, service.options.request_timeout_s))[0]
    if isinstance(found, BadRow):
        raise Problem("input", found.message)
    words: dict[str, Any] = {"answer": found, "candidates": candidates_of(found)}
    name = picture.filename if picture is not None and data else None
    return fragment("_answer.html", **words, text=text.strip(), picture=name)
