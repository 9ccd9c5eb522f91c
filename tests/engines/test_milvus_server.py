"""The server of the tests harms nobody: it is not on any network, and it ends with the tests."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import milvus_server
import numpy as np
import psutil
import pytest

from nearclass.schemas.collections import state_spec
from nearclass.store import Store

SCRIPT = Path(milvus_server.__file__)

pytestmark = pytest.mark.slow


def test_the_server_listens_at_no_address_of_this_machine(milvus):
    ports = {one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    assert milvus.startswith("unix://")
    assert not ports & {19530, 9091, 53100, 2379}


def test_the_server_ends_with_the_process_that_started_it(milvus, tmp_path):
    command = [sys.executable, str(SCRIPT), "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        below = psutil.Process(process.pid).children(recursive=True)
        assert said.startswith("unix://")
        assert "milvus" in {one.name() for one in below}
        os.kill(process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(below, timeout=20)
        shutil.rmtree(Path(said.split()[0].removeprefix("unix://")).parent)  # which the killed process could not do
        assert alive == []


def test_what_a_server_acknowledged_is_there_after_it_was_killed(milvus, tmp_path):
    spec, count = state_spec(), 500
    empty = {"vector": np.ones(spec.dim, np.float32), "kind": "", "name": "", "body": {}}
    with milvus_server.serving(database=tmp_path) as uri, Store.open(uri) as store:
        store.create("kept", spec)
        for start in range(0, count, 20):
            store.upsert("kept", spec, [{**empty, "key": f"{n:04}", "revision": n} for n in range(start, start + 20)])
    with milvus_server.serving(database=tmp_path) as uri, Store.open(uri, timeout_s=180) as store:
        assert [row["revision"] for row in store.query("kept", fields=["revision"])] == list(range(count))


def test_without_namespaces_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(milvus_server, "NAMESPACE", ("false",))
    with pytest.raises(milvus_server.NoNamespaceError, match="no network namespace can be made here"):
        milvus_server.namespace()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(milvus_server.NoNamespaceError, match="unshare and mount"):
        milvus_server.namespace()
