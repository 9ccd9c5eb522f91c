"""Times as callers see them."""

import time
from typing import overload

__all__ = ["iso_time"]


@overload
def iso_time(at: float) -> str: ...
@overload
def iso_time(at: None) -> None: ...
def iso_time(at: float | None) -> str | None:
    """Seconds since 1970 in the form of ISO 8601, in UTC.

    >>> iso_time(0), iso_time(None)
    ('1970-01-01T00:00:00Z', None)
    """
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
