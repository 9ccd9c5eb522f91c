"""Stores to test against: the embedded engine, and the same contract behind a URL."""

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearclass.schemas.collections import CollectionSpec, FieldSpec, FieldType
from nearclass.schemas.filters import Compare
from nearclass.store import Store

DIM = 8

SPEC = CollectionSpec(
    "things",
    DIM,
    (
        FieldSpec("name", FieldType.TEXT, 400),
        FieldSpec("rank", FieldType.INT),
        FieldSpec("weight", FieldType.FLOAT),
        FieldSpec("attributes", FieldType.JSON),
    ),
)

Row = dict[str, Any]


def _row(key: str, **fields: Any) -> Row:
    """A row of ``SPEC`` whose vector is a unit vector chosen by its rank."""
    rank = int(fields.get("rank", 0))
    vector = np.zeros(DIM, np.float32)
    vector[rank % DIM] = 1.0
    return {"key": key, "vector": vector, "name": "", "rank": rank, "weight": 0.0, "attributes": {}} | fields


@pytest.fixture(scope="session")
def spec() -> CollectionSpec:
    return SPEC


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    return _row


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Milvus Lite server in a process of its own."""
    with _serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[str]:
    """URL of another one, which may be killed."""
    with _serving(tmp_path) as url:
        yield url


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("milvus-lite")),
        "server",
        "--data-dir",
        str(folder / "data"),
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-workers", "1"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
        process.kill()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not start within 30 s")


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("lite") / "store")) as opened:
        yield opened


@pytest.fixture(
    scope="module",
    params=["lite", "url", pytest.param("milvus", marks=pytest.mark.slow)],
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each engine in turn: Milvus Lite in this process and in another one, and a Milvus server."""
    if request.param == "lite":
        yield request.getfixturevalue("lite")
    else:
        with Store.open(request.getfixturevalue("server" if request.param == "url" else "milvus")) as opened:
            yield opened


_numbers = itertools.count()


@pytest.fixture
def fresh() -> str:
    """A name that no other test uses."""
    return f"c{next(_numbers)}"


@pytest.fixture(scope="module")
def _shared_things(store: Store) -> str:
    name = f"c{next(_numbers)}"
    store.create(name, SPEC)
    return name


@pytest.fixture
def things(store: Store, _shared_things: str) -> Iterator[str]:
    """An empty collection of ``SPEC``, the same for all tests of a module: a server needs 3 s to make one."""
    yield _shared_things
    if store.resolve(_shared_things) is None:
        store.create(_shared_things, SPEC)
    store.delete(_shared_things, Compare("key", ">", ""))
    assert store.count(_shared_things) == 0


@pytest.fixture
def lite_things(lite: Store, fresh: str) -> str:
    """An empty collection of ``SPEC`` in the embedded store."""
    lite.create(fresh, SPEC)
    return fresh


@pytest.fixture(scope="session")
def run_python() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a program in a process of its own."""

    def run(
        program: str, *arguments: str, timeout_s: float = 60.0, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **options)

    return run
