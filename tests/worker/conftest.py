"""Worker processes on real brokers, with classes and items that bring their vectors."""

import importlib.util
import itertools
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from nearclass import Catalog, ClassSpec, Settings

_spec = importlib.util.spec_from_file_location("worker_brokers", Path(__file__).with_name("brokers.py"))
brokers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(brokers)

_numbers = itertools.count()

STREAM = "shop.events"
GROUP = "workers"
SPACE = "given"
DIM = 4
CORNERS = {"kettles": 0, "boots": 1, "spades": 2}


def vector(name, lean=0.1):
    """Near a class, and a little to the side."""
    found = [0.0] * DIM
    found[CORNERS[name]] = 1.0
    found[DIM - 1] = lean
    return found


def item(name, version, near="kettles", **fields):
    row = {"title": f"{name} v{version}", "vector": vector(near), **fields}
    return json.dumps({"event": "item.upsert", "id": name, "version": version, "item": row}).encode()


def gone(name, version):
    return json.dumps({"event": "item.delete", "id": name, "version": version}).encode()


class Worker:
    """A worker process."""

    def __init__(self, uri, broker, *options, stream=STREAM, reclaim_s=3):
        command = [sys.executable, "-m", "nearclass", "--uri", str(uri), "worker", broker.url, "--stream", stream]
        command += ["--group", GROUP, "--space", SPACE, "--flush-s", "0.2", "--listen", "127.0.0.1:0"]
        command += ["--reclaim-s", str(reclaim_s), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""

    def url(self):
        """Where its health is; waits until it says so."""
        while "health and metrics at " not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        return self.said.split("health and metrics at ")[1].split()[0]

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url() + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, number=signal.SIGTERM, seconds=30):
        """Tell it to end; its code and its counts."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=seconds)
        self.said += err
        return self.process.returncode, json.loads(out) if out else {}

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture(
    scope="module",
    params=["redis", pytest.param("nats", marks=pytest.mark.slow), pytest.param("rabbit", marks=pytest.mark.slow)],
)
def broker(request, tmp_path_factory):
    """A broker for all tests of a module, each of which has a stream of its own: RabbitMQ takes seconds to start."""
    found = brokers.BROKERS[request.param](tmp_path_factory.mktemp("broker"))
    found.start()
    yield found
    found.close()


@pytest.fixture
def database(tmp_path):
    """An embedded database with three classes as vectors."""
    path = tmp_path / "shop.db"
    fill(str(path))
    return path


def fill(uri):
    specs = [ClassSpec(name, name.title(), vector=tuple(vector(name, 0.0))) for name in CORNERS]
    with Catalog.open(settings=Settings(uri=uri)) as catalog:
        catalog.classes.put(specs, text=False)
        catalog.import_vectors(specs, SPACE)


def stored(uri):
    """Title and class of every stored item."""
    with Catalog.open(settings=Settings(uri=str(uri))) as catalog:
        found = list(catalog.items(SPACE).iterate())
        assert len({one.id for one in found}) == len(found)
        return {one.id: (one.title, one.class_id) for one in found}


@pytest.fixture
def start():
    """Starts workers and ends those that a test leaves."""
    begun = []

    def start_(*args, **kwargs):
        begun.append(Worker(*args, **kwargs))
        return begun[-1]

    yield start_
    for one in begun:
        one.close()


@pytest.fixture
def site(broker, database, start):
    """What a test of one worker needs."""
    from types import SimpleNamespace

    stream = f"shop{next(_numbers)}.events"
    return SimpleNamespace(
        broker=broker,
        stream=stream,
        database=database,
        start=lambda *options, **kwargs: start(database, broker, *options, stream=stream, **kwargs),
        send=lambda *bodies: broker.send(stream, bodies),
        done=lambda worker: brokers.wait_for(
            lambda: broker.left(stream, GROUP) == 0 and "in_hand 0.0" in worker.get("/metrics")[1],
            "every message is acknowledged",
            90,
        ),
        dead=lambda: [json.loads(one) for one in broker.read(f"{stream}.dead")],
        answers=lambda: [json.loads(one) for one in broker.read(f"{stream}.assignments")],
        stored=lambda: stored(database),
        item=item,
        gone=gone,
        wait_for=brokers.wait_for,
    )


@pytest.fixture(scope="session")
def tools():
    """What this folder's tests share."""
    from types import SimpleNamespace

    return SimpleNamespace(
        brokers=brokers, fill=fill, stored=stored, item=item, gone=gone, STREAM=STREAM, GROUP=GROUP, CORNERS=CORNERS
    )
