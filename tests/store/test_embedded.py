"""The embedded engine's faults, and that none of them loses or leaks rows."""

import gc
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearclass.errors import (
    CollectionMissingError,
    ConfigError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreWriteError,
)
from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import In
from nearclass.store import Store
from nearclass.store.layout import schema_of

MakeRow = Callable[..., dict[str, Any]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = """
import os, signal, sys, threading
import numpy as np
from nearclass.schemas.collections import CollectionSpec, FieldSpec, FieldType
from nearclass.store import Store
SPEC = CollectionSpec("things", 8, (FieldSpec("name", FieldType.TEXT, 400),))
def rows(prefix, n):
    return [{"key": f"{prefix}-{i}", "vector": np.ones(8, np.float32), "name": "x" * 100} for i in range(n)]
def die():
    os.kill(os.getpid(), signal.SIGKILL)
store = Store.open(sys.argv[1])
store.create("c", SPEC)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def filled(path: Path, spec: CollectionSpec, row: MakeRow) -> Path:
    """A closed database with 20 rows in the collection ``c`` and the alias ``a``."""
    with Store.open(str(path)) as store:
        store.create("c", spec)
        store.point("a", "c")
        store.upsert("c", spec, [row(f"{i:02}", rank=i) for i in range(20)])
    return path


def count(path: Path, name: str = "c") -> int:
    with Store.open(str(path)) as store:
        return store.count(name)


# Opening and closing


def test_rows_alias_and_index_survive_a_restart(filled: Path, spec: CollectionSpec) -> None:
    with Store.open(str(filled)) as store:
        assert store.collections() == ["c"]
        assert store.resolve("a") == "c"
        assert store.count("a") == 20
        assert len(store.search("a", np.eye(8, dtype=np.float32), 20)[0]) == 20
        assert store.recovery_notes == []


def test_parents_are_made_and_the_path_is_told(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "new" / "deep" / "store")) as store:
        assert store.path == tmp_path / "new" / "deep" / "store.db"
        assert store.uri == str(store.path)
        assert store.embedded


def test_a_closed_store_says_so_and_closes_again(path: Path, spec: CollectionSpec) -> None:
    store = Store.open(str(path))
    store.close()
    store.close()
    for call in (lambda: store.count("c"), lambda: store.create("c", spec), lambda: store.resolve("c")):
        with pytest.raises(StoreError, match="is closed"):
            call()


def test_a_database_name_is_for_servers(path: Path) -> None:
    with pytest.raises(ConfigError, match="'other' is for servers"):
        Store.open(str(path), database="other")
    assert not path.exists()


def test_another_process_can_open_what_was_closed_at_once(path: Path, run_python: Run) -> None:
    with Store.open(str(path)):
        pass
    done = run_python(PROGRAM + "print(store.collections()); store.close()", str(path))
    assert (done.stdout, done.stderr) == ("['c']\n", "")
    assert count(path) == 0


def test_importing_the_package_imports_no_engine(run_python: Run) -> None:
    done = run_python(
        "import sys, nearclass.store; print([m for m in ('pymilvus', 'milvus_lite', 'grpc') if m in sys.modules])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_an_env_file_of_the_working_directory_is_not_read(tmp_path: Path, run_python: Run) -> None:
    (tmp_path / ".env").write_text("LEAKED=1\n")
    done = run_python(PROGRAM + "store.close(); print(os.environ.get('LEAKED'))", str(tmp_path / "s"), cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_sockets_of_killed_processes_are_removed_and_live_ones_are_not(
    path: Path, run_python: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/nearclass-test")
    monkeypatch.setenv("TMPDIR", "/tmp/nearclass-test")
    folder = Path("/tmp/nearclass-test")
    folder.mkdir(exist_ok=True)
    try:
        run_python(PROGRAM + "die()", str(tmp_path / "killed"))
        monkeypatch.setattr("nearclass.store.inspection._SOCKET_AGE_S", -1.0)
        assert len(list(folder.iterdir())) == 1
        with Store.open(str(path)) as store, Store.open(str(tmp_path / "second")):
            assert len(list(folder.iterdir())) == 2
            assert store.collections() == []
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


# Locks


def test_this_process_cannot_open_a_database_twice(path: Path) -> None:
    with Store.open(str(path)) as first:
        with pytest.raises(StoreLockedError, match="already open in this process"):
            Store.open(str(path))
        assert first.collections() == []


@pytest.fixture
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the database open."""
    command = [
        sys.executable,
        "-c",
        PROGRAM + "print('open', flush=True); sys.stdin.read()",
        str(path),
        "--token",
        "s3cret",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_another_process_that_holds_the_database_is_named(path: Path, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(StoreLockedError) as caught:
        Store.open(str(path))
    assert re.search(rf"in use by process {holder.pid} \(-c .*\) since 20\d\d-", caught.value.message)
    assert "s3cret" not in str(caught.value)
    assert "--max-workers 1" in caught.value.hint
    holder.kill()
    holder.wait()
    assert count(path) == 0


def test_an_old_note_about_a_holder_misleads_nobody(path: Path, holder: "subprocess.Popen[str]") -> None:
    note = path.with_name("store.db.owner.json")
    info = json.loads(note.read_text())
    assert info["pid"] == holder.pid
    note.write_text(json.dumps(info | {"started": info["started"] - 1000}))
    with pytest.raises(StoreLockedError, match="in use by another process"):
        Store.open(str(path))
    note.write_text("{")
    with pytest.raises(StoreLockedError, match="in use by another process"):
        Store.open(str(path))


def test_a_foreign_server_on_the_database_is_named(path: Path, tmp_path: Path) -> None:
    program = "import sys; from milvus_lite import MilvusLite; d = MilvusLite(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreLockedError, match=rf"process {process.pid} \(.*MilvusLite"):
            Store.open(str(path))
        process.kill()
    with Store.open(str(path)):
        pass


def test_a_path_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(StoreError, match=r"cannot write to /proc/nearclass.db"):
        Store.open("/proc/nearclass.db")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_directory_of_someone_else_is_refused(filled: Path, run_python: Run) -> None:
    for folder in (filled, *filled.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    program = "import os, sys; from nearclass.store import Store; os.seteuid(65534); Store.open(sys.argv[1])"
    done = run_python(program, str(filled))
    assert re.search(r"nearclass.errors.StoreError: cannot write to .*: \[Errno 13\]", done.stderr), done.stderr


# Threads


def test_concurrent_writers_lose_nothing_when_killed(path: Path, run_python: Run) -> None:
    done = run_python(
        PROGRAM
        + """
def write(t):
    start.wait()
    for batch in range(12):
        store.upsert("c", SPEC, rows(f"{t}-{batch}", 100))
start = threading.Barrier(8)
threads = [threading.Thread(target=write, args=(t,)) for t in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
die()
""",
        str(path),
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert count(path) == 8 * 12 * 100


def test_the_first_calls_after_a_restart_may_come_from_many_threads(
    filled: Path, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from milvus_lite import db

    collection, turns = db.Collection, itertools.count(1)

    def open_slowly(*arguments: Any, **options: Any) -> Any:
        opened = collection(*arguments, **options)
        time.sleep(0.02 * next(turns))  # The race is then lost every time and not now and then.
        return opened

    monkeypatch.setattr(db, "Collection", open_slowly)
    errors: list[Exception] = []
    with Store.open(str(filled)) as store:
        start = threading.Barrier(12)

        def work(number: int) -> None:
            start.wait()
            try:
                if number >= 6:
                    store.count("c")
                store.upsert("c", spec, [row(f"{number}-{i}") for i in range(10)])
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store.count("c") == 140
    assert count(filled) == 140


def test_many_threads_open_one_path_and_one_succeeds(path: Path) -> None:
    start, opened, refused = threading.Barrier(5), [], []

    def attempt() -> None:
        start.wait()
        try:
            opened.append(Store.open(str(path)))
        except StoreLockedError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(refused)) == (1, 4)
    opened[0].close()


# Processes


def test_a_forked_child_cannot_harm_its_parent(path: Path, run_python: Run) -> None:
    done = run_python(
        PROGRAM
        + """
import warnings; warnings.simplefilter("ignore")
store.upsert("c", SPEC, rows("before", 100))
pid = os.fork()
if pid == 0:
    try: store.count("c")
    except Exception as error: print(error, flush=True)
    store.close()
    sys.exit(0)
os.waitpid(pid, 0)
store.upsert("c", SPEC, rows("after", 200))
die()
""",
        str(path),
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert "cannot be used in its child" in done.stdout
    assert count(path) == 300


def test_a_process_that_forgets_to_close_loses_nothing(path: Path, run_python: Run) -> None:
    done = run_python(PROGRAM + "store.upsert('c', SPEC, rows('a', 50))", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert count(path) == 50


# Writes that fail


@pytest.fixture
def broken_flush(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Break the next write of a data file; no smaller fault makes a flush fail half-way."""
    from milvus_lite.engine import flush

    whole = flush.write_data_file

    def break_once() -> None:
        def fail(*_: Any) -> None:
            monkeypatch.setattr(flush, "write_data_file", whole)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(flush, "write_data_file", fail)

    yield break_once
    gc.collect()  # The engine leaves the log of a failed flush to the collector, which warns about it.


leaves_a_file_open = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@leaves_a_file_open
def test_a_failed_flush_loses_nothing(
    path: Path, spec: CollectionSpec, row: MakeRow, broken_flush: Callable[[], None]
) -> None:
    with Store.open(str(path)) as store:
        store.create("c", spec)
        store.upsert("c", spec, [row(f"a{i}") for i in range(100)])
        broken_flush()
        with pytest.raises(StoreWriteError, match="Every row acknowledged before is kept"):
            store.flush("c")
        assert store.count("c") == 100
        store.upsert("c", spec, [row(f"b{i}") for i in range(10)])
        store.flush("c")
    assert count(path) == 110


@leaves_a_file_open
def test_a_flush_that_fails_inside_a_write_loses_nothing(
    path: Path,
    spec: CollectionSpec,
    row: MakeRow,
    broken_flush: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Store.open(str(path)) as store:
        store.create("c", spec)
        store.upsert("c", spec, [row(f"a{i}") for i in range(100)])
        broken_flush()
        with monkeypatch.context() as patch:
            patch.setattr("milvus_lite.engine.collection.MEMTABLE_MEMORY_LIMIT", 1)
            with pytest.raises(StoreWriteError, match="no space left"):
                store.upsert("c", spec, [row("b")])
        assert store.count("c") >= 100
        store.flush("c")
        assert store.count("c", In("key", [f"a{i}" for i in range(100)])) == 100
    assert count(path) >= 100


@leaves_a_file_open
def test_readers_and_other_writers_survive_a_failed_write(
    path: Path, spec: CollectionSpec, row: MakeRow, broken_flush: Callable[[], None]
) -> None:
    errors: list[Exception] = []
    with Store.open(str(path)) as store:
        for name in ("c", "d"):
            store.create(name, spec)
            store.upsert(name, spec, [row(str(i)) for i in range(50)])
        done = threading.Event()

        def work(call: Callable[[], Any]) -> None:
            try:
                while not done.is_set():
                    call()
            except Exception as error:
                errors.append(error)

        calls: list[Callable[[], Any]] = [
            lambda: store.search("c", np.eye(8, dtype=np.float32), 3),
            lambda: store.count("d"),
            lambda: store.upsert("d", spec, [row("more")]),
        ]
        threads = [threading.Thread(target=work, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for _ in range(2):
            broken_flush()
            store.upsert("c", spec, [row("x")])
            with pytest.raises(StoreWriteError):
                store.flush("c")
            time.sleep(0.1)
        done.set()
        for thread in threads:
            thread.join()
        assert [error for error in errors if not isinstance(error, StoreWriteError)] == []
        assert (store.count("c"), store.count("d")) == (51, 51)


def test_a_full_disk_is_seen_before_a_write(
    path: Path, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(path.parent)
    with Store.open(str(path)) as store:
        store.create("c", spec)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
        with pytest.raises(StoreWriteError, match=r"1,000,000 bytes free .* nothing was written"):
            store.upsert("c", spec, [row("a")])
        assert store.count("c") == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing(
    small_disk: Path, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearclass.store.session.check_free_space", lambda *_: None)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 2_000_000)
    kept: list[str] = []
    with Store.open(str(small_disk / "store")) as store:
        store.create("c", spec)
        with pytest.raises(StoreWriteError):
            for batch in range(1000):
                rows = [row(f"{batch}-{i}", name="x" * 400) for i in range(200)]
                store.upsert("c", spec, rows)
                kept += [found["key"] for found in rows]
        ballast.unlink()
    with Store.open(str(small_disk / "store")) as store:
        stored = {found["key"] for found in store.query("c", fields=[])}
        assert set(kept) <= stored
        store.upsert("c", spec, [row("last")])
        assert store.count("c") == len(stored) + 1
    assert len(kept) > 1000


# Files


def test_an_unreadable_index_is_built_again(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.open(str(filled)) as store:
        store.flush()
    [index] = filled.glob("collections/c/partitions/*/indexes/*.idx")
    index.write_bytes(index.read_bytes()[:40])
    with caplog.at_level(logging.WARNING, "nearclass.store"), Store.open(str(filled)) as store:
        assert len(store.search("c", np.eye(8, dtype=np.float32), 20)[0]) == 20
        assert "is built again" in store.recovery_notes[0]
    assert "is built again" in caplog.text
    assert len(list(filled.glob("collections/c/partitions/*/indexes/*.unreadable-*"))) == 1
    with Store.open(str(filled)) as store:
        assert store.recovery_notes == []


def test_a_released_collection_is_loaded_again(
    lite: Store, lite_things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    lite.upsert(lite_things, spec, [row("a")])
    client = lite._session._client
    assert client is not None
    client.release_collection(lite_things, timeout=5)
    assert [hit.key for hit in lite.search(lite_things, np.eye(8, dtype=np.float32), 1)[0]] == ["a"]
    client.release_collection(lite_things, timeout=5)
    assert lite.query(lite_things, fields=["name"]) == [{"key": "a", "name": ""}]


def test_rows_cut_off_by_a_crash_are_reported(path: Path, run_python: Run, caplog: pytest.LogCaptureFixture) -> None:
    program = PROGRAM + "store.upsert('c', SPEC, rows('a', 50)); store.upsert('c', SPEC, rows('b', 50)); die()"
    run_python(program, str(path))
    [log] = path.glob("collections/c/wal/wal_data_*.arrow")
    log.write_bytes(log.read_bytes()[:-2000])
    with caplog.at_level(logging.WARNING, "nearclass.store"), Store.open(str(path)) as store:
        assert store.count("c") == 50
        assert "WAL recovery stopped" in store.recovery_notes[0]
    assert "WAL recovery stopped" in caplog.text


@pytest.mark.parametrize("file", ["aliases.json", "collections/c/schema.json", "collections/c/manifest.json"])
def test_a_damaged_file_is_named_and_nothing_is_deleted(filled: Path, file: str) -> None:
    text = (filled / file).read_bytes()
    (filled / file).write_bytes(text[: len(text) // 2])
    before = sorted(filled.rglob("*.parquet"))
    with pytest.raises(StoreDamagedError, match=re.escape(str(filled / file))):
        Store.open(str(filled))
    assert sorted(filled.rglob("*.parquet")) == before
    (filled / file).write_bytes(text)
    assert count(filled, "a") == 20


def test_a_lost_manifest_does_not_delete_the_rows(filled: Path) -> None:
    manifest = filled / "collections" / "c" / "manifest.json"
    text = manifest.read_bytes()
    manifest.unlink()
    with pytest.raises(StoreDamagedError, match=r"manifest.json is missing.*1 data files"):
        Store.open(str(filled))
    manifest.write_bytes(text)
    assert count(filled) == 20


def test_a_cut_off_data_file_is_named(filled: Path) -> None:
    [file] = filled.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(StoreDamagedError, match=f"{file.name} is cut off"):
        Store.open(str(filled))


def test_files_that_a_crash_left_unfinished_are_no_damage(filled: Path, spec: CollectionSpec) -> None:
    [file] = filled.rglob("data/*.parquet")
    file.with_name("data_999998_999999.parquet").write_bytes(b"PAR1 and then the process died")
    (filled / "collections" / "begun" / "wal").mkdir(parents=True)
    (filled / "collections" / "named").mkdir()
    (filled / "collections" / "named" / "schema.json.tmp").write_bytes(b"{")
    with Store.open(str(filled)) as store:
        assert store.count("c") == 20
        assert store.recovery_notes == []
        assert store.collections() == ["c"]
        store.create("begun", spec)
        store.create("named", spec)


@pytest.mark.parametrize("survivor", ["schema.json", "partitions"])
def test_a_drop_that_a_crash_interrupted_is_finished(filled: Path, survivor: str, spec: CollectionSpec) -> None:
    with Store.open(str(filled)) as store:
        store.create("other", spec)
    folder = filled / "collections" / "c"
    for path in folder.iterdir():
        if path.name != survivor:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (filled / "c.dropping").touch()
    with Store.open(str(filled)) as store:
        assert store.collections() == ["other"]
        store.point("a", "other")
        store.create("c", spec)
        assert store.count("c") == 0
        store.drop("c")
    assert list(filled.glob("*.dropping")) == []


def test_a_collection_without_its_index_gets_it(path: Path, spec: CollectionSpec, row: MakeRow) -> None:
    with Store.open(str(path)) as store:
        client = store._session._client
        client.create_collection("c", schema=schema_of(spec), timeout=5)
        store.create("c", spec)
        assert client.list_indexes("c") == ["vector"]
        store.upsert("c", spec, [row("a")])


def test_a_kill_at_any_moment_loses_nothing_acknowledged(path: Path) -> None:
    program = (
        PROGRAM
        + """
import itertools
name = sys.argv[2]
for i in itertools.count():
    store.upsert("c", SPEC, rows(f"{name}-{i}", 30))
    print(i, flush=True)
    if i % 4 == 3: store.flush("c")
"""
    )
    acknowledged = 0
    for round_ in range(2):
        command = [sys.executable, "-c", program, str(path), str(round_)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if int(line) == 20 + 11 * round_:
                    process.kill()
            acknowledged += int(line) + 1
        with Store.open(str(path)) as store:
            assert store.recovery_notes == []
            assert acknowledged * 30 <= store.count("c") <= (acknowledged + round_ + 1) * 30


def test_a_lost_data_file_is_reported(filled: Path) -> None:
    [file] = filled.rglob("*.parquet")
    file.unlink()
    with Store.open(str(filled)) as store:
        assert any("manifest references missing data file" in note for note in store.recovery_notes)


def test_a_file_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(StoreError, match=r"Milvus Lite 2\.x"):
        Store.open(str(tmp_path / "old.db"))


def test_errors_leave_nothing_on_stderr(path: Path, run_python: Run) -> None:
    done = run_python(
        PROGRAM
        + """
from nearclass.errors import StoreError
for call in (lambda: store.query("nowhere", fields=[]), lambda: store.search("c", np.ones((1, 3)), 1)):
    try: call()
    except StoreError as error: print(type(error).__name__)
store.close()
""",
        str(path),
    )
    assert (done.stdout.splitlines()[0], done.stderr) == (CollectionMissingError.__name__, "")
