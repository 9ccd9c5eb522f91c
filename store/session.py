"""Calls to an engine: with a deadline, one writer at a time where it needs that, and errors of ours."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import (
    CollectionMissingError,
    ConfigError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)
from .columns import Snapshot
from .connection import check_engine, connect, disconnect, version_of
from .engine import Engine
from .gate import Gate
from .inspection import check_free_space
from .location import DirectoryAddress, ServerAddress, locate
from .translate import NotLoadedError, translated

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["Session"]

Result = TypeVar("Result")

_WRITE_S: Final = 600.0
"""Patience for a write to the embedded engine: it cannot be called back, and may wait for a slow disk."""

_MEMTABLE_BYTES: Final = 128 * 1024 * 1024
"""Rows that the embedded engine holds before it writes them out (``MEMTABLE_MEMORY_LIMIT``, 3.2.2)."""


class Session:
    """A connection to one engine, which an embedded engine's failure replaces by a new one."""

    def __init__(self, uri: str, *, token: str, database: str, tls_ca: Path | None, timeout_s: float) -> None:
        address = locate(uri)
        self._options: dict[str, Any] = {
            "token": token,
            "database": database,
            "tls_ca": tls_ca,
            "timeout_s": timeout_s,
        }
        self.timeout_s = timeout_s
        self.engine: Engine | None = None
        self._gate = Gate()
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._locks_lock = threading.Lock()
        self._pending: defaultdict[str, int] = defaultdict(int)
        self.writes: defaultdict[str, int] = defaultdict(int)
        self._client: MilvusClient | None = None
        self._closed = False
        if isinstance(address, DirectoryAddress):
            self._open_embedded(address, database)
        else:
            self.uri = address.url
            self._client = connect(address, **self._options)
            self._identify()
            self._load_all()

    @property
    def lite(self) -> bool:
        """Whether the engine is Milvus Lite, here or behind a URL."""
        return self.version.startswith("milvus-lite")

    def close(self) -> None:
        """Release everything; a second call does nothing."""
        if self._closed:
            return
        if self.engine is not None and not self.engine.is_ours():
            self._closed = True
            return
        with self._gate.alone():
            self._closed = True
            if self._client is not None:
                disconnect(self._client)
            if self.engine is not None:
                self.engine.close()

    def read(self, action: str, name: str, call: Callable[["MilvusClient"], Result]) -> Result:
        """Answer of a call that changes nothing.

        Raises:
            StoreError: Whatever ``translate`` makes of the engine's error.
        """
        with self._gate.shared():
            return self._call(action, name, call)

    def write(self, action: str, name: str, call: Callable[["MilvusClient"], Result], *, size: int = 0) -> Result:
        """Answer of a call that changes a collection, made while no other changes the same one.

        Args:
            action: What is done, as a verb phrase.
            name: Collection or alias.
            call: The call itself.
            size: Bytes that it adds.

        Raises:
            StoreWriteError: The embedded engine failed and was reopened, or there is no room on the disk.
            StoreError: Whatever ``translate`` makes of the engine's error.
        """
        with self.one_writer(name):
            try:
                with self._gate.shared():
                    self._check_space(name, size)
                    result = self._call(action, name, call)
                    self._pending[name] += size
                    return result
            except StoreError as error:
                if self.engine is None or not _broke(error):
                    raise
                self.engine.poisoned = True
                raise self._reopened(action, name, error) from error
            finally:
                self.writes[name] += 1

    def flush(self, name: str) -> None:
        """Make every row of a collection durable.

        A server needs nothing for that: a write is in its log before it is acknowledged. To flush there cuts a segment
        early, and servers since 2.4 refuse to do it to a collection twice within 10 s
        (``quotaAndLimits.flushRate.collection.max`` is 0.1).

        Raises:
            StoreError: As ``write``.
        """
        if not self.lite:
            return
        deadline = self.write_timeout_s
        self.write("flush", name, lambda client: client.flush(name, timeout=deadline))
        if self.engine is not None:
            with self.one_writer(name), self._gate.shared(), translated(f"sync {name}", self.uri):
                self.engine.sync(name)
                self._pending[name] = 0

    def physical(self, name: str) -> str | None:
        """Name of the embedded collection behind a name or an alias, if there is one."""
        with self._gate.shared(), translated(f"resolve {name}", self.uri):
            self._ready()
            return self.engine.physical(name) if self.engine is not None else None

    def snapshot(self, name: str, expressions: Sequence[str] = ("",)) -> Snapshot:
        """The rows of an embedded collection that one of the expressions matches; writers may go on when it is made.

        Raises:
            CollectionMissingError: There is no such collection.
        """
        target = self.physical(name)
        if target is None or self.engine is None:
            raise CollectionMissingError(f"collection or alias {name!r} does not exist at {self.uri}")
        with self.one_writer(target), self._gate.shared(), translated(f"read {name}", self.uri):
            self._ready()
            return self.engine.snapshot(target, expressions)

    def drop(self, name: str) -> None:
        """Delete a collection.

        Raises:
            StoreError: As ``write``.
        """
        timeout_s = self.write_timeout_s
        with contextlib.nullcontext() if self.engine is None else self.engine.dropping(name):
            self.write("drop", name, lambda client: client.drop_collection(name, timeout=timeout_s))

    @property
    def write_timeout_s(self) -> float:
        """Seconds that a write may take."""
        return self.timeout_s if self.engine is None else max(self.timeout_s, _WRITE_S)

    def _open_embedded(self, address: DirectoryAddress, database: str) -> None:
        if database:
            raise ConfigError(
                f"database {database!r} is for servers; an embedded store is its directory {address.path}",
                hint="leave the database unset, or give another path",
            )
        self.uri = str(address.path)
        self.engine = Engine(address.path)
        try:
            self._connect_embedded(self.engine.open())
            self._identify()
        except BaseException:  # also Ctrl-C: the engine must not outlive the attempt
            self.engine.close()
            raise

    def _connect_embedded(self, address: ServerAddress) -> None:
        options = self._options | {"token": "", "database": "", "tls_ca": None}
        self._client = connect(address, **options)

    def _identify(self) -> None:
        if self._client is not None:
            self.version = version_of(self._client, self.uri, self.timeout_s)
            check_engine(self.version, self.uri)

    def _load_all(self) -> None:
        """Load every collection of a Lite server from one thread: it has the embedded engine's race."""
        if self.lite and self._client is not None:
            with translated("load collections", self.uri):
                for name in self._client.list_collections(timeout=self.timeout_s):
                    self._client.load_collection(name, timeout=self.timeout_s)

    def _call(self, action: str, name: str, call: Callable[["MilvusClient"], Result]) -> Result:
        client = self._ready()
        what = f"{action} {name}".strip()
        try:
            with translated(what, self.uri):
                return call(client)
        except NotLoadedError:
            with translated(what, self.uri):
                client.load_collection(name, timeout=self.timeout_s)
                return call(client)

    def _ready(self) -> "MilvusClient":
        if self.engine is not None:
            self.engine.check_process()
            if self.engine.poisoned:
                raise StoreWriteError(
                    f"{self.uri} failed and could not be reopened; every row acknowledged is on disk",
                    hint="free disk space, then close the store and open it again",
                )
        if self._client is None or self._closed:
            raise StoreError(f"{self.uri} is closed", hint="open the store again")
        return self._client

    @contextlib.contextmanager
    def one_writer(self, name: str) -> Iterator[None]:
        """Keep every other writer out of a collection of Milvus Lite, whose log two of them would destroy."""
        if not self.lite:
            yield
            return
        with self._locks_lock:
            lock = self._locks[name]
        with lock:
            yield

    def _check_space(self, name: str, size: int) -> None:
        if self.engine is not None and size:
            # Twice: rows go to the log now, and at a flush into a file beside it.
            check_free_space(self.engine.path, size + 2 * min(self._pending[name] + size, _MEMTABLE_BYTES))

    def _reopened(self, action: str, name: str, error: StoreError) -> StoreWriteError:
        """The error to raise for a failed write, after another engine has taken the failed one's place."""
        message = f"{error.message}. Every row acknowledged before is kept; those of this call may be or not"
        hint = error.hint or f"repeat what failed: {action} {name}"
        with self._gate.alone():
            if self.engine is not None and self.engine.poisoned and not self._closed:
                if self._client is not None:
                    disconnect(self._client)
                try:
                    self.engine.abandon()
                    self._connect_embedded(self.engine.start())
                except StoreError as second:
                    self.engine.poisoned = True
                    message += f". The engine could not be opened again: {second.message}"
                    hint = "free disk space, then close the store and open it again"
        return StoreWriteError(message, hint=hint)


def _broke(error: StoreError) -> bool:
    """Whether an error says that the engine failed, rather than that it refused what it was given."""
    if isinstance(error, CollectionMissingError | NotLoadedError):
        return False
    if isinstance(error, StoreUnavailableError | StoreDamagedError):
        return True
    cause = error.__cause__
    # Of this very class are errors that the engine sent; the client's own checks raise subclasses.
    return type(cause).__name__ == "MilvusException" and getattr(cause, "code", 0) == 1
