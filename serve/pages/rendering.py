"""From what a page shows to its HTML: templates that escape everything, errors that people can read."""

import functools
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from ...errors import NearclassError
from ...reports.page import percent
from ..access import Caller, current_service
from ..problems import Problem, problem_of
from ..sessions import COOKIE
from .static import address

__all__ = ["fragment", "is_fragment", "page", "pages", "plain_page"]

_TOKEN_HEADER: Final = "x-csrf-token"  # noqa: S105 - a name
_SEPARATOR: Final = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
_NAV: Final = (
    ("/", "Overview"),
    ("/review", "Review"),
    ("/try", "Try it"),
    ("/classes", "Classes"),
    ("/discover", "Discover"),
)
_HERE: Final = {"/class": "/classes"}
"""Pages that stand under another one of the navigation."""


def pages() -> APIRouter:
    """A router of pages: not part of the API, and every write brings the token of its session."""
    return APIRouter(route_class=_Page, include_in_schema=False, dependencies=[Depends(_check_token)])


def page(request: Request, caller: Caller, template: str, **context: Any) -> Response:
    """A whole page."""
    service = current_service(request)
    top = "/" + request.url.path.lstrip("/").split("/")[0]
    shown = {
        "caller": caller,
        "keys": service.options.keys,
        "catalogue": service.catalog.settings.catalog,
        "nav": _NAV,
        "here": _HERE.get(top, top),
        "token": service.sessions.token(caller.session),
        "may_ingest": caller.scope.value != "read",
        "may_admin": caller.scope.value == "admin",
    }
    return HTMLResponse(_environment().get_template(template).render({**shown, **context}))


def fragment(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any) -> Response:
    """A part of a page, to be put in its place."""
    return HTMLResponse(_environment().get_template(template).render(context), status, headers)


def plain_page(template: str, *, status: int = 200, **context: Any) -> Response:
    """A page for somebody who is not logged in."""
    return fragment(template, status=status, **context)


def is_fragment(request: Request) -> bool:
    """Whether a part of a page is asked for."""
    return request.headers.get("hx-request") == "true"


class _Page(APIRoute):
    """A route whose errors are pages, or notices on the page that asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return _shown(request, problem)
            except NearclassError as error:
                return _shown(request, problem_of(error))
            except RequestValidationError as error:
                first = error.errors()[0]
                return _shown(request, Problem("validation", f"{first['loc'][-1]}: {first['msg']}"))
            except HTTPException as error:
                return _shown(request, Problem("malformed", str(error.detail), status=error.status_code))

        return handle


def _shown(request: Request, problem: Problem) -> Response:
    if problem.kind == "unauthenticated":
        if is_fragment(request):
            return Response(status_code=problem.status, headers={"HX-Redirect": "/login"})
        after = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="")
        return RedirectResponse(f"/login?next={after}", status_code=303)
    context = {"problem": problem, "request_id": request.state.request_id}
    if is_fragment(request):
        headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", **problem.headers}
        return fragment("_problem.html", status=problem.status, headers=headers, **context)
    return plain_page("problem.html", status=problem.status, **context)


async def _check_token(request: Request) -> None:
    """Refuse a write without the token of its session; a program with a key in its header needs none."""
    if request.method in {"GET", "HEAD"} or "authorization" in request.headers:
        return
    sessions = current_service(request).sessions
    if not sessions.is_token(request.headers.get(_TOKEN_HEADER, ""), request.cookies.get(COOKIE)):
        message = "this page is older than the service, or not of it"
        raise Problem("cross-site", message, hint="Load the page again, and repeat what you did.")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nearclass.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = address
    environment.filters.update(
        number=_number, percent=percent, path=_path, when=_when, part=lambda text: quote(text, safe="")
    )
    return environment


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _path(names: Sequence[str]) -> str:
    return _SEPARATOR.join(names)


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
