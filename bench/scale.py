"""Scale: rates, latencies, recall and memory of Milvus Lite and of a Milvus server as items and classes grow.

Vectors are made, unit and in 256 clusters, so no model is needed. The server is the binary of the package ``milvus``
(2.3.5) with its default settings, reached through a Unix socket that leads into its network namespace. Each case is
measured in a process of its own, with an empty database. All of it takes some ten minutes on two idle cores, and with
``--large`` some twenty-five. With ``--keep FILE`` it can be done in parts: what is in the file is not measured again.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import common
from common import Options, SkippedError, Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engines"))
import milvus_server

ITEMS = (10_000, 100_000)
LARGE = 500_000
CLASSES = (600, 10_000, 100_000)
QUICK_ITEMS, QUICK_CLASSES = (500, 2_000), (100, 600)
ENGINES = ("lite", "server")
CASE_S = 3_600.0
CASES = Path(__file__).with_name("scale_cases.py")

ITEM_COLUMNS = (
    "engine",
    "items",
    "insert rows/s",
    "index s",
    "1 search ms",
    "x",
    "of 1000, ms each",
    "filtered ms",
    "strong ms",
    "recall@1",
    "recall@10",
    "memory MiB",
)
CLASS_COLUMNS = (
    "engine",
    "classes",
    "insert rows/s",
    "1 search ms",
    "x",
    "of 64, ms each",
    "by the mirror, ms each",
    "recall@1",
)
ITEM_NOTES = (
    "Insert: upserts of 2,000 rows with a title, to the last acknowledged one, durable. Index: until all rows of the server are in its index.",
    "1 search: median of 200 for the ten nearest, each alone. x: times the size before. Filtered: to one item in twenty. Strong: seeing what was just written.",
    "Recall: share of the nearest, and of the ten nearest, that an exact search finds too. Memory: of the process that holds the rows, beyond the empty engine.",
)
CLASS_NOTES = (
    "Searches are those of `assign` without words, for five candidates: `MilvusSearch`, and `MirrorSearch` in this process, which is the default up to 50,000 classes.",
)


def measure(options: Options) -> Iterator[Table]:
    """A table of items and one of classes, each with every engine and size."""
    engines = [one for one in ENGINES if one in options.more.engines]
    if "server" in engines:
        try:
            milvus_server.namespace()
        except milvus_server.NoNamespaceError as error:
            print(f"Without the server: {error}\n", flush=True)
            engines.remove("server")
    if not engines:
        raise SkippedError("no engine is left to measure")
    items = QUICK_ITEMS if options.quick else options.more.items
    classes = QUICK_CLASSES if options.quick else options.more.classes
    kept = Kept(options.more.keep)
    yield Table("Stored items", ITEM_COLUMNS, list(_grown(_cases("items", engines, items, kept), 4)), ITEM_NOTES)
    yield Table("Classes", CLASS_COLUMNS, list(_grown(_cases("classes", engines, classes, kept), 3)), CLASS_NOTES)


def _cases(kind: str, engines: list[str], sizes: tuple[int, ...], kept: "Kept") -> Iterator[list[common.Cell]]:
    for engine in engines:
        for size in sizes:
            yield [engine, size, *kept.figures(kind, engine, size)]


class Kept:
    """Figures of cases, measured once; in a file, if one is given, so that a long table can be made bit by bit."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = json.loads(path.read_text()) if path is not None and path.exists() else {}

    def figures(self, kind: str, engine: str, size: int) -> list[common.Cell]:
        name = f"{kind}, {engine}, {size}"
        if name not in self._known:
            started = time.monotonic()
            command = [sys.executable, str(CASES), kind, engine, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=CASE_S)
            print(f"[{name}: {time.monotonic() - started:.0f} s]", file=sys.stderr, flush=True)
            self._known[name] = json.loads(done.stdout.splitlines()[-1])
            if self._path is not None:
                self._path.write_text(json.dumps(self._known))
        return list(self._known[name])


def _grown(rows: Iterator[list[common.Cell]], column: int) -> Iterator[list[common.Cell]]:
    """The rows with how many times the figure of the size before a figure is, after its column."""
    before: dict[common.Cell, float] = {}
    for row in rows:
        engine, now = row[0], float(row[column])
        yield [*row[: column + 1], round(now / before[engine], 1) if engine in before else None, *row[column + 1 :]]
        before[engine] = now


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", nargs="*", type=int, default=ITEMS, metavar="N", help=f"default: {ITEMS}")
    parser.add_argument("--classes", nargs="*", type=int, default=CLASSES, metavar="N", help=f"default: {CLASSES}")
    parser.add_argument(
        "--large", dest="items", action="store_const", const=(*ITEMS, LARGE), help="also half a million"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="take figures from this file, and add those that are measured"
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES, metavar="NAME")


if __name__ == "__main__":
    common.main(__doc__, measure, add_options)
