"""The server of the tests harms nobody: it is not on any network, and it ends with the tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import milvus_server
import psutil
import pytest

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
        assert alive == []


def test_without_namespaces_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(milvus_server, "NAMESPACE", ("false",))
    with pytest.raises(milvus_server.NoNamespaceError, match="no network namespace can be made here"):
        milvus_server.namespace()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(milvus_server.NoNamespaceError, match="unshare and mount"):
        milvus_server.namespace()
