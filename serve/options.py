"""How a service is set up: where it listens, who may call it, and how much it takes."""

import functools
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import UsageError

__all__ = ["MAX_BATCH", "MAX_K", "MAX_LABELS", "MAX_PAGE", "MAX_TEXT_BYTES", "ServiceOptions", "is_loopback"]

MAX_BATCH: Final = 256
"""Most items, texts or classes of a request."""

MAX_LABELS: Final = 20_000
"""Most labelled rows of a job."""

MAX_TEXT_BYTES: Final = 32_000
"""Longest text of a field, in UTF-8."""

MAX_K: Final = 100
"""Most candidates of an answer, and most items that a search finds."""

MAX_PAGE: Final = 1000
"""Most rows of a page."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a service is set up.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes any that is free.
        keys: Whether callers need an API key.
        secure_cookies: Whether the page is reached by https, so that its cookie goes nowhere else.
        max_body_bytes: Longest body of a request.
        request_timeout_s: Seconds after which a request is given up.
        max_requests: Requests in progress, more are turned away.
        max_waiting_items: Items that may wait for the encoder, more are turned away. At 100 texts a second it is the
            work of some five seconds.
        batch_items: Items that are encoded at a time.
        threads: Threads for everything else that blocks.
        drain_s: Seconds that requests have to end after SIGTERM.
        picture_folder: Where uploaded pictures of stored items are kept; without it they are refused.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: bool = True
    secure_cookies: bool = False
    max_body_bytes: int = 10_000_000
    request_timeout_s: float = 30.0
    max_requests: int = 512
    max_waiting_items: int = 512
    batch_items: int = 64
    threads: int = 8
    drain_s: float = 30.0
    picture_folder: Path | None = None

    def check(self) -> None:
        """Refuse to listen where others can call without a key.

        Raises:
            UsageError: The address is not of this machine alone, and no keys are needed.
        """
        if not self.keys and not is_loopback(self.host):
            message = f"{self.host} can be reached from other machines, and --no-keys lets everybody in"
            raise UsageError(message, hint="Leave --no-keys off and run `nearclass key add NAME`, or use 127.0.0.1.")


@functools.lru_cache(64)  # asked for every request, about the same few names
def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only.

    >>> [is_loopback(one) for one in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "example.org", "")]
    [True, True, True, False, False, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
