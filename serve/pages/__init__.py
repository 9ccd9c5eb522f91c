"""The page that people review in: routers, and what they show."""

from typing import Final

from fastapi import APIRouter, FastAPI

from . import classes, discover, editing, login, overview, review, static, tryit

__all__ = ["include_pages"]

_ROUTERS: Final[tuple[APIRouter, ...]] = (
    login.routes,
    overview.routes,
    review.routes,
    tryit.routes,
    classes.routes,
    editing.routes,
    discover.routes,
    static.routes,
)


def include_pages(app: FastAPI) -> None:
    """Add the page to an application."""
    for routes in _ROUTERS:
        app.include_router(routes)
