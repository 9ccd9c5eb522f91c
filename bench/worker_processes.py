"""Broker, server and workers as processes of their own, what is sent to them, and what is left of it."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GROUP = "bench"


@dataclass
class Service:
    """A server in a folder of its own; it may be killed and started again."""

    command: list[str]
    port: int
    folder: Path
    process: Any = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)
        wait(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, 60)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)


@dataclass
class Worker:
    """A worker process."""

    process: Any
    log: Path

    def ready(self) -> None:
        """Wait until it works."""
        wait(lambda: "health and metrics at " in self.log.read_text(), 120)
        url = self.log.read_text().split("health and metrics at ")[1].split()[0]
        wait(lambda: _answers(f"{url}/readyz"), 120)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)


@contextmanager
def _service(command: Callable[[int], list[str]], folder: Path) -> Iterator[Service]:
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = Service(command(port), port, folder)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def redis_server(folder: Path) -> AbstractContextManager[Service]:
    """A Redis with an append-only file."""
    options = ["--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]
    return _service(lambda port: ["redis-server", "--port", str(port), *options], folder / "redis")


def milvus_lite(folder: Path) -> AbstractContextManager[Service]:
    """A server of Milvus Lite, for several processes."""
    program = str(Path(sys.executable).with_name("milvus-lite"))
    where = ["--data-dir", str(folder / "lite" / "data"), "--host", "127.0.0.1", "--max-workers", "1"]
    return _service(lambda port: [program, "server", *where, "--port", str(port)], folder / "lite")


@contextmanager
def running_worker(uri: str, redis: Service, stream: str, *options: str) -> Iterator[Worker]:
    """A worker on a stream, killed in the end; its model is loaded by and by, see ``Worker.ready``."""
    log = redis.folder / f"worker{time.monotonic_ns()}"
    command = [sys.executable, "-m", "nearclass", "--uri", uri, "worker", f"redis://127.0.0.1:{redis.port}"]
    command += ["--stream", stream, "--group", GROUP, "--listen", "127.0.0.1:0", "--reclaim-s", "5", *options]
    with log.open("wb") as file:
        worker = Worker(subprocess.Popen(command, stdout=file, stderr=file), log)
    try:
        yield worker
    finally:
        worker.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def wait(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain")
        time.sleep(0.05)


def event(kind: str, name: str, version: int, item: Any = None) -> bytes:
    row = {"event": kind, "id": name, "version": version}
    return json.dumps(row if item is None else {**row, "item": item}).encode()


def send(redis: Service, stream: str, bodies: list[bytes]) -> None:
    with _client(redis) as client:
        for start in range(0, len(bodies), 1000):
            with client.pipeline(transaction=False) as pipe:
                for body in bodies[start : start + 1000]:
                    pipe.xadd(stream, {"data": body})
                pipe.execute()


def read(redis: Service, stream: str) -> list[bytes]:
    with _client(redis) as client:
        return [fields[b"data"] for _, fields in client.xrange(stream)]


def left(redis: Service, stream: str) -> int:
    """Events of a stream that are not acknowledged."""
    with _client(redis) as client:
        groups = client.xinfo_groups(stream) if client.exists(stream) else []
        if not groups:
            return client.xlen(stream)
        pending, last = int(groups[0]["pending"]), groups[0]["last-delivered-id"]
        if last == client.xinfo_stream(stream)["last-generated-id"]:
            return pending
        # Redis loses count of what was read when it is killed: the number is a guess, the last id is not.
        return pending + max(1, client.xlen(stream) - int(groups[0]["entries-read"] or 0))


def _client(redis: Service) -> Any:
    import redis as client

    return client.Redis(port=redis.port)
