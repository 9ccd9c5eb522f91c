"""Memory stays bounded whatever the file."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PEAK = """
import re, sys
import pyarrow.parquet
from nearclass.ingest.sources import open_sources
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
rows = sum(1 for source in open_sources(sys.argv[1:]) for _ in source.rows())
print(rows, (peak() - before) // 1024)
"""


def peak(path: Path) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, check=True, text=True)
    rows, mebibytes = map(int, done.stdout.split())
    return rows, mebibytes


def many_lines(path: Path) -> int:
    path.write_bytes(gzip.compress(b'{"id": 1, "title": "a"}\n' * 200_000, 1))
    return 200_000


def one_line(path: Path) -> int:
    path.write_bytes(gzip.compress(b"x" * (100 << 20), 1))
    return 1


def one_string(path: Path) -> int:
    path.write_bytes(gzip.compress(b'[{"id": "' + b"x" * (100 << 20) + b'"}, 1]', 1))
    return 2


def one_list(path: Path) -> int:
    path.write_bytes(gzip.compress(json.dumps([{"id": "x" * 1000}] * 30_000).encode(), 1))
    return 30_000


def open_quote(path: Path) -> int:
    line = b"2," + b"b" * 100 + b"\n"
    path.write_bytes(gzip.compress(b'id,title\n1,"' + line * 200_000, 1))
    return 200_000


def equal_texts(path: Path) -> int:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array(["x" * (2 << 20)]))
    pq.write_table(pa.table({"id": range(400), "title": texts}), path, store_schema=False)
    return 400


def equal_words(path: Path) -> int:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 400), pa.array(["x" * (2 << 20)]))
    pq.write_table(pa.table({"id": range(400), "title": texts}), path)
    return 400


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux")
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.jsonl.gz", many_lines),
        ("c.jsonl.gz", one_line),
        ("a.json.gz", one_string),
        ("b.json.gz", one_list),
        ("c.csv.gz", open_quote),
        ("c.parquet", equal_texts),
        ("d.parquet", equal_words),
    ],
)
def test_large_files_and_bombs_stay_within_300_mebibytes(
    name: str, make: Callable[[Path], int], tmp_path: Path
) -> None:
    expected = make(tmp_path / name)
    rows, mebibytes = peak(tmp_path / name)
    assert rows == expected
    assert mebibytes < 300
