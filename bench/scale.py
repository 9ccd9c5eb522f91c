"""Scale: rates, latencies, recall and memory of Milvus Lite and of a Milvus server as items and classes grow.

Vectors are made, unit and in 256 clusters, so no model is needed. The server is the binary of the package ``milvus``
(2.3.5) with its default settings, reached through a Unix socket that leads into its network namespace. Each case is
measured in a process of its own, with an empty database. All of it takes some ten minutes on two idle cores, and with
``--large`` some twenty-five.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import common
import numpy as np
import psutil
from common import Options, SkippedError, Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engines"))
import milvus_server

DIM = 384
CLUSTERS = 256
SEED = 20_261_121
ITEMS = (10_000, 100_000)
LARGE = 500_000
CLASSES = (600, 10_000, 100_000)
QUICK_ITEMS, QUICK_CLASSES = (500, 2_000), (100, 600)
ENGINES = ("lite", "server")
BATCH = 2_000
QUERIES = 200
WIDE = 1_000
INDEX_S = 1_800.0
CASE_S = 3_600.0

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
    yield Table("Stored items", ITEM_COLUMNS, list(_grown(_cases("items", engines, items), 4)), ITEM_NOTES)
    yield Table("Classes", CLASS_COLUMNS, list(_grown(_cases("classes", engines, classes), 3)), CLASS_NOTES)


def _cases(kind: str, engines: list[str], sizes: tuple[int, ...]) -> Iterator[list[common.Cell]]:
    for engine in engines:
        for size in sizes:
            started = time.monotonic()
            command = [sys.executable, __file__, "--case", kind, engine, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=CASE_S)
            print(f"[{kind}, {engine}, {size}: {time.monotonic() - started:.0f} s]", file=sys.stderr, flush=True)
            yield [engine, size, *json.loads(done.stdout.splitlines()[-1])]


def _grown(rows: Iterator[list[common.Cell]], column: int) -> Iterator[list[common.Cell]]:
    """The rows with how many times the figure of the size before a figure is, after its column."""
    before: dict[common.Cell, float] = {}
    for row in rows:
        engine, now = row[0], float(row[column])
        yield [*row[: column + 1], round(now / before[engine], 1) if engine in before else None, *row[column + 1 :]]
        before[engine] = now


# One case, in a process of its own


def case(kind: str, engine: str, size: int) -> None:
    """Print the figures of one case as JSON."""
    from nearclass.store import Store

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(common.scratch())
        uri = stack.enter_context(milvus_server.serving({})) if engine == "server" else str(folder / "scale")
        store = stack.enter_context(Store.open(uri, timeout_s=300.0))
        figures = {"items": items_case, "classes": classes_case}[kind](store, size)
        print(json.dumps(figures))


def items_case(store, size: int) -> list[common.Cell]:
    from nearclass.schemas.collections import FieldType, items_spec
    from nearclass.schemas.filters import Compare

    spec = items_spec(DIM)
    empty = {field.name: {FieldType.TEXT: "", FieldType.JSON: {}}.get(field.type, 0) for field in spec.fields}
    vectors, queries = made(size)

    def row(place: int) -> dict[str, object]:
        return {**empty, "item_id": str(place), "title": f"item {place} of {size}", "revision": place % 20}

    store.create("items", spec)
    before = memory(store)
    rate = insert(store, "items", spec, vectors, row)
    waited = build_index(store, "items", size)
    alone = median_ms(lambda vector: store.search("items", vector[None], 10, fields=("title",)), queries)
    batch = made(WIDE, seed=2)[0]
    started = time.perf_counter()
    store.search("items", batch, 10, fields=("title",))
    together = (time.perf_counter() - started) * 1000 / WIDE
    where = Compare("revision", "==", 7)
    filtered = median_ms(lambda vector: store.search("items", vector[None], 10, where=where), queries[:50])
    strong = median_ms(lambda vector: store.search("items", vector[None], 10, strong=True), queries[:20])
    first, ten = recall(store, "items", vectors, queries)
    return [round(rate), waited, alone, together, filtered, strong, first, ten, round(memory(store) - before)]


def classes_case(store, size: int) -> list[common.Cell]:
    from nearclass.health.agreement import agreement
    from nearclass.query.search import MilvusSearch, MirrorSearch
    from nearclass.schemas.collections import classes_spec

    vectors, queries = made(size)
    ids = [f"{place:07}" for place in range(size)]

    def row(place: int) -> dict[str, object]:
        return {"class_id": ids[place], "bias": 0.0, "digest": "", "revision": 1}

    store.create("classes", classes_spec(DIM))
    rate = insert(store, "classes", classes_spec(DIM), vectors, row)
    build_index(store, "classes", size)
    biases = np.zeros(size, np.float32)
    mirror, search = MirrorSearch(ids, vectors, biases), MilvusSearch(store, "classes", ids, biases)
    time.sleep(0 if store.embedded else 11)  # a new search asks for strong consistency for ten seconds
    alone = median_ms(lambda vector: search.search(vector[None], 5), queries[:50])
    many = [queries[start : start + 64] for start in (0, 64, 128)]
    together = median_ms(lambda part: search.search(part, 5), many) / 64
    by_mirror = median_ms(lambda part: mirror.search(part, 5), many) / 64
    return [round(rate), alone, together, by_mirror, agreement(mirror.search(queries, 1), search.search(queries, 1))]


def made(count: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors in clusters, shape (count, 384), and queries beside them, shape (200, 384)."""
    centres = np.random.default_rng(SEED).standard_normal((CLUSTERS, DIM)).astype(np.float32)
    random = np.random.default_rng([SEED, seed])

    def draw(n: int) -> np.ndarray:
        points = centres[random.integers(0, CLUSTERS, n)] + random.standard_normal((n, DIM), np.float32)
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    return draw(count), draw(QUERIES)


def insert(store, name: str, spec, vectors: np.ndarray, row: Callable[[int], dict[str, object]]) -> float:
    """Rows a second, to the last acknowledged one."""
    from nearclass.schemas.collections import key_of

    seconds = 0.0
    for start in range(0, len(vectors), BATCH):
        places = range(start, min(start + BATCH, len(vectors)))
        rows = [{"key": key_of(str(place)), "vector": vectors[place], **row(place)} for place in places]
        started = time.perf_counter()
        store.upsert(name, spec, rows)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    store.flush(name)
    return len(vectors) / (seconds + time.perf_counter() - started)


def build_index(store, name: str, size: int) -> float | None:
    """Seconds until a server has all rows in its index; it would begin by itself when it has enough of them."""
    if store.embedded:
        return None
    started = time.monotonic()
    client = store._session._client  # noqa: SLF001  # nearclass leaves this to the server
    client.flush(name, timeout=INDEX_S)
    while time.monotonic() - started < INDEX_S:
        state = client.describe_index(name, "vector", timeout=30)
        if state.get("indexed_rows", 0) >= size and not state.get("pending_index_rows"):
            break
        time.sleep(0.5)
    waited = time.monotonic() - started
    time.sleep(6)  # until the new segments are loaded in place of those that grew (checkHandoffInterval is 5 s)
    return round(waited, 1)


def recall(store, name: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[float, float]:
    """Share of the nearest found, and of the ten nearest, by score."""
    exact = -np.sort(-(queries @ vectors.T), axis=1)[:, :10]
    found = [[hit.score for hit in hits] for hits in store.search(name, queries, 10)]
    first = np.mean([scores[0] >= best[0] - 1e-4 for scores, best in zip(found, exact, strict=True)])
    ten = np.mean(
        [sum(score >= best[-1] - 1e-4 for score in scores) / 10 for scores, best in zip(found, exact, strict=True)]
    )
    return float(first), float(ten)


def memory(store) -> float:
    """Resident set of the process that holds the rows, in MiB."""
    if store.embedded:
        return psutil.Process().memory_info().rss / (1 << 20)
    ours = psutil.Process().children(recursive=True)
    return sum(one.memory_info().rss for one in ours if one.name() == "milvus") / (1 << 20)


def median_ms(call: Callable[[np.ndarray], object], given) -> float:
    times = []
    for one in given:
        started = time.perf_counter()
        call(one)
        times.append((time.perf_counter() - started) * 1000)
    return common.median(times)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", nargs="+", type=int, default=ITEMS, metavar="N", help=f"default: {ITEMS}")
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES, metavar="N", help=f"default: {CLASSES}")
    parser.add_argument(
        "--large", dest="items", action="store_const", const=(*ITEMS, LARGE), help="also half a million"
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES, metavar="NAME")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        case(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        common.main(__doc__, measure, add_options)
