"""Logging in with an API key, and out again."""

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from ..access import Reader, current_service
from ..problems import Problem
from ..service import Service
from ..sessions import COOKIE, SESSION_S
from .rendering import pages, plain_page

__all__ = ["routes"]

_MOST_BYTES = 4096

routes = APIRouter(include_in_schema=False)
_inside = pages()

Served = Annotated[Service, Depends(current_service)]


@routes.get("/login")
async def show(service: Served, after: Annotated[str, Query(alias="next", max_length=2000)] = "/") -> Response:
    """Ask for a key."""
    if not service.options.keys:
        return RedirectResponse(_inner(after), status_code=303)
    return plain_page("login.html", after=_inner(after), wrong=False)


@routes.post("/login")
async def begin(request: Request, service: Served) -> Response:
    """Begin a session with a key."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Problem("cross-site", "this form was sent by another site's page")
    body = await request.body()
    fields = parse_qs(body[:_MOST_BYTES].decode("utf-8", "replace"))
    after = _inner(fields.get("next", ["/"])[0])
    key = service.keys.find(fields.get("key", [""])[0].strip())
    if key is None:
        return plain_page("login.html", status=401, after=after, wrong=True)
    response = RedirectResponse(after, status_code=303)
    response.set_cookie(
        COOKIE,
        service.sessions.start(key.id),
        max_age=SESSION_S,
        httponly=True,
        samesite="lax",
        secure=service.options.secure_cookies,
    )
    return response


@_inside.post("/logout")
async def end(_: Reader) -> Response:
    """End the session of this browser."""
    response = Response(status_code=204, headers={"HX-Redirect": "/login"})
    response.delete_cookie(COOKIE)
    return response


routes.include_router(_inside)


def _inner(after: str) -> str:
    """A page of this service, whatever was asked for.

    >>> _inner("/review?kind=novel"), _inner("//elsewhere.example/"), _inner("https://elsewhere.example/")
    ('/review?kind=novel', '/', '/')
    """
    parts = urlsplit(after)
    inner = not parts.scheme and not parts.netloc and after.startswith("/") and not after.startswith(("//", "/\\"))
    return after if inner and after.isprintable() else "/"
