"""The service under load: throughput of single texts, latency at half load, overload, a stop in the middle of writes.

The server is ``nearclass serve`` in a process of its own, the load comes from this process over loopback, and both
share the machine's cores. Bare embedding is timed before, alone: one call with all texts of sentence-transformers, and one
of our own encoder, which is faster.
"""

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import common
import load
import psutil
import uvloop
from common import OURS, PEER, Options, Table

CLIENTS = 32
OVERLOAD = 5
ROUND_S = 15.0
QUICK_S = 3.0
TEXTS = 2048
BARE = {
    PEER: "peer = common.make_peer(); encode = lambda texts: common.encode_by_peer(peer, texts)",
    OURS: "ours = common.make_encoder(); encode = lambda texts: ours.encode(texts, Role.ITEM)",
}


def measure(options: Options) -> Iterator[Table]:
    """Requests, a stop, and with --fuzz requests that nobody would write."""
    folder = options.folder(common.BIGBASKET)
    seconds = QUICK_S if options.quick else options.more.seconds
    with common.scratch() as scratch:
        uri = scratch / "bench.db"
        common.run_child(common.nearclass(uri, "classes", "import", str(folder / "classes.jsonl")), scratch)
        texts = common.texts_of(folder / "items.jsonl", 256 if options.quick else TEXTS)
        bare = {name: _bare(folder, len(texts), name) for name in BARE}
        with served(uri, scratch) as server:
            yield _requests(server, texts, bare, seconds)
        with served(uri, scratch) as server:
            yield _stopped(server, uri, texts)
        if options.more.fuzz:
            with served(uri, scratch) as server:
                yield _fuzzed(server, options.more.fuzz)


def _bare(folder: Path, n: int, name: str) -> float:
    """Texts a second of one call of an encoder with all of them, in a process of its own."""
    code = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r}); import common; from pathlib import Path;"
        f"from nearclass.schemas.records import Role; {BARE[name]};"
        f"t = common.texts_of(Path({str(folder / 'items.jsonl')!r}), {n}); encode(t[:64]);"
        "s = time.perf_counter(); encode(t); print(len(t) / (time.perf_counter() - s))"
    )
    return float(common.run_child([sys.executable, "-c", code], Path.cwd()).output.split()[-1])


@dataclass
class Server:
    """A running service."""

    process: "subprocess.Popen[str]"
    port: int
    log: list[str]

    def memory_mib(self) -> float:
        """What it and the process of its encoder hold in memory now."""
        own = psutil.Process(self.process.pid)
        return sum(float(one.memory_info().rss) for one in (own, *own.children())) / 2**20


@contextmanager
def served(uri: Path, folder: Path) -> Iterator[Server]:
    """The service on a free port, without keys and with a quiet log."""
    line = common.nearclass(uri, "serve", "--no-keys", "--port", "0", "--log-level", "info")
    process = subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    for text in process.stderr or ():
        log.append(text)
        if found := re.search(r"listening on http://\S+:(\d+)", text):
            break
    else:
        sys.exit("".join(log))
    threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True).start()
    try:
        _until_ready(int(found[1]))
        yield Server(process, int(found[1]), log)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def _until_ready(port: int) -> None:
    body = load.request("/v1/assign", {"texts": ["warm up"]}, port)
    for _ in range(600):
        try:
            if uvloop.run(load.Connection(port).send(body))[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("the service never got ready")


def _requests(server: Server, texts: list[str], bare: dict[str, float], seconds: float) -> Table:
    requests = [load.request("/v1/assign", {"texts": [text]}, server.port) for text in texts]
    rows: list[list[common.Cell]] = [
        [name, rate, rate / bare[PEER], rate / bare[OURS], None, None, None, None, None] for name, rate in bare.items()
    ]

    def row(name: str, found: load.Load, single: float | None = None) -> None:
        refused = found.statuses[503] + found.statuses[429]
        other = sum(found.statuses.values()) - refused - found.statuses[200]
        p95 = found.at(0.95)
        ratio = None if single is None else p95 / single
        rows.append(
            [
                name,
                found.good,
                found.good / bare[PEER],
                found.good / bare[OURS],
                1000 * found.at(0.5),
                1000 * p95,
                ratio,
                refused,
                other + found.unsent,
            ]
        )
        memory.append(server.memory_mib())

    memory: list[float] = []
    uvloop.run(load.closed_loop(server.port, requests, CLIENTS, min(3.0, seconds)))  # every class's evidence is read
    one = uvloop.run(load.closed_loop(server.port, requests, 1, seconds))
    single = one.at(0.5)
    row("1 client", one, single)
    full = uvloop.run(load.closed_loop(server.port, requests, CLIENTS, seconds))
    row(f"{CLIENTS} clients", full, single)
    row("half of that rate", uvloop.run(load.open_loop(server.port, requests, full.good / 2, seconds)), single)
    row(f"{OVERLOAD} times that rate", uvloop.run(load.open_loop(server.port, requests, OVERLOAD * full.good, seconds)))
    row(
        f"{OVERLOAD * CLIENTS} clients",
        uvloop.run(load.closed_loop(server.port, requests, OVERLOAD * CLIENTS, seconds)),
    )
    columns = (
        "load", "answers/s", "of sentence-transformers", "of our encoder", "p50 ms", "p95 ms", "p95 / single", "503",
        "failed or unsent",
    )  # fmt: skip
    notes = [
        f"Single texts of bigbasket's items, 597 classes, {seconds:.0f} s each; 'single' is the p50 of 1 client.",
        f"Memory of the server after each load: {', '.join(f'{one:,.0f}' for one in memory)} MiB.",
    ]
    return Table("Single-text requests", columns, rows, notes)


def _stopped(server: Server, uri: Path, texts: list[str]) -> Table:
    def make(client: int, number: int) -> bytes:
        item = {"id": f"w{client}-{number}", "text": texts[(client * 31 + number) % len(texts)]}
        return load.request("/v1/items", {"items": [item]}, server.port)

    async def run() -> tuple[list[tuple[int, int]], float]:
        enough = asyncio.Event()
        task = asyncio.create_task(load.writers(server.port, make, 16, enough))
        await enough.wait()
        started = time.perf_counter()
        os.kill(server.process.pid, signal.SIGTERM)
        return await task, started

    acknowledged, started = uvloop.run(run())
    code = server.process.wait(60)
    took_s = time.perf_counter() - started
    from nearclass import Catalog, Settings

    with Catalog.open(settings=Settings(uri=str(uri))) as catalog:
        stored = {item.id for item in catalog.items().iterate()}
    lost = sum(f"w{client}-{number}" not in stored for client, number in acknowledged)
    columns = ("acknowledged", "lost", "stored", "s to end", "exit code")
    return Table("SIGTERM while 16 clients write", columns, [[len(acknowledged), lost, len(stored), took_s, code]])


def _fuzzed(server: Server, n: int) -> Table:
    import hypothesis
    import schemathesis
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi.checks import status_code_conformance

    url = f"http://127.0.0.1:{server.port}"
    operations = [one.ok() for one in schemathesis.openapi.from_url(f"{url}/v1/openapi.json").get_all_operations()]
    sent, failed, undocumented = 0, 0, 0

    def ask(case) -> None:
        nonlocal sent, failed, undocumented
        answer = case.call(base_url=url)
        sent += 1
        failed += answer.status_code >= 500 and answer.status_code != 503
        try:
            case.validate_response(answer, checks=[status_code_conformance])
        except FailureGroup:
            undocumented += 1
            print(f"undocumented: {case.method} {case.path} {answer.status_code}", file=sys.stderr)

    while sent < n:  # an operation without parameters has one request only
        settings = hypothesis.settings(
            max_examples=max(1, (n - sent) // len(operations)), deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
        )  # fmt: skip
        for operation in operations:
            settings(hypothesis.given(case=operation.as_strategy())(ask))()
    rows = [[len(operations), sent, failed, undocumented]]
    return Table("Made-up requests", ("operations", "requests", "server errors", "undocumented answers"), rows)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=ROUND_S, help=f"of each load (default {ROUND_S:g})")
    parser.add_argument("--fuzz", type=int, default=0, metavar="N", help="also send N made-up requests")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
