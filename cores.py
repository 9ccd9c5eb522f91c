"""The cores of this machine that this process may use."""

import os

__all__ = ["usable_cores"]


def usable_cores() -> int:
    """CPU cores this process may use: the affinity mask where there is one, else all; at least one."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
