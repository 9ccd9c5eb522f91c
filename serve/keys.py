"""API keys: made here, shown once, kept as digests in the catalogue."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..errors import UsageError
from ..store.state import Document, State
from .times import iso_time

__all__ = ["ApiKey", "Keys", "Scope"]

_KIND: Final = "api_key"
_PREFIX: Final = "nc"
_SECRET_BYTES: Final = 32
_FRESH_S: Final = 2.0
"""On a shared store, so old may be what is known of keys; a revoked one is refused after twice that."""

_NOBODY: Final = "0" * 64


class Scope(StrEnum):
    """What a key allows; each includes those before it."""

    READ = "read"
    INGEST = "ingest"
    ADMIN = "admin"

    def allows(self, wanted: "Scope") -> bool:
        """Whether a key of this scope may do what needs ``wanted``.

        >>> Scope.ADMIN.allows(Scope.READ), Scope.READ.allows(Scope.INGEST)
        (True, False)
        """
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: Public part of the key.
        name: Whom or what it is for.
        scope: What it allows.
        digest: SHA-256 of the secret, in hexadecimal digits. Enough for 32 random bytes: there is nothing to guess.
        created_at: Seconds since 1970.
        expires_at: The same, or None.
        revoked_at: The same, or None.
    """

    id: str
    name: str
    scope: Scope
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def usable(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def to_dict(self) -> dict[str, Any]:
        """What may be shown of it."""
        return {
            "id": self.id,
            "name": self.name,
            "scope": self.scope.value,
            "created_at": iso_time(self.created_at),
            "expires_at": iso_time(self.expires_at),
            "revoked_at": iso_time(self.revoked_at),
        }


class Keys:
    """The keys of a catalogue; may be used from several threads."""

    def __init__(self, state: State, *, shared: bool, clock: Callable[[], float] = time.time) -> None:
        """Keep them in ``state``; ``shared`` says whether other processes may write to it."""
        self._state = state
        self._shared = shared
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, ApiKey] = {}
        self._read_at = float("-inf")

    def add(self, name: str, scope: Scope = Scope.READ, *, days: float | None = None) -> tuple[ApiKey, str]:
        """Make a key that ends after so many days, or never; the key, and its text, which is kept nowhere.

        Raises:
            UsageError: The name is empty, or the days are not above 0.
        """
        if not name.strip():
            message = "a key needs a name that says whom it is for"
            raise UsageError(message, hint="Such as: nearclass key add reviewers --scope ingest")
        if days is not None and days <= 0:
            message = f"{days:g} days are none"
            raise UsageError(message, hint="Give a number above 0, or leave it off for a key without an end.")
        now = self._clock()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        expires_at = None if days is None else int(now + days * 86_400)
        key = ApiKey(secrets.token_hex(4), name.strip(), scope, _digest(secret), int(now), expires_at)
        self._put(key)
        return key, f"{_PREFIX}_{key.id}_{secret}"

    def every(self) -> list[ApiKey]:
        """All keys, also those that are revoked or expired, the oldest first."""
        return sorted(self._read().values(), key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str) -> ApiKey:
        """Refuse a key from now on.

        Raises:
            UsageError: There is no such key.
        """
        key = self._read().get(key_id)
        if key is None:
            message = f"no key {key_id!r}"
            raise UsageError(message, hint="`nearclass key list` shows the ids.")
        if key.revoked_at is None:
            key = _replaced(key, revoked_at=int(self._clock()))
            self._put(key)
        return key

    def refresh(self) -> None:
        """Read the keys from the store, unless what is known is fresh; for whoever asks ``find`` often."""
        stale = time.monotonic() - self._read_at > _FRESH_S if self._shared else self._read_at == float("-inf")
        if stale:
            self._read()

    def find(self, text: str) -> ApiKey | None:
        """The usable key that a caller shows, or None; from what was last read, without asking the store."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._known.get(key_id) if prefix == _PREFIX else None
        # The digests are always compared, so that an unknown id takes as long as a wrong secret.
        same = hmac.compare_digest(_digest(secret), key.digest if key else _NOBODY)
        return key if key and same and key.usable(self._clock()) else None

    def usable(self, key_id: str) -> ApiKey | None:
        """The key with this id while it is usable; for sessions that began with it."""
        key = self._known.get(key_id)
        return key if key and key.usable(self._clock()) else None

    def _read(self) -> dict[str, ApiKey]:
        known = {document.name: _key(document) for document in self._state.every(_KIND)}
        with self._lock:
            self._known, self._read_at = known, time.monotonic()
        return known

    def _put(self, key: ApiKey) -> None:
        body = {name: getattr(key, name) for name in ApiKey.__slots__ if name != "id"}
        self._state.put(Document(_KIND, key.id, body))
        self._read()


def _key(document: Document) -> ApiKey:
    return ApiKey(document.name, **{**document.body, "scope": Scope(document.body["scope"])})


def _replaced(key: ApiKey, **values: Any) -> ApiKey:
    return ApiKey(**{**{name: getattr(key, name) for name in ApiKey.__slots__}, **values})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
