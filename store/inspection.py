"""What is looked at on disk before and after the embedded engine reads it.

The engine treats some damage as an order: it opens a collection that has lost its manifest as an empty one
and deletes the data files, and falls back to an old manifest and deletes newer ones. So files are checked
first.
"""

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ..errors import StoreDamagedError, StoreError, StoreWriteError

__all__ = [
    "begin_drop",
    "check_files",
    "check_free_space",
    "check_writable",
    "finish_drops",
    "move_sidecars_aside",
    "remove_dead_sockets",
    "sync_files",
]

_MAGIC: Final = b"PAR1"
"""First and last four bytes of every Parquet file (Parquet format specification)."""

_RESERVE_BYTES: Final = 16 * 1024 * 1024
"""Room for manifests, logs and rounding."""

_SOCKET_AGE_S: Final = 60.0
"""A socket this old is not one that its process has made and not yet listened at."""

_DROPPING: Final = ".dropping"

_UNFINISHED_SCHEMA: Final = "schema.json.tmp"
"""All that a collection has whose making was cut off; the engine neither knows it nor makes it anew (3.2.2)."""

_HINT: Final = "copy the whole database directory before anything else; then restore a backup or load the data again"


def check_files(database: Path) -> None:
    """Pass if the files that the engine would trust are whole.

    Raises:
        StoreDamagedError: One is not; it is named.
    """
    _read_json(database / "aliases.json")
    for collection in _collections(database):
        _read_json(collection / "schema.json")
        manifest = collection / "manifest.json"
        content = _read_json(manifest)
        lost = 0 if content else sum(1 for _ in collection.glob("partitions/*/data/*.parquet"))
        if lost:
            raise StoreDamagedError(
                f"{manifest} is missing, and opening the database would delete {lost} data files", hint=_HINT
            )
        for file in _data_files(collection, content):
            # One that is missing is reported by the engine; one that no manifest names was not finished in a crash.
            if file.exists():
                _check_parquet(file)


def begin_drop(database: Path, name: str) -> Path:
    """Note that a collection is being deleted, so that a crash half-way is finished at the next start; the note."""
    note = database / f"{name}{_DROPPING}"
    note.touch()
    return note


def finish_drops(database: Path) -> None:
    """Delete what a crash left of collections that were being deleted or made."""
    for note in database.glob(f"*{_DROPPING}"):
        name = note.name.removesuffix(_DROPPING)
        shutil.rmtree(database / "collections" / name, ignore_errors=True)
        aliases = _read_json(database / "aliases.json")
        if name in aliases.values():
            kept = {alias: target for alias, target in aliases.items() if target != name}
            fresh = database / f"{note.name}.aliases"
            fresh.write_text(json.dumps(kept), encoding="utf-8")
            fresh.replace(database / "aliases.json")
        note.unlink()
    for folder in database.glob("collections/*"):
        if folder.is_dir() and {path.name for path in folder.rglob("*") if path.is_file()} <= {_UNFINISHED_SCHEMA}:
            shutil.rmtree(folder, ignore_errors=True)


def check_writable(database: Path) -> None:
    """Create a database's directory and its parents, and pass if files can be made in it.

    Raises:
        StoreError: They cannot.
    """
    try:
        database.mkdir(parents=True, exist_ok=True)
        probe = database / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(f"cannot write to {database}: {error}", hint="give a path that this user may write") from error


def check_free_space(database: Path, needed: int) -> None:
    """Pass if a write fits on the disk with room to spare.

    Args:
        database: Directory of the database.
        needed: Bytes that the write and the flush after it may take.

    Raises:
        StoreWriteError: It does not; nothing was written.
    """
    free = shutil.disk_usage(database).free
    if free < needed + _RESERVE_BYTES:
        raise StoreWriteError(
            f"{free:,} bytes free at {database}, {needed + _RESERVE_BYTES:,} needed; nothing was written",
            hint="free disk space and repeat the call",
        )


def move_sidecars_aside(collection: Path) -> list[Path]:
    """Move a collection's index files out of the engine's sight, which builds them again; their new paths."""
    moved = []
    for file in sorted(collection.glob("partitions/*/indexes/*.*idx")):
        target = file.with_name(f"{file.name}.unreadable-{time.time_ns()}")
        file.rename(target)
        moved.append(target)
    return moved


def remove_dead_sockets(folder: Path, pattern: str) -> None:
    """Remove the directories of sockets that nobody listens at any more, left by processes that were killed."""
    for socket_file in folder.glob(f"{pattern}/engine"):
        with contextlib.suppress(OSError):
            if time.time() - socket_file.stat().st_mtime < _SOCKET_AGE_S:
                continue
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(socket_file))
                except ConnectionRefusedError:
                    shutil.rmtree(socket_file.parent, ignore_errors=True)


def sync_files(root: Path, done: dict[Path, tuple[int, int]]) -> None:
    """Make durable what has changed below a directory since the last call with the same ``done``."""
    for folder, _, names in os.walk(root):
        changed = False
        for file in map(Path(folder).joinpath, names):
            # Compaction replaces files while we look, and a dropped collection takes its own away.
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                mark = (status.st_mtime_ns, status.st_size)
                if done.get(file) != mark:
                    _sync(file)
                    done[file] = mark
                    changed = True
        if changed:
            with contextlib.suppress(FileNotFoundError):
                _sync(Path(folder))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _collections(database: Path) -> Iterator[Path]:
    roots: Iterable[Path] = [database / "collections", *database.glob("databases/*/collections")]
    for root in roots:
        if root.is_dir():
            yield from (path for path in sorted(root.iterdir()) if (path / "schema.json").exists() or _has_data(path))


def _has_data(path: Path) -> bool:
    return path.is_dir() and any(path.glob("partitions/*/data/*.parquet"))


def _data_files(collection: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    for name, files in dict(manifest.get("partitions", {})).items():
        for file in [*files.get("data_files", []), *files.get("delta_files", [])]:
            yield collection / "partitions" / name / file


def _read_json(file: Path) -> dict[str, Any]:
    """Content of a file; empty if there is none."""
    try:
        content = json.loads(file.read_bytes()) if file.exists() else {}
    except PermissionError as error:
        raise StoreError(f"cannot read {file}: {error}", hint="give this user read access") from error
    except (OSError, ValueError) as error:
        raise StoreDamagedError(f"{file} cannot be read: {error}", hint=_HINT) from error
    if not isinstance(content, dict):
        raise StoreDamagedError(f"{file} does not hold what the engine writes there", hint=_HINT)
    return content


def _check_parquet(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            head = stream.read(len(_MAGIC))
            stream.seek(-len(_MAGIC), os.SEEK_END)
            tail = stream.read()
    except OSError as error:
        raise StoreDamagedError(f"{file} cannot be read: {error}", hint=_HINT) from error
    if head != _MAGIC or tail != _MAGIC:
        raise StoreDamagedError(f"{file} is cut off or overwritten", hint=_HINT)
