"""The service as a process: where it listens, and how it ends."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx2
import pytest

from nearclass import Catalog, Settings
from nearclass.cli.app import run


@pytest.fixture
def shop_uri(catalog):
    """A database with the classes of the shop, that nobody has open."""
    uri = catalog.settings.uri
    catalog.close()
    return uri


@contextlib.contextmanager
def served(uri, folder, *options):
    """The command in a process of its own, and its address."""
    environment = os.environ | {"NEARCLASS_URI": uri, "NEARCLASS_PRECISION": "float32"}
    line = [sys.executable, "-m", "nearclass", "serve", "--port", "0", *options]
    process = subprocess.Popen(line, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    log = []
    try:
        for text in process.stderr:
            log.append(text)
            if found := re.search(r"listening on (http://\S+)", text):
                break
        else:
            raise AssertionError("".join(log))
        reader = threading.Thread(target=lambda: log.extend(process.stderr), daemon=True)
        reader.start()
        _until_ready(found[1])
        yield process, found[1], log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def _until_ready(url):
    for _ in range(600):
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("it never got ready")


@pytest.mark.slow
def test_sigterm_under_load_loses_nothing_that_was_acknowledged(shop_uri, tmp_path):
    acknowledged, turned_away, broken = [], [], []
    with served(shop_uri, tmp_path, "--no-keys") as (process, url, log):

        def write(worker):
            with httpx2.Client(base_url=url, timeout=60) as client:
                for number in range(10_000):
                    item = {"id": f"w{worker}-{number}", "title": f"kettle {worker} {number}"}
                    try:
                        answer = client.post("/v1/items", json={"items": [item]})
                    except httpx2.TransportError as error:
                        broken.append(type(error).__name__)
                        return
                    if answer.status_code != 200:
                        turned_away.append(answer.status_code)
                        return
                    acknowledged.append(item["id"])

        writers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
        for one in writers:
            one.start()
        while len(acknowledged) < 30:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, "".join(log)
        for one in writers:
            one.join()
    assert set(turned_away) <= {503}
    # A connection that is closed between two requests is no loss; one that breaks within an answer would be.
    assert set(broken) <= {"ConnectError", "RemoteProtocolError", "ReadError"}
    assert not [line for line in log if "Traceback" in line]
    with Catalog.open(settings=Settings(uri=shop_uri)) as reopened:
        stored = {item.id for item in reopened.items().iterate()}
    assert len(acknowledged) >= 30
    assert not set(acknowledged) - stored


def test_a_service_needs_keys_unless_it_is_told_otherwise(shop_uri, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NEARCLASS_URI", shop_uri)
    assert run(["serve", "--port", "0"]) == 2
    assert "nearclass key add" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_keys_it_listens_on_this_machine_only(host, capsys):
    assert run(["serve", "--no-keys", "--host", host]) == 2
    error = capsys.readouterr().err
    assert host in error
    assert "next:" in error


def test_a_port_that_is_taken_is_named(shop_uri, capsys, monkeypatch):
    import socket

    monkeypatch.setenv("NEARCLASS_URI", shop_uri)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", "--no-keys", "--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err


def test_keys_are_made_shown_once_listed_and_revoked(shop_uri, capsys, monkeypatch):
    monkeypatch.setenv("NEARCLASS_URI", shop_uri)
    assert run(["key", "add", "robot", "--scope", "ingest", "--days", "2", "-o", "jsonl"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"].startswith(f"nc_{made['id']}_")
    assert run(["key", "revoke", made["id"]]) == 0
    capsys.readouterr()
    assert run(["key", "list", "-o", "jsonl"]) == 0
    listed = capsys.readouterr().out
    assert json.loads(listed)["revoked_at"]
    assert made["key"] not in listed
    assert run(["key", "revoke", "none"]) == 2
