"""Memory: the peak of a ``nearclass ingest`` process at one, 10,000 and 100,000 rows.

(a) Against an embedded database the engine is in the same process, and the engine keeps all rows in memory.
(b) Against a ``milvus-lite server`` in a process of its own, the ingest process alone is measured.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import common
from common import Options, SkippedError, Table

SIZES = (1, 10_000, 100_000)
QUICK_SIZES = (1, 200, 400)
SEED = 20_261_121
DIM = 384
CLASSES = 597
SPACE = "bench"
START_S = 60.0
NOTES = (
    "Peak resident set, looked at every 20 ms. 1 row is what start-up takes.",
    "A further row: what each row takes beyond the size before.",
    "Embedded: the engine is in the same process and keeps all rows in memory, so that figure grows with them.",
    "Server: `milvus-lite server --max-workers 1`; the engine's process keeps the rows, ingest itself is measured.",
)


def measure(options: Options) -> Iterator[Table]:
    """One table: both places, every size."""
    vectors = options.more.vectors
    classes = None if vectors else options.folder(common.BIGBASKET) / "classes.jsonl"
    rows: list[list[common.Cell]] = []
    sizes = QUICK_SIZES if options.quick else options.more.sizes
    with common.scratch() as folder:
        if not vectors:
            print(f"Encoder: {common.precision_in_child()}.\n", flush=True)
        made = {n: _write(folder / f"items-{n}.{'parquet' if vectors else 'jsonl'}", n, options) for n in sizes}
        classes = classes or _write(folder / "classes.parquet", CLASSES, options)
        for n, items in made.items():
            rows.append(["embedded", n, *_embedded(folder, classes, items, n, vectors=vectors), None])
        for n, items in made.items():
            rows.append(["server", n, *_served(folder, classes, items, n, vectors=vectors)])
    path = f"given vectors of {DIM} dimensions, no model" if vectors else "short titles through the text encoder"
    yield Table(
        f"Peak memory of nearclass ingest, {path}",
        ("database", "rows", "peak RSS of ingest, MiB", "bytes/further row", "s", "peak RSS of server, MiB"),
        _per_row(rows),
        NOTES,
    )


def _per_row(rows: list[list[common.Cell]]) -> list[list[common.Cell]]:
    """The rows with what each further item takes, from the size before on the same database."""
    before: dict[common.Cell, tuple[int, float]] = {}
    filled = []
    for database, n, peak, *rest in rows:
        smaller, less = before.get(database, (n, peak))
        more = None if n == smaller else round((peak - less) * (1 << 20) / (n - smaller))
        filled.append([database, n, round(peak), more, *rest])
        before[database] = (n, peak)
    return filled


# The runs


def _embedded(folder: Path, classes: Path, items: Path, n: int, *, vectors: bool) -> tuple[float, float]:
    return _ingest(str(folder / f"embedded-{n}.db"), folder, classes, items, n, vectors=vectors)


def _served(folder: Path, classes: Path, items: Path, n: int, *, vectors: bool) -> tuple[float, float, float | None]:
    with _server(folder / f"served-{n}") as (uri, ended):
        peak, seconds = _ingest(uri, folder, classes, items, n, vectors=vectors)
    return peak, seconds, ended[0]


def _ingest(uri: str, folder: Path, classes: Path, items: Path, n: int, *, vectors: bool) -> tuple[float, float]:
    """Peak memory in MiB and seconds of the ingest process."""
    space = ("--space", SPACE) if vectors else ()
    common.run_child(common.nearclass(uri, "classes", "import", str(classes), *space, "-o", "json"), folder)
    child = common.run_child(common.nearclass(uri, "ingest", str(items), *space, "-o", "json"), folder)
    counts = json.loads(child.output)
    if counts["ok"] != n:
        sys.exit(f"not all of {n} rows were stored: {counts}")
    return child.peak_mib, child.seconds


@contextmanager
def _server(data: Path) -> Iterator[tuple[str, list[float | None]]]:
    """An engine in a process of its own: its address, and after the end its peak memory."""
    command = Path(sys.executable).with_name("milvus-lite")
    if not command.is_file():
        raise SkippedError("the command milvus-lite is not installed beside this Python")
    port = _free_port()
    line = [str(command), "server", "--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*line, "--max-workers", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak: list[float | None] = []
    try:
        _await(port, process)
        yield f"http://127.0.0.1:{port}", peak
    finally:
        peak.append(common.stop(process))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when somebody listens."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"no milvus-lite server on port {port} within {START_S:.0f} s")


# The files, the large ones written by a child: the memory of this process is a floor of what it measures


def _write(path: Path, n: int, options: Options) -> Path:
    if path.suffix == ".jsonl":
        titles = _titles(options.folder(common.BIGBASKET) / "items.jsonl")
        with path.open("w", encoding="utf-8") as out:
            for number in range(n):
                title = f"{titles[number % len(titles)]} {number}"
                out.write(json.dumps({"id": f"item-{number}", "title": title}) + "\n")
        return path
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import memory; "
    call = f"memory.write_vectors({str(path)!r}, {n})"
    common.run_child([sys.executable, "-c", code + call], path.parent)
    return path


def _titles(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["title"] for line in lines]


def write_vectors(path: str, n: int) -> None:
    """Write rows with an id, a name, a title and a random vector, as Parquet, ten thousand at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = np.random.default_rng(SEED + n)
    schema = pa.schema(
        [("id", pa.string()), ("name", pa.string()), ("title", pa.string()), ("vector", pa.list_(pa.float32()))]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, 10_000):
            numbers = range(start, min(n, start + 10_000))
            names = [f"thing number {number}" for number in numbers]
            vectors = list(generator.standard_normal((len(numbers), DIM), dtype=np.float32))
            columns = [[f"row-{number}" for number in numbers], names, names, vectors]
            writer.write_table(
                pa.Table.from_arrays([pa.array(*one) for one in zip(columns, schema.types, strict=True)], schema=schema)
            )


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vectors", action="store_true", help="given vectors in place of texts: minutes less")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="rows (default 1 10000 100000)"
    )


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
