"""The worker: its rate beside the bare embedding of the same titles; with --chaos, what is left after many kills.

The rate is of one worker process that reads titles from Redis and writes to an embedded database. It stands beside that
of one call of sentence-transformers with all titles, and of one call of our own encoder, which is faster. Chaos sends items
with vectors, in another order than their versions and some of them twice, to several workers on a server, kills workers
and the broker again and again, and compares what is stored with what one worker makes of the same events in order.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import common
from common import OURS, PEER, Options, Table
from worker_chaos import chaos
from worker_processes import Service, event, left, redis_server, running_worker, send, wait

QUICK_TITLES, QUICK_EVENTS = 300, 2_000
WORKER = "worker"


def measure(options: Options) -> Iterator[Table]:
    """The rate, or the table of the chaos."""
    if shutil.which("redis-server") is None:
        raise common.SkippedError("redis-server is not installed")
    if options.more.chaos is None:
        yield _rate(options)
    else:
        yield chaos(QUICK_EVENTS if options.quick else options.more.chaos, options.more.uri)


def _rate(options: Options) -> Table:
    from nearclass.schemas.records import Role

    source = options.folder(common.BIGBASKET)
    with common.scratch() as folder, ExitStack() as stack:
        rows = [json.loads(line) for line in (source / "items.jsonl").open(encoding="utf-8")]
        titles = [row["title"] for row in rows][: QUICK_TITLES if options.quick else options.more.n]
        encoder = common.make_encoder()
        database = folder / "shop.db"
        classes = _classes(database, source / "classes.jsonl", encoder)
        peer = common.make_peer()
        bare = {
            PEER: common.timed(lambda: common.encode_by_peer(peer, titles)),
            OURS: common.timed(lambda: encoder.encode(titles, Role.ITEM)),
        }
        encoder.encode(titles[:256], Role.ITEM)
        common.encode_by_peer(peer, titles[:256])
        redis = stack.enter_context(redis_server(folder))
        seconds: dict[str, list[float]] = {name: [] for name in (*bare, WORKER)}
        for number in range(1 if options.quick else options.more.rounds):
            for name, task in bare.items():
                seconds[name].append(task())
            again = folder / f"round{number}.db"
            shutil.copytree(database, again)
            seconds[WORKER].append(_consume(redis, str(again), titles, f"bench.titles.{number}"))
    median = {name: common.median(values) for name, values in seconds.items()}
    return Table(
        f"{len(titles):,} titles of bigbasket, {classes} classes, {encoder.running}",
        ("what", "titles/s", "s", "of sentence-transformers", "of our encoder", "rounds", "spread"),
        [
            [
                name,
                len(titles) / median[name],
                median[name],
                median[PEER] / median[name],
                median[OURS] / median[name],
                len(values),
                common.spread(values),
            ]
            for name, values in seconds.items()
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


def _consume(redis: Service, uri: str, titles: list[str], stream: str) -> float:
    """Seconds that a worker takes for titles."""
    bodies = [event("item.upsert", f"t{number}", 1, {"title": title}) for number, title in enumerate(titles)]
    with running_worker(uri, redis, stream) as worker:
        worker.ready()
        started = time.perf_counter()
        send(redis, stream, bodies)
        wait(lambda: left(redis, stream) == 0, 3600)
        return time.perf_counter() - started


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=12_413, help="titles (default 12413, all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the rate (default 3)")
    parser.add_argument("--chaos", type=int, nargs="?", const=100_000, metavar="EVENTS", help="kills; default 100000")
    parser.add_argument(
        "--uri", metavar="URL", help="server for --chaos, an empty catalogue; default: milvus-lite's own"
    )


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
