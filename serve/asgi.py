"""What is around every request: its id, its limits, the headers of its answer, one line of the log."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException

from .audit import plain, where
from .problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Envelope"]

_log = logging.getLogger("nearclass.access")
_errors = logging.getLogger("nearclass.service")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Answered under overload and while the service drains, too."""

_TOLD_EVERY_S: Final = 1.0
"""How often the log says how many were turned away."""

_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Envelope:
    """The outermost application; everything that is answered goes through it."""

    def __init__(self, app: App, service: "Service") -> None:
        self._app = app
        self._service = service
        self._in_progress = 0
        self._turned_away = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(self._service, scope, receive, send).answer(self._inner)

    async def _inner(self, exchange: "_Exchange") -> None:
        path = exchange.scope["path"]
        if path not in _OPEN and not path.startswith("/static/"):
            self._admit(exchange)
        self._in_progress += 1
        self._service.metrics.in_progress.inc()
        try:
            exchange.check_length()
            async with asyncio.timeout(self._service.options.request_timeout_s) as exchange.timeout:
                await self._app(exchange.scope, exchange.receive, exchange.send)
        except TimeoutError:
            raise Problem("deadline", "the request took too long; a write may still be done") from None
        finally:
            self._in_progress -= 1
            self._service.metrics.in_progress.dec()

    def _admit(self, exchange: "_Exchange") -> None:
        if self._service.draining:
            raise Problem("draining", "the service is about to stop", headers={"Connection": "close"})
        if self._in_progress >= self._service.options.max_requests:
            # A line for each costs 6 % of the answers, as bench/serve.py measures them under five times the load.
            exchange.logged = False
            if not self._turned_away:
                asyncio.get_running_loop().call_later(_TOLD_EVERY_S, self._tell)
            self._turned_away += 1
            raise Problem("overloaded", f"{self._in_progress} requests are in progress already")

    def _tell(self) -> None:
        _log.warning("%d requests were turned away: too many were in progress", self._turned_away)
        self._turned_away = 0


class _Exchange:
    """One request and its answer.

    Attributes:
        timeout: Runs out when the answer has taken too long; None until it counts.
        logged: Whether the log gets a line of its own for this request.
    """

    def __init__(self, service: "Service", scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.timeout: asyncio.Timeout | None = None
        self.logged = True
        self._service = service
        self._receive = receive
        self._send = send
        self._read = 0
        self._status = 0
        self._headers = dict(scope["headers"])
        given = self._headers.get(b"x-request-id", b"")
        self._id = given.decode("ascii") if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self._id

    async def answer(self, inner: Callable[["_Exchange"], Awaitable[None]]) -> None:
        """Let ``inner`` answer; what it does not handle becomes a problem."""
        start = time.perf_counter()
        try:
            await inner(self)
        except Problem as problem:
            await self._problem(problem)
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            _errors.error("request %s: %s\n%s", self._id, type(error).__qualname__, where(error))
            await self._problem(Problem("internal", "the service failed; its log says where"))
        finally:
            seconds = time.perf_counter() - start
            self._service.metrics.request(self.scope["method"], self._status, seconds)
            if self.logged and _log.isEnabledFor(logging.INFO):
                method, path = plain(self.scope["method"]), plain(self.scope["path"])
                _log.info("%s %s %s %d %.1f ms", self._id, method, path, self._status, 1000 * seconds)

    def check_length(self) -> None:
        """Refuse a body that says it is too long, before it is read."""
        length = self._headers.get(b"content-length", b"0")
        if _LENGTH.fullmatch(length) and int(length) > self._service.options.max_body_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of the body, unless it is too much by now."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._service.options.max_body_bytes:
                problem = self._too_large()
                # The one kind that FastAPI lets through while it reads a body.
                raise HTTPException(problem.status, problem.detail, problem.headers)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; the first one gets the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self.timeout is not None:
                self.timeout.reschedule(None)  # what streams may take its time
            given = {name for name, _ in message["headers"]}
            headers = [*message["headers"], (b"x-request-id", self._id.encode())]
            headers += [pair for pair in _HEADERS if pair[0] not in given]
            if b"cache-control" not in given:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)

    async def _problem(self, problem: Problem) -> None:
        if self._status:  # too late: the answer has begun
            return
        self.timeout = None
        headers = [(b"content-type", MEDIA_TYPE.encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        body = problem.body(self._id)
        headers.append((b"content-length", str(len(body)).encode()))
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _too_large(self) -> Problem:
        most = self._service.options.max_body_bytes
        return Problem("too-large", f"the body is longer than {most} bytes", headers={"Connection": "close"})
