"""Learning: time and peak memory of ``nearclass learn`` with many stored items, beside bare reading of their vectors.

The items are titles of a real shop, each several times with a number and a little noise on its vector, so that a
hundred thousand can be stored without embedding them all; the classes and their texts are the real ones.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import common
from common import Options, Table
from labelled import stock

SIZES = (10_000, 100_000)
QUICK_SIZES = (500,)
LABELS = 4000


def measure(options: Options) -> Iterator[Table]:
    """One table: without labels and with, at every size."""
    folder = options.folder(common.BIGBASKET)
    rows: list[list[common.Cell]] = []
    with common.scratch() as scratch:
        for n in QUICK_SIZES if options.quick else options.more.sizes:
            uri = scratch / f"learn-{n}.db"
            reading = _stock(uri, folder, n)
            labels = scratch / "labels.jsonl"
            common.first_lines(folder / "items.jsonl", labels, min(LABELS, n))
            for how, more in (("no labels", ()), (f"{min(LABELS, n):,} labels", ("--labels", str(labels)))):
                command = common.nearclass(uri, "learn", "--dry-run", *more, "-o", "json")
                child = common.run_child(command, scratch)
                found = json.loads(child.output)
                rows.append([n, found["classes"], how, child.seconds, found["seconds"], reading, child.peak_mib])
    yield Table(
        "nearclass learn --dry-run, embedded",
        ("items", "classes", "with", "s in all", "s of learning", "s of bare reading", "peak RSS, MiB"),
        rows,
        [
            "In all: the process from start to end, the embedded engine's start and the encoder included.",
            "Bare reading: one scan of the stored vectors.",
            "Memory of the process and of the one in which labels are embedded before learning, looked at every 20 ms.",
        ],
    )


def _stock(uri: Path, folder: Path, n: int) -> float:
    """Store classes and items; seconds of reading all vectors back."""
    with stock.stocked(uri, folder, n) as catalog:
        place = catalog.items().stored._live.place  # noqa: SLF001 - what is timed is below the public face
        started = time.perf_counter()
        for _ in catalog.store.columns(place.items, fields=("vector",)):
            pass
        return time.perf_counter() - started


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items (default 10000 100000)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
