"""Who is calling and what they may do: by API key, or on the page by a session that a key began."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .keys import ApiKey, Scope
from .options import is_loopback
from .problems import Problem
from .service import Service
from .sessions import COOKIE

__all__ = ["Admin", "Caller", "Ingester", "Reader", "caller_of", "current_service"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_HEADER: Final = "x-csrf-token"  # noqa: S105 - a name
_SAME: Final = frozenset({"same-origin", "none"})

_bearer = HTTPBearer(auto_error=False, description="An API key: nc_ID_SECRET. `nearclass key add` makes one.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request.

    Attributes:
        id: Id of the key; empty where none is needed.
        name: Name of the key.
        scope: What the key allows.
        session: Value of the page's cookie; None for a program.
    """

    id: str
    name: str
    scope: Scope
    session: str | None = None

    @property
    def label(self) -> str:
        """For logs and the history: the name, and the id where there is one."""
        return f"{self.name} ({self.id})" if self.id else self.name


def current_service(request: Request) -> Service:
    """The service that the app was made for."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who is calling, found out once for a request.

    Raises:
        Problem: ``unauthenticated``, or ``cross-site`` for a write that another site's page sent.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        caller = request.state.caller = _found(request)
    return caller


def _found(request: Request) -> Caller:
    service = current_service(request)
    if not service.options.keys:
        _same_host(request)
        _same_site(request)
        return Caller("", "anybody", Scope.ADMIN, request.cookies.get(COOKIE))
    text = _shown(request)
    if text:
        key = service.keys.find(text)
        if key is not None:
            return _caller(key)
    elif cookie := request.cookies.get(COOKIE):
        key_id = service.sessions.key_id(cookie)
        key = None if key_id is None else service.keys.usable(key_id)
        if key is not None:
            _same_site(request)
            _token(request, service, cookie)
            return _caller(key, cookie)
    raise Problem(
        "unauthenticated",
        "an API key is needed, and this one is missing, wrong, expired or revoked",
        hint="Send the header Authorization: Bearer nc_ID_SECRET.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _caller(key: ApiKey, session: str | None = None) -> Caller:
    return Caller(key.id, key.name, key.scope, session)


def _shown(request: Request) -> str:
    header = request.headers.get("authorization", "")
    scheme, _, text = header.partition(" ")
    # Anything else in the header is no key, and the cookie does not stand in for it.
    return text if scheme.lower() == "bearer" and text else header


def _same_host(request: Request) -> None:
    """Without keys, refuse names of other hosts: a page elsewhere may give its own name this address."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if not is_loopback(host):
        raise Problem("cross-site", "without keys, the service answers under names of this machine only")


def _same_site(request: Request) -> None:
    """Refuse a write that a browser sends for another site's page."""
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site in _SAME
    else:
        same = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise Problem("cross-site", "this request was sent by another site's page")


def _token(request: Request, service: Service, cookie: str) -> None:
    if request.method not in _SAFE and not service.sessions.is_token(request.headers.get(_TOKEN_HEADER, ""), cookie):
        raise Problem("cross-site", f"the header {_TOKEN_HEADER} is missing or not of this session")


def _allowed(wanted: Scope) -> Callable[..., Awaitable[Caller]]:
    async def dependency(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Caller:
        caller = caller_of(request)
        if not caller.scope.allows(wanted):
            message = f"this needs a key of the scope {wanted.value}; this one has {caller.scope.value}"
            raise Problem("forbidden", message)
        return caller

    return dependency


Reader = Annotated[Caller, Depends(_allowed(Scope.READ))]
"""A caller who may ask."""

Ingester = Annotated[Caller, Depends(_allowed(Scope.INGEST))]
"""A caller who may change items."""

Admin = Annotated[Caller, Depends(_allowed(Scope.ADMIN))]
"""A caller who may change everything."""
