"""The pages of the service with ten thousand classes: how long each takes over loopback, and how much it brings.

A load is the page and, one after the other, all files of it, as for a browser that has none of them yet. Time is that
of a client that only reads; a browser draws besides.
"""

import argparse
import re
import time
import urllib.request
from collections.abc import Iterator

import common
from common import Options, Table

from serve import served

ROUNDS = 20
ITEMS = 5000
QUICK = 200
MOST_BYTES = 150_000
MOST_MS = 300.0


def measure(options: Options) -> Iterator[Table]:
    """Every page, again and again."""
    classes = options.folder(common.SHOPIFY) / "classes.jsonl"
    items = options.folder(common.BIGBASKET) / "items.jsonl"
    with common.scratch() as folder:
        uri = folder / "bench.db"
        if options.quick:
            short = folder / "classes.jsonl"
            common.first_lines(classes, short, QUICK)
            classes = short
        sample = folder / "items.jsonl"
        common.first_lines(items, sample, QUICK if options.quick else options.more.items)
        common.run_child(common.nearclass(uri, "classes", "import", str(classes)), folder, accept=(0, 3))
        common.run_child(common.nearclass(uri, "ingest", str(sample)), folder, accept=(0, 3))
        with served(uri, folder) as server:
            yield _pages(f"http://127.0.0.1:{server.port}", 3 if options.quick else ROUNDS)


def _pages(address: str, rounds: int) -> Table:
    tops = re.findall(r"/classes/branch\?id=([^\"&]+)", _get(address + "/classes").decode())
    widest = max(tops, key=lambda one: len(_get(f"{address}/classes/branch?id={one}")))
    views = {
        "overview": "/",
        "review": "/review",
        "review, in groups": "/review/groups",
        "try": "/try",
        "classes": "/classes",
        "the widest branch, opened": f"/classes/branch?id={widest}",
        "classes, found while typing": "/classes/find?q=supplies",
        "a class": f"/class?id={widest}",
        "a change": "/class/change?act=add",
        "discover": "/discover",
    }
    rows: list[list[common.Cell]] = []
    for name, path in views.items():
        times, size, parts = [], 0, 0
        _get(address + path)
        for _ in range(rounds):
            started = time.perf_counter()
            html = _get(address + path)
            files = [_get(address + one) for one in re.findall(r'(?:src|href)="(/static/[^"]+)"', html.decode())]
            times.append(1000 * (time.perf_counter() - started))
            size, parts = len(html) + sum(map(len, files)), len(html)
        slowest = max(times)
        rows.append([name, parts / 1000, size / 1000, common.median(times), slowest, _kept(size, common.median(times))])
    columns = (
        "page",
        "HTML, kB",
        "with its files, kB",
        "median, ms",
        "slowest, ms",
        f"< {MOST_BYTES // 1000} kB and {MOST_MS:g} ms",
    )
    return Table("Pages over loopback", columns, rows, [f"{rounds} loads each, nothing kept between them."])


def _kept(size: int, milliseconds: float) -> str:
    return "yes" if size < MOST_BYTES and milliseconds < MOST_MS else "no"


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return bytes(answer.read())


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=ITEMS, help=f"stored items (default {ITEMS:,})")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
