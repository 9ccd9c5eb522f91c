"""Files of the page, by their names and nothing else."""

import functools
import hashlib
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request, Response

from ..problems import Problem

__all__ = ["address", "routes"]

_TYPES: Final = {
    "htmx.min.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"

routes = APIRouter()


def address(name: str) -> str:
    """Where a file is, under a name that changes with its content, so that browsers may keep it."""
    return f"/static/{name}?v={_file(name)[1]}"


@routes.get("/static/{name}", include_in_schema=False)
async def static(name: str, request: Request) -> Response:
    """A file of the page; anybody may have it."""
    if name not in _TYPES:
        raise Problem("not-found", f"no file {name!r}")
    data, version = _file(name)
    kept = _FOR_EVER if request.query_params.get("v") == version else "no-cache"
    return Response(data, media_type=_TYPES[name], headers={"Cache-Control": kept})


@functools.cache
def _file(name: str) -> tuple[bytes, str]:
    data = resources.files("nearclass.serve").joinpath("static", name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]
