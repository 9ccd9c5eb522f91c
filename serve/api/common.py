"""What the routers share: JSON in and out, documented problems, cursors, writes that may be repeated."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.routing import APIRoute

from ..access import Caller, caller_of, current_service
from ..idempotency import Reply
from ..problems import MEDIA_TYPE, Problem
from ..service import Service

__all__ = [
    "IdempotencyKey",
    "IfMatch",
    "Json",
    "Served",
    "as_json",
    "cursor",
    "position",
    "problems",
    "router",
    "written_once",
]

_MOST_KEY_CHARS: Final = 255


async def _served(request: Request) -> Service:
    # Awaited, because the framework would call what is not in a thread of its own, for every request.
    return current_service(request)


Served = Annotated[Service, Depends(_served)]
"""The service."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=_MOST_KEY_CHARS,
        description="The same request with the same key is done once; its reply is kept for a day.",
    ),
]

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description="The ETag that the change starts from."),
]


class Json(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return as_json(content)


def as_json(content: Any) -> bytes:
    """Rows as the command prints them."""
    return orjson.dumps(content, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


class _Request(Request):
    async def json(self) -> Any:
        # No NaN, no half surrogates, nothing nested a thousand deep.
        return orjson.loads(await self.body())


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            caller_of(request)  # before anything of the body is read
            return await handler(_Request(request.scope, request.receive))

        return handle


_MEANINGS: Final = {
    400: "The request cannot be read.",
    401: "A key is needed.",
    403: "The key does not allow this.",
    404: "There is no such thing.",
    409: "The catalogue does not allow this as it is.",
    412: "The classes were changed meanwhile.",
    413: "The request is too long.",
    415: "The body is not of this kind.",
    422: "The request does not fit.",
    500: "The service failed; its log says why.",
    503: "Too much is going on, or the store is away; ask again after Retry-After.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the problems that a route may answer with, besides those of every route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemRow"}}}
    return {
        status: {"description": _MEANINGS[status], "content": content}
        for status in sorted({400, 401, 403, 413, 422, 500, 503, *statuses})
    }


def router(tag: str) -> APIRouter:
    """A router of this part of the API."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=_Route, responses=problems())


def cursor(position: Any) -> str:
    """Where a page begins, as callers see it; they only hand it back."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode("ascii").rstrip("=")


def position(text: str | None, *kinds: type) -> list[Any] | None:
    """What a cursor says, checked to be values of these kinds; None for the first page.

    Raises:
        Problem: It was not made here.
    """
    if text is None:
        return None
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        found = None
    if not isinstance(found, list) or [type(one) for one in found] != list(kinds):
        raise Problem("validation", "the cursor was not given by this service", hint="Leave it off for the first page.")
    return found


async def written_once(
    service: Service, request: Request, caller: Caller, key: str | None, act: Callable[[], Awaitable[Json]]
) -> Response:
    """The answer of a write; with a key that was used for the same request before, the answer that it had then."""
    if key is None:
        return await act()
    signature = f"{request.method} {request.url.path}?{request.url.query}\n".encode("utf-8", "replace")
    signature += await request.body()
    begun, reply = await service.pool.run(service.replies.begin, caller.id, key, signature)
    if reply is not None:
        return Response(reply.body, reply.status, {**reply.headers, "Idempotency-Replayed": "true"}, Json.media_type)
    try:
        response = await act()
        kept = {name: value for name, value in response.headers.items() if name in {"etag", "location"}}
        await service.pool.run(service.replies.end, begun, Reply(response.status_code, bytes(response.body), kept))
    except BaseException:
        service.replies.drop(begun)
        raise
    return response
