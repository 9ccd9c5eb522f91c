"""Sessions of the page: a signed cookie that a key was exchanged for, and tokens against forged requests."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

__all__ = ["COOKIE", "SESSION_S", "Sessions"]

COOKIE: Final = "nearclass_session"
SESSION_S: Final = 12 * 3600
"""How long a session lasts: a working day."""

_ANYBODY: Final = "anybody"


class Sessions:
    """Signs sessions with a secret of this process: after a restart people log in again."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def start(self, key_id: str) -> str:
        """The value of the cookie for a session that began with this key."""
        value = f"{key_id}.{int(self._clock()) + SESSION_S}.{secrets.token_hex(8)}"
        return f"{value}.{self._signed(f'session:{value}')}"

    def key_id(self, cookie: str) -> str | None:
        """Id of the key that a session began with; None where the cookie was not made here or has expired."""
        value, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._signed(f"session:{value}").encode(), signature.encode()):
            return None
        key_id, ends_at, _ = value.split(".")
        return key_id if self._clock() < int(ends_at) else None

    def token(self, cookie: str | None) -> str:
        """What the forms of a session send along; without keys there is one for everybody."""
        return self._signed(f"token:{cookie or _ANYBODY}")

    def is_token(self, token: str, cookie: str | None) -> bool:
        """Whether a token belongs to this session."""
        return hmac.compare_digest(self.token(cookie).encode(), token.encode("utf-8", "surrogatepass"))

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
