"""What is left of many events after kills of workers and broker, beside what one worker makes of them in order."""

import json
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common
from common import Table
from worker_processes import Service, Worker, event, left, milvus_lite, read, redis_server, running_worker, send

STREAM, SPACE = "bench.events", "given"
CLASSES, DIM = 100, 32
WORKERS, WORKER_KILLS, BROKER_KILLS = 3, 20, 5
POISON, TWICE, DELETES = 0.01, 0.05, 0.15
MARKS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def chaos(count: int, uri: str | None) -> Table:
    """Send events, kill what there is, and compare; to a server of its own, or to an empty catalogue at ``uri``."""
    rng = random.Random(20261121)
    with common.scratch() as folder, ExitStack() as stack:
        redis = stack.enter_context(redis_server(folder))
        server = None if uri else stack.enter_context(milvus_lite(folder))
        where = uri or f"http://127.0.0.1:{server.port}"
        corners = [[rng.gauss(0, 1) for _ in range(DIM)] for _ in range(CLASSES)]
        events = _history(rng, count, corners)
        poison = [b"poison %d" % number for number in range(int(count * POISON))]
        reference = _reference(folder / "reference.db", corners, events)
        _fill(where, corners)
        sent = [*events, *rng.choices(events, k=int(count * TWICE)), *poison]
        sent = _shuffled(rng, sent)
        send(redis, STREAM, sent)
        began = time.perf_counter()
        run = _Chaos(redis, where, rng, len(sent))
        run.until_done()
        seconds = time.perf_counter() - began
        stored, doubled = _stored(where)
        letters = [json.loads(body)["body"].encode() for body in read(redis, f"{STREAM}.dead")]
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
        *[[f"memory of the worker that lives, MiB, at {share:.0%}", memory.get(share)] for share in MARKS],
    ]
    engine = "the server given" if uri else "milvus-lite server"
    notes = [
        f"Items with vectors of {DIM} dimensions in {CLASSES} classes, on {engine}; Redis with an append-only file."
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
            events.append(event("item.delete", name, versions[name]))
        else:
            vector = [round(one + rng.gauss(0, 0.3), 4) for one in rng.choice(corners)]
            row = {"title": f"{name} v{versions[name]}", "vector": vector}
            events.append(event("item.upsert", name, versions[name], row))
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
    from nearclass.ingest.worker.applying import Applier, Site
    from nearclass.ingest.worker.events import parse
    from nearclass.ingest.worker.target import CatalogTarget
    from nearclass.settings import Settings
    from nearclass.store.source_versions import NoClaims, Versions

    _fill(str(uri), corners)
    with Catalog.open(settings=Settings(uri=str(uri))) as catalog, catalog.writing(SPACE) as writer:
        target = CatalogTarget(writer, lambda: catalog.items(SPACE).stored, catalog.classes, lambda _: None)
        applier = Applier(Site(target, Versions(catalog.store, "default"), NoClaims(), "one", SPACE))
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

    redis: Service
    uri: str
    rng: random.Random
    total: int
    killed: int = 0
    broken: int = 0
    memory: dict[float, float] = field(default_factory=dict)

    def until_done(self) -> None:
        with ExitStack() as stack:
            workers = [
                stack.enter_context(running_worker(self.uri, self.redis, STREAM, "--space", SPACE))
                for _ in range(WORKERS)
            ]
            workers[0].ready()
            while (waiting := self._left()) > 0:
                share = 1 - waiting / self.total
                self._remember(workers[0], share)
                if self.killed < WORKER_KILLS and share >= (self.killed + 1) / (WORKER_KILLS + 2):
                    self.killed += 1
                    place = self.rng.randrange(1, WORKERS)  # the first lives, to see its memory
                    workers[place].stop()
                    workers[place] = stack.enter_context(running_worker(self.uri, self.redis, STREAM, "--space", SPACE))
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
            return left(self.redis, STREAM)
        except redis.RedisError:
            return self.total

    def _remember(self, worker: Worker, share: float) -> None:
        import psutil

        for mark in MARKS:
            if share >= mark and mark not in self.memory:
                self.memory[mark] = psutil.Process(worker.process.pid).memory_info().rss / (1 << 20)
