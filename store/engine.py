"""The embedded engine: Milvus Lite inside this process, opened so that its faults cannot lose data.

The engine is started here and not by the client, which hides why an opening failed, listens on a port that
every local process may use, and closes in a forked child what belongs to the parent.
"""

import atexit
import contextlib
import functools
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import StoreError, StoreLockedError
from .columns import Snapshot
from .connection import import_client
from .inspection import (
    begin_drop,
    check_files,
    check_writable,
    finish_drops,
    move_sidecars_aside,
    remove_dead_sockets,
    sync_files,
)
from .location import ServerAddress
from .lock import ADVICE, ProcessLock, holder_of_engine_lock
from .recovery_log import watch
from .translate import translated

if TYPE_CHECKING:
    import grpc
    from milvus_lite import MilvusLite

__all__ = ["Engine"]

logger = logging.getLogger("nearclass.store")

_WORKERS: Final = 10
"""Threads that answer calls: the engine's own default (milvus-lite 3.2.2)."""

_MESSAGE_BYTES: Final = 256 * 1024 * 1024
"""Longest message: the engine's own bound (milvus-lite 3.2.2)."""

_SOCKET_PREFIX: Final = "nearclass-engine-"
_SOCKET_LENGTH: Final = 70
"""The path of a socket has at most 107 bytes (unix(7)), and ours adds some 30 to the directory's."""

_GRACE_S: Final = 5.0
_BACKGROUND_S: Final = 600.0
"""Compaction merges up to 200,000 rows at a time, minutes of work on a slow disk (milvus-lite 3.2.2)."""

_opening = threading.RLock()
_open: "dict[Path, Engine]" = {}
_inherited: "list[Engine]" = []


class Engine:
    """One open database directory; ``open`` and ``close`` it once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.poisoned = False
        self._lock = ProcessLock(path)
        self._pid = os.getpid()
        self._synced: dict[Path, tuple[int, int]] = {}
        self._db: MilvusLite | None = None
        self._server: grpc.Server | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._socket: Path | None = None

    def open(self) -> ServerAddress:
        """Open the database and load every collection; where to reach it.

        Raises:
            StoreLockedError: Another process, or this one, has it open.
            StoreDamagedError: Files cannot be read.
            StoreError: The directory cannot be written, or the engine refuses.
        """
        with _opening:
            _install_guards()
            if self.path in _open:
                raise StoreLockedError(
                    f"{self.path} is already open in this process",
                    hint="share the store that is open, or close it",
                )
            check_writable(self.path)
            self._lock.acquire()
            try:
                address = self.start()
            except BaseException:  # also Ctrl-C: the lock must not outlive the attempt
                self._lock.release()
                raise
            _open[self.path] = self
            return address

    def start(self) -> ServerAddress:
        """Start the engine on a database whose lock is held."""
        import_client()
        try:
            with translated("open the database", str(self.path)), watch(self.notes):
                # This only locks the directory; its files are read when a collection is first touched.
                self._db = self._open_database()
                finish_drops(self.path)
                check_files(self.path)
                for name in self._db.list_collections():
                    # From one thread: two that first touch a collection would each open it and write to its log.
                    self._load(name)
                address = self._serve()
        except BaseException:  # also Ctrl-C: no half-started engine stays behind
            self.abandon()
            raise
        self.poisoned = False
        return address

    def is_ours(self) -> bool:
        """Whether this process opened it, and not the parent that it was forked from."""
        return os.getpid() == self._pid

    def check_process(self) -> None:
        """Pass in the process that opened the database.

        Raises:
            StoreError: This is a forked child, in which the engine has no threads.
        """
        if not self.is_ours():
            raise StoreError(
                f"{self.path} belongs to process {self._pid} and cannot be used in its child {os.getpid()}",
                hint="open a store of your own, from a server's URL, or start processes with 'spawn'",
            )

    def physical(self, name: str) -> str | None:
        """Name of the collection behind a name or an alias, if there is one."""
        database = self._database()
        return database.resolve_collection_name(name) if database.has_collection(name) else None

    def snapshot(self, name: str, expressions: Sequence[str]) -> Snapshot:
        """The rows of a collection that one of the expressions matches."""
        return Snapshot(self._database().get_collection(name), expressions)

    def sync(self, name: str) -> None:
        """Wait for background work on a collection and make its files survive a loss of power."""
        database = self._database()
        collection: Any = database.get_collection(name)
        # Compaction would replace what was just made durable.
        collection._wait_for_bg(timeout=_BACKGROUND_S)  # noqa: SLF001
        sync_files(self.path, self._synced)

    @contextlib.contextmanager
    def dropping(self, name: str) -> Iterator[None]:
        """Delete a collection inside, so that after a crash it is whole or gone."""
        note = begin_drop(self.path, name)
        try:
            yield
        finally:
            note.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Stop the engine without a flush, which after a failed one would delete rows for good."""
        self._stop_serving()
        if self._db is not None:
            # There is no public way to close without a flush.
            collections: Any = self._db._collections  # noqa: SLF001
            for collection in collections.values():
                _abandon_collection(collection)
            collections.clear()
            self._db.close()
            self._db = None

    def close(self) -> None:
        """Flush, stop the engine and let another process open the database."""
        if not self.is_ours():
            return
        with _opening:
            if self.poisoned:
                self.abandon()
            self._stop_serving()
            if self._db is not None:
                with watch(self.notes):
                    self._db.close()
                self._db = None
                with contextlib.suppress(OSError):
                    sync_files(self.path, self._synced)
            if _open.get(self.path) is self:
                del _open[self.path]
            self._lock.release()

    def _database(self) -> "MilvusLite":
        self.check_process()
        if self._db is None:
            raise StoreError(f"{self.path} is closed", hint="open the store again")
        return self._db

    def _open_database(self) -> "MilvusLite":
        from milvus_lite import DataDirLockedError, MilvusLite  # noqa: PLC0415  # Costs a second to import.

        try:
            return MilvusLite(str(self.path))
        except DataDirLockedError as error:
            holder = holder_of_engine_lock(self.path)
            raise StoreLockedError(f"{self.path} is in use by {holder}", hint=ADVICE) from error

    def _load(self, name: str) -> None:
        collection = self._database().get_collection(name)
        try:
            collection.load()
        except Exception as error:  # The engine lets through whatever its index library raises.
            if not (moved := move_sidecars_aside(self.path / "collections" / name)):
                raise
            message = f"index of {name!r} is built again, its files cannot be read: {error}; moved to {moved[0]}"
            logger.warning(message)
            self.notes.append(message)
            collection.load()

    def _serve(self) -> ServerAddress:
        import grpc  # noqa: PLC0415  # Costs a tenth of a second to import.
        from milvus_lite.adapter.grpc.servicer import MilvusServicer  # noqa: PLC0415
        from pymilvus.grpc_gen import milvus_pb2_grpc  # noqa: PLC0415

        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="nearclass-milvus-lite")
        bounds = [
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ]
        self._server = grpc.server(self._workers, options=bounds)
        register: Any = milvus_pb2_grpc.add_MilvusServiceServicer_to_server
        register(MilvusServicer(self._database()), self._server)
        url = self._listen(self._server)
        self._server.start()
        return ServerAddress(url, "", 0, "", "")

    def _listen(self, server: "grpc.Server") -> str:
        """Let the server listen where no other user of this machine reaches it: it asks for no password."""
        if os.name == "posix":
            base = tempfile.gettempdir()
            base = base if len(base) < _SOCKET_LENGTH else "/tmp"  # noqa: S108
            with contextlib.suppress(OSError, RuntimeError):
                remove_dead_sockets(Path(base), f"{_SOCKET_PREFIX}*")
                folder = tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=base)
                self._socket = Path(folder) / "engine"
                server.add_insecure_port(f"unix:{self._socket}")
                return f"unix:{self._socket}"
        return f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"

    def _stop_serving(self) -> None:
        if self._server is not None:
            self._server.stop(grace=_GRACE_S).wait(_GRACE_S)
            self._server = None
        if self._workers is not None:
            # A write whose caller gave up is still running, and must not outlive its collection.
            self._workers.shutdown(wait=True)
            self._workers = None
        if self._socket is not None:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
            self._socket = None


def _abandon_collection(collection: Any) -> None:
    collection._bg_closed = True  # noqa: SLF001  # No public way, as above.
    collection._bg_executor.shutdown(wait=True, cancel_futures=True)  # noqa: SLF001
    for sink in (collection._wal._data_sink, collection._wal._delta_sink):  # noqa: SLF001
        if sink is not None:
            # What did not fit on the disk must not reach it later, when the file belongs to the next engine.
            with contextlib.suppress(OSError, ValueError):
                sink.raw.close()


@functools.cache
def _install_guards() -> None:
    atexit.register(_close_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_inherited)


def _forget_inherited() -> None:
    """Keep a forked child from closing or collecting its parent's engines, which would touch the files."""
    _inherited.extend(_open.values())
    _open.clear()


def _close_all() -> None:
    for engine in list(_open.values()):
        with contextlib.suppress(Exception):
            engine.close()
