"""Repeated writes: a request with an Idempotency-Key is done once, and answered again as it was.

The replies are kept in the catalogue and not in memory, so that a client that repeats a request after a restart, or
at another process of the same catalogue, gets the reply that it missed.
"""

import base64
import hashlib
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..store.state import Document, State
from .problems import Problem

__all__ = ["Replies", "Reply"]

_KIND: Final = "reply"
_KEPT_S: Final = 86_400
_MOST_BYTES: Final = 30_000
"""Of a packed reply; a document may have 60,000 bytes."""

_RUNNING_S: Final = 600


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request was answered with."""

    status: int
    body: bytes
    headers: dict[str, str]


class Replies:
    """Replies to requests with a key, for a day; may be used from several threads."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def begin(self, caller: str, key: str, request: bytes) -> tuple[str, Reply | None]:
        """Take a key: its name for ``end``, and the reply if the same request was answered before.

        Args:
            caller: Id of who calls: keys of others are others.
            key: What the caller sent.
            request: Method, path and body, which must be the same.

        Raises:
            Problem: ``key-reused`` with another request, ``key-in-use`` while the first one runs.
        """
        name = hashlib.sha256(f"{len(caller)}:{caller}:{key}".encode("utf-8", "surrogatepass")).hexdigest()
        digest = hashlib.sha256(request).hexdigest()
        with self._lock:
            if name in self._running:
                raise Problem("key-in-use", "a request with this Idempotency-Key is in progress; ask again")
            self._running.add(name)
        try:
            document = self._state.get(_KIND, name)
            fresh = document is not None and self._clock() - float(document.body["at"]) < _KEPT_S
            reply = _unpacked(document, digest) if document is not None and fresh else None
        except BaseException:
            self.drop(name)
            raise
        if reply is not None:
            self.drop(name)
        return f"{name}:{digest}", reply

    def end(self, begun: str, reply: Reply) -> None:
        """Keep the reply; durable when it returns."""
        name, _, digest = begun.partition(":")
        packed = base64.b64encode(zlib.compress(reply.body)).decode("ascii")
        kept = packed if len(packed) <= _MOST_BYTES else None
        body = {
            "at": self._clock(),
            "request": digest,
            "status": reply.status,
            "body": kept,
            "headers": reply.headers,
        }
        try:
            self._state.put(Document(_KIND, name, body))
        finally:
            self.drop(name)

    def drop(self, begun: str) -> None:
        """Let a request that failed be tried again."""
        with self._lock:
            self._running.discard(begun.partition(":")[0])

    def forget_old(self) -> None:
        """Remove replies that are older than a day."""
        now = self._clock()
        names = [one.name for one in self._state.every(_KIND) if now - float(one.body["at"]) >= _KEPT_S]
        if names:
            self._state.delete(_KIND, names)


def _unpacked(document: Document, digest: str) -> Reply:
    body = document.body
    if body["request"] != digest:
        raise Problem("key-reused", "this Idempotency-Key was used with another request")
    if body["body"] is None:
        message = "the request was done before; its reply was too long to be kept"
        raise Problem("key-in-use", message, hint="Read what it changed.")
    return Reply(int(body["status"]), zlib.decompress(base64.b64decode(body["body"])), dict(body["headers"]))
