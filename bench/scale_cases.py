"""One case of ``scale.py``: ``scale_cases.py items|classes lite|server SIZE`` prints its figures as JSON."""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engines"))
import milvus_server

DIM = 384
CLUSTERS = 256
SEED = 20_261_121
BATCH = 2_000
QUERIES = 200
WIDE = 1_000
INDEX_S = 1_800.0


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


if __name__ == "__main__":
    case(sys.argv[1], sys.argv[2], int(sys.argv[3]))
