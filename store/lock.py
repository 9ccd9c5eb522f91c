"""One process per embedded database, and who that is.

The lock is a file beside the database, held by the operating system for as long as its process lives. Who
holds it is written into a second file, for messages only: nothing is decided by what that says.
"""

import contextlib
import json
import os
import re
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import filelock
import psutil

from ..errors import StoreError, StoreLockedError

__all__ = ["ADVICE", "ProcessLock", "holder_of_engine_lock"]

ADVICE: Final = (
    "close the other one, or let both use the URL of a server: Milvus, or "
    "'milvus-lite server --data-dir <database> --host 127.0.0.1 --max-workers 1'"
)

_SECRET: Final = re.compile(r"(?<=://)[^/@\s]+@|(?<=--token[ =])\S+|(?<=--password[ =])\S+")
_COMMAND_LENGTH: Final = 200

_CLOCK_S: Final = 2.0
"""Two readings of when a process started differ by less than this."""


class ProcessLock:
    """The right of this process to open a database."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._info = database.with_name(f"{database.name}.owner.json")
        self._lock = filelock.FileLock(database.with_name(f"{database.name}.lock"), thread_local=False)

    def acquire(self) -> None:
        """Take the lock or fail at once.

        Raises:
            StoreLockedError: Another process has it.
            StoreError: The directory does not allow a lock.
        """
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StoreLockedError(f"{self._database} is in use by {self._holder()}", hint=ADVICE) from error
        except OSError as error:
            raise StoreError(
                f"cannot lock {self._database}: {error}", hint="give this user write access to its directory"
            ) from error
        with contextlib.suppress(OSError):
            self._info.write_text(json.dumps(_self_description()), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._info.unlink(missing_ok=True)
            self._lock.release(force=True)

    def _holder(self) -> str:
        try:
            info = json.loads(self._info.read_text(encoding="utf-8"))
            pid, command, since = int(info["pid"]), str(info["command"]), str(info["since"])
            same_host = info["host"] == socket.gethostname()
            started = float(info["started"])
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
        if not same_host:
            return f"process {pid} ({command}) on host {info['host']} since {since}"
        if not _is_running(pid, started):
            return "another process (not the one that opened it last, which is gone)"
        return f"process {pid} ({command}) since {since}"


def holder_of_engine_lock(database: Path) -> str:
    """Who holds the engine's own lock, if the system tells (Linux does)."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        inode = f":{(database / 'LOCK').stat().st_ino}"
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[5].endswith(inode):
                process = psutil.Process(int(words[4]))
                since = datetime.fromtimestamp(process.create_time(), UTC).isoformat(timespec="seconds")
                return f"process {process.pid} ({_safe(' '.join(process.cmdline()))}) started {since}"
    return "another process"


def _self_description() -> dict[str, str | int | float]:
    return {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "command": _safe(" ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])),
        "host": socket.gethostname(),
        "since": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
    }


def _safe(command: str) -> str:
    return _SECRET.sub("***", command)[:_COMMAND_LENGTH]


def _is_running(pid: int, started: float) -> bool:
    try:
        return abs(float(psutil.Process(pid).create_time()) - started) < _CLOCK_S
    except psutil.Error:
        return False
