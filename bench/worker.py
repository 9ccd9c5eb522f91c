"""The worker: its rate beside the bare embedding of the same titles; with --chaos, what is left after many kills.

The rate is of one worker process that reads titles from Redis and writes to an embedded database. Chaos sends items
with vectors, in another order than their versions and some of them twice, to several workers on a server, kills workers
and the broker again and again, and compares what is stored with what one worker makes of the same events in order.
"""

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common
from common import Options, Table

STREAM, GROUP, SPACE = "bench.events", "bench", "given"
CLASSES, DIM = 100, 32
QUICK_TITLES, QUICK_EVENTS = 300, 2_000
WORKERS, WORKER_KILLS, BROKER_KILLS = 3, 20, 5
POISON, TWICE, DELETES = 0.01, 0.05, 0.15


def measure(options: Options) -> Iterator[Table]:
    """The rate, or the table of the chaos."""
    if shutil.which("redis-server") is None:
        raise common.SkippedError("redis-server is not installed")
    if options.more.chaos is None:
        yield _rate(options)
    else:
        yield _chaos(options, QUICK_EVENTS if options.quick else options.more.chaos)


# The rate


def _rate(options: Options) -> Table:
    from nearclass.schemas.records import Role

    source = options.folder(common.BIGBASKET)
    with common.scratch() as folder, ExitStack() as stack:
        rows = [json.loads(line) for line in (source / "items.jsonl").open(encoding="utf-8")]
        titles = [row["title"] for row in rows][: QUICK_TITLES if options.quick else options.more.n]
        encoder = common.make_encoder()
        database = folder / "shop.db"
        classes = _classes(database, source / "classes.jsonl", encoder)
        encoder.encode(titles[:256], Role.ITEM)
        bare = common.timed(lambda: encoder.encode(titles, Role.ITEM))
        redis = stack.enter_context(_redis(folder))
        seconds: dict[str, list[float]] = {"bare": [], "worker": []}
        for number in range(1 if options.quick else options.more.rounds):
            seconds["bare"].append(bare())
            again = folder / f"round{number}.db"
            shutil.copytree(database, again)
            seconds["worker"].append(_consume(redis, str(again), titles, f"{STREAM}.{number}"))
    median = {name: common.median(values) for name, values in seconds.items()}
    return Table(
        f"{len(titles):,} titles of bigbasket, {classes} classes, {encoder.running}",
        ("what", "titles/s", "s", "share of the bare rate", "rounds", "spread"),
        [
            [
                label,
                len(titles) / median[name],
                median[name],
                median["bare"] / median[name],
                len(values),
                common.spread(values),
            ]
            for (name, values), label in zip(seconds.items(), ("bare embedding", "worker"), strict=True)
        ],
        ["Worker: from the first event in Redis until every event is acknowledged; its model is loaded before."],
    )


def _classes(uri: Path, classes: Path, encoder: Any) -> int:
    from nearclass import Catalog
    from nearclass.ingest.class_files import open_classes
    from nearclass.settings import Settings

    with Catalog.open(settings=Settings(uri=str(uri)), encoder=encoder) as catalog:
        catalog.import_classes(open_classes(str(classes), catalog.classes.taxonomy).specs)
        return len(catalog.classes.taxonomy.assignable())


def _consume(redis: "Service", uri: str, titles: list[str], stream: str) -> float:
    """Seconds that a worker takes for titles."""
    bodies = [_event("item.upsert", f"t{number}", 1, {"title": title}) for number, title in enumerate(titles)]
    with _worker(uri, redis, stream) as worker:
        worker.ready()
        started = time.perf_counter()
        _send(redis, stream, bodies)
        _wait(lambda: _left(redis, stream) == 0, 3600)
        return time.perf_counter() - started


# Chaos


def _chaos(options: Options, count: int) -> Table:
    rng = random.Random(20261121)
    with common.scratch() as folder, ExitStack() as stack:
        redis = stack.enter_context(_redis(folder))
        server = None if options.more.uri else stack.enter_context(_milvus_lite(folder))
        uri = options.more.uri or f"http://127.0.0.1:{server.port}"
        corners = [[rng.gauss(0, 1) for _ in range(DIM)] for _ in range(CLASSES)]
        events = _history(rng, count, corners)
        poison = [b"poison %d" % number for number in range(int(count * POISON))]
        reference = _reference(folder / "reference.db", corners, events)
        _fill(uri, corners)
        sent = [*events, *rng.choices(events, k=int(count * TWICE)), *poison]
        sent = _shuffled(rng, sent)
        _send(redis, STREAM, sent)
        began = time.perf_counter()
        run = _Chaos(redis, uri, rng, len(sent))
        run.until_done()
        seconds = time.perf_counter() - began
        stored, doubled = _stored(uri)
        letters = [json.loads(body)["body"].encode() for body in _read(redis, f"{STREAM}.dead")]
    lost = sum(1 for name in reference if name not in stored)
    extra = sum(1 for name in stored if name not in reference)
    wrong = sum(1 for name, row in reference.items() if name in stored and stored[name] != row)
    memory = run.memory
    rows = [
        ["events sent, with duplicates and poison", len(sent)],
        ["items at the end", len(reference)],
        ["workers at a time", WORKERS],
        ["kill -9 of a worker", run.killed],
        ["kill -9 and restart of the broker", run.broken],
        ["items lost", lost],
        ["items that should be gone", extra],
        ["items with another content or answer", wrong],
        ["rows doubled", doubled],
        ["poison messages", len(poison)],
        ["of them in the dead letters", len(set(letters) & set(poison))],
        ["dead letters of good events", len(set(letters) - set(poison))],
        ["dead letters written twice", len(letters) - len(set(letters))],
        ["events per second", len(sent) / seconds],
        *[[f"memory of the worker that lives, MiB, at {share:.0%}", memory.get(share)] for share in (0.1, 0.5, 1.0)],
    ]
    where = "the server given" if options.more.uri else "milvus-lite server"
    notes = [
        f"Items with vectors of {DIM} dimensions in {CLASSES} classes, on {where}; Redis with an append-only file."
    ]
    return Table(f"Chaos with {count:,} events", ("what", "figure"), rows, notes)


def _history(rng: random.Random, count: int, corners: list[list[float]]) -> list[bytes]:
    """Events in the order of their source; each item changes some four times."""
    versions: Counter[str] = Counter()
    events = []
    for _ in range(count):
        name = f"i{rng.randrange(max(1, count // 4))}"
        versions[name] += 1
        if rng.random() < DELETES:
            events.append(_event("item.delete", name, versions[name]))
        else:
            vector = [round(one + rng.gauss(0, 0.3), 4) for one in rng.choice(corners)]
            row = {"title": f"{name} v{versions[name]}", "vector": vector}
            events.append(_event("item.upsert", name, versions[name], row))
    return events


def _shuffled(rng: random.Random, bodies: list[bytes]) -> list[bytes]:
    """Each a little away from its place, and one in fifty anywhere."""
    size = len(bodies)
    places = [rng.uniform(0, size) if rng.random() < 0.02 else place + rng.gauss(0, 200) for place in range(size)]
    return [body for _, body in sorted(zip(places, bodies, strict=True), key=lambda pair: pair[0])]


def _fill(uri: str, corners: list[list[float]]) -> None:
    from nearclass import Catalog, ClassSpec
    from nearclass.settings import Settings

    specs = [ClassSpec(f"c{number}", f"Class {number}", vector=tuple(one)) for number, one in enumerate(corners)]
    with Catalog.open(settings=Settings(uri=uri)) as catalog:
        catalog.classes.put(specs, text=False)
        catalog.import_vectors(specs, SPACE)


def _reference(uri: Path, corners: list[list[float]], events: list[bytes]) -> dict[str, Any]:
    """What is stored after one worker has had every event once and in order."""
    from nearclass import Catalog
    from nearclass.ingest.worker.applying import Applier
    from nearclass.ingest.worker.events import parse
    from nearclass.ingest.worker.target import CatalogTarget
    from nearclass.settings import Settings
    from nearclass.store.source_versions import NoClaims, Versions

    _fill(str(uri), corners)
    with Catalog.open(settings=Settings(uri=str(uri))) as catalog, catalog.writing(SPACE) as writer:
        target = CatalogTarget(writer, lambda: catalog.items(SPACE).stored, catalog.classes, lambda _: None)
        applier = Applier(target, Versions(catalog.store, "default"), NoClaims(), worker="one", space=SPACE)
        for start in range(0, len(events), 1000):
            applier.apply([parse(body, SPACE) for body in events[start : start + 1000]])
            applier.commit()
    return _stored(str(uri))[0]


def _stored(uri: str) -> tuple[dict[str, Any], int]:
    """Content and answer of every item, and how many rows there are beyond that."""
    from nearclass import Catalog
    from nearclass.settings import Settings

    with Catalog.open(settings=Settings(uri=uri)) as catalog:
        found, rows = {}, 0
        for one in catalog.items(SPACE).iterate():
            rows += 1
            found[one.id] = (one.title, one.class_id, one.decision, round(one.score, 4))
        return found, rows - len(found)


@dataclass
class _Chaos:
    """Workers on a stream, and what happens to them."""

    redis: "Service"
    uri: str
    rng: random.Random
    total: int
    killed: int = 0
    broken: int = 0
    memory: dict[float, float] = field(default_factory=dict)

    def until_done(self) -> None:
        with ExitStack() as stack:
            workers = [
                stack.enter_context(_worker(self.uri, self.redis, STREAM, "--space", SPACE)) for _ in range(WORKERS)
            ]
            workers[0].ready()
            while (left := self._left()) > 0:
                share = 1 - left / self.total
                self._remember(workers[0], share)
                if self.killed < WORKER_KILLS and share >= (self.killed + 1) / (WORKER_KILLS + 2):
                    self.killed += 1
                    place = self.rng.randrange(1, WORKERS)  # the first lives, to see its memory
                    workers[place].stop()
                    workers[place] = stack.enter_context(_worker(self.uri, self.redis, STREAM, "--space", SPACE))
                if self.broken < BROKER_KILLS and share >= (self.broken + 1) / (BROKER_KILLS + 2):
                    self.broken += 1
                    self.redis.stop()
                    time.sleep(self.rng.uniform(0.2, 2.0))
                    self.redis.start()
                time.sleep(0.2)
            self._remember(workers[0], 1.0)

    def _left(self) -> int:
        import redis

        try:
            return _left(self.redis, STREAM)
        except redis.RedisError:
            return self.total

    def _remember(self, worker: "Worker", share: float) -> None:
        import psutil

        for mark in (0.1, 0.5, 1.0):
            if share >= mark and mark not in self.memory:
                self.memory[mark] = psutil.Process(worker.process.pid).memory_info().rss / (1 << 20)


# Processes


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
        _wait(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, 60)

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
        _wait(lambda: "health and metrics at " in self.log.read_text(), 120)
        url = self.log.read_text().split("health and metrics at ")[1].split()[0]
        _wait(lambda: _answers(f"{url}/readyz"), 120)

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


def _redis(folder: Path) -> Any:
    options = ["--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]
    return _service(lambda port: ["redis-server", "--port", str(port), *options], folder / "redis")


def _milvus_lite(folder: Path) -> Any:
    program = str(Path(sys.executable).with_name("milvus-lite"))
    where = ["--data-dir", str(folder / "lite" / "data"), "--host", "127.0.0.1", "--max-workers", "1"]
    return _service(lambda port: [program, "server", *where, "--port", str(port)], folder / "lite")


@contextmanager
def _worker(uri: str, redis: Service, stream: str, *options: str) -> Iterator[Worker]:
    log = redis.folder / f"worker{time.monotonic_ns()}"
    command = [sys.executable, "-m", "nearclass", "--uri", uri, "worker", f"redis://127.0.0.1:{redis.port}"]
    command += ["--stream", stream, "--group", GROUP, "--listen", "127.0.0.1:0", "--reclaim-s", "5", *options]
    if "--space" in options:
        command += ["--dead-letters", f"{STREAM}.dead"]
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


def _wait(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s in vain")
        time.sleep(0.05)


def _event(kind: str, name: str, version: int, item: Any = None) -> bytes:
    row = {"event": kind, "id": name, "version": version}
    return json.dumps(row if item is None else {**row, "item": item}).encode()


def _send(redis: Service, stream: str, bodies: list[bytes]) -> None:
    with _client(redis) as client:
        for start in range(0, len(bodies), 1000):
            with client.pipeline(transaction=False) as pipe:
                for body in bodies[start : start + 1000]:
                    pipe.xadd(stream, {"data": body})
                pipe.execute()


def _read(redis: Service, stream: str) -> list[bytes]:
    with _client(redis) as client:
        return [fields[b"data"] for _, fields in client.xrange(stream)]


def _left(redis: Service, stream: str) -> int:
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


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=12_413, help="titles (default 12413, all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the rate (default 3)")
    parser.add_argument("--chaos", type=int, nargs="?", const=100_000, metavar="EVENTS", help="kills; default 100000")
    parser.add_argument(
        "--uri", metavar="URL", help="server for --chaos, an empty catalogue; default: milvus-lite's own"
    )


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
