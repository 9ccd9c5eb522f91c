"""A server that is gone, frozen, slow or locked: an error in time, and never a hang."""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from nearclass.errors import ConfigError, StoreError, StoreUnavailableError
from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import In
from nearclass.store import Store
from nearclass.store.connection import check_engine, import_client

MakeRow = Callable[..., dict[str, Any]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def pid_of(url: str) -> int:
    """Process that listens at a URL."""
    port = url.rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "--port" in command and port in command:
            return int(process.pid)
    pytest.fail("no server process found")


def freeze(pid: int) -> None:
    """Stop a process, and return when none of its threads runs any more: until then one may still answer."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    until = time.monotonic() + 10
    while any(one.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "T" for one in threads.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nobody_at_the_port_is_said_at_once_and_quietly(run_python: Run) -> None:
    program = """
import logging, time
logging.basicConfig()
from nearclass.errors import StoreUnavailableError
from nearclass.store import Store
start = time.monotonic()
try: Store.open("http://127.0.0.1:1")
except StoreUnavailableError as error: print(error.message, error.retryable, time.monotonic() - start < 3)
"""
    done = run_python(program)
    assert done.stderr == ""
    assert done.stdout == ("nobody listens at http://127.0.0.1:1: [Errno 111] Connection refused True True\n")


def test_a_host_that_does_not_exist_is_said() -> None:
    with (
        within(5),
        pytest.raises(StoreUnavailableError, match=r"nobody listens at http://nohost\.invalid:19530"),
    ):
        Store.open("http://nohost.invalid")


def test_a_port_that_never_answers_is_given_up_in_time() -> None:
    import_client()  # Which alone takes a good part of a second.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        with within(2.3), pytest.raises(StoreUnavailableError):
            Store.open(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=2.0)


def test_a_frozen_server_is_given_up_at_the_deadline(server: str, spec: CollectionSpec, row: MakeRow) -> None:
    deadline_s = 0.5
    with Store.open(server) as calm:
        calm.create("frozen", spec)
        calm.upsert("frozen", spec, [row("a")])
    with Store.open(server, timeout_s=deadline_s) as store:
        calls: list[Callable[[], Any]] = [
            lambda: store.query("frozen", fields=["name"]),
            lambda: store.search("frozen", np.eye(8, dtype=np.float32), 1),
            lambda: store.upsert("frozen", spec, [row("b")]),
            lambda: store.delete("frozen", In("key", ["b"])),
            lambda: store.count("frozen"),
            lambda: store.flush("frozen"),
            store.collections,
            lambda: store.resolve("frozen"),
            lambda: store.create("other", spec),
            lambda: store.point("alias", "frozen"),
            lambda: store.drop("frozen"),
        ]
        freeze(pid_of(server))
        try:
            for call in calls:
                with within(deadline_s * 1.1 + 0.2), pytest.raises(StoreUnavailableError, match=server):
                    call()
        finally:
            os.kill(pid_of(server), signal.SIGCONT)
        assert store.query("frozen", fields=["name"])[0] == {"key": "a", "name": ""}


def test_a_server_that_dies_is_noticed_by_every_later_call(
    mortal_server: str, spec: CollectionSpec, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.open(mortal_server, timeout_s=2.0) as store:
        store.create("mortal", spec)
        os.kill(pid_of(mortal_server), signal.SIGKILL)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                with within(4.5), pytest.raises(StoreUnavailableError):
                    store.count("mortal")
    assert caplog.text == ""


@pytest.mark.parametrize(("uri", "ca"), [("https://127.0.0.1:1", "nowhere.pem"), ("http://127.0.0.1:1", __file__)])
def test_a_certificate_must_exist_and_be_of_use(uri: str, ca: str) -> None:
    with pytest.raises(ConfigError, match="certificate"):
        Store.open(uri, tls_ca=Path(ca))


def test_credentials_are_not_shown() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        Store.open("http://me:s3cret@127.0.0.1:1")
    assert "s3cret" not in str(caught.value)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigError, match="scheme 'ftp'"):
        Store.open("ftp://host")


def test_a_flush_of_nothing_known_is_an_error(lite: Store) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        lite.flush("nowhere")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("milvus 2.2.16", "cannot replace rows"),
        ("milvus 1.1", "cannot replace rows"),
        ("milvus-lite 3.1.1", "repeats and drops rows"),
        ("milvus-lite 3.2.0", "repeats and drops rows"),
    ],
)
def test_an_engine_that_is_too_old_is_refused_when_it_is_opened(
    server: str, monkeypatch: pytest.MonkeyPatch, version: str, said: str
) -> None:
    monkeypatch.setattr("nearclass.store.session.version_of", lambda *_: version)
    with pytest.raises(StoreError, match=f"{version} at {server} {said}") as caught:
        Store.open(server)
    assert "or later" in caught.value.hint


@pytest.mark.parametrize("version", ["milvus 2.3.5-lite", "milvus 2.3", "milvus 3.0.1", "milvus master", "other 1.0"])
def test_any_other_engine_is_tried(version: str) -> None:
    check_engine(version, "http://host")
