"""The application: one catalogue, its API, its page."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from .. import __version__
from ..errors import NearclassError
from .api import admin, assign, classes, health, items, jobs, taxonomy
from .api.rows import ProblemRow
from .asgi import Envelope
from .options import ServiceOptions
from .pages import include_pages
from .problems import MEDIA_TYPE, Problem, problem_of
from .service import Service

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["create_app", "described"]

_ROUTERS: Final[Sequence[APIRouter]] = (
    assign.routes,
    items.routes,
    classes.routes,
    taxonomy.routes,
    jobs.routes,
    admin.routes,
    health.routes,
)

_KINDS: Final = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "media-type"}
_SHOWN_PROBLEMS: Final = 10


def create_app(catalog: "Catalog", options: ServiceOptions | None = None) -> FastAPI:
    """The application of an open catalogue; whoever opened that closes it when the application has stopped.

    ``app.state.service`` is what all requests share.
    """
    return described(Service(catalog, options or ServiceOptions()))


def described(service: Service) -> FastAPI:
    """The application of a service that has been made."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="nearclass",
        version=__version__,
        summary="Assign anything described in words to its nearest class.",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # the page of the library loads its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    for routes in _ROUTERS:
        app.include_router(routes)
    include_pages(app)
    app.add_middleware(Envelope, service=service)
    _handle_errors(app)
    _describe(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    def answer(request: Request, problem: Problem) -> Response:
        body = problem.body(request.state.request_id)
        return Response(body, problem.status, problem.headers, MEDIA_TYPE)

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return answer(request, error)

    @app.exception_handler(NearclassError)
    async def _error(request: Request, error: NearclassError) -> Response:
        return answer(request, problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _validation(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        kind = _KINDS.get(error.status_code, "malformed")
        problem = Problem(kind, str(error.detail), status=error.status_code, headers=error.headers)
        return answer(request, problem)


def _validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return Problem("malformed", "the body is not valid JSON")
    # Without the values, which may be the texts of items.
    listed = [{"at": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in found[:_SHOWN_PROBLEMS]]
    first = listed[0]
    return Problem("validation", f"{first['at']}: {first['message']}", errors=listed)


def _name_problems(document: dict[str, Any]) -> None:
    """Say once what each status means, instead of at every operation."""
    named = document["components"].setdefault("responses", {})
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if MEDIA_TYPE in response.get("content", {}):
                    named[f"Problem{status}"] = response
                    operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _describe(app: FastAPI) -> None:
    """Add to the OpenAPI document what every problem looks like."""
    made: Callable[..., dict[str, Any]] = get_openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            _name_problems(document)
            schemas["ProblemRow"] = ProblemRow.model_json_schema(ref_template="#/components/schemas/{model}")
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
