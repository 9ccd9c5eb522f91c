"""Parquet: types, damage, resuming."""

import datetime as dt
import decimal
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearclass.errors import InputError
from nearclass.ingest.sources import BadRow, MappedRow, RawRow, detect, map_row, open_sources

Read = Callable[[str], list[RawRow | BadRow]]


def save(path: Path, table: Any, **options: Any) -> str:
    pq.write_table(table, path, **options)
    return str(path)


def test_types_become_python_values_and_then_json(tmp_path: Path, read: Read) -> None:
    time = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": pa.array([7], pa.int64()),
            "title": pa.array(["a"]).dictionary_encode(),
            "price": pa.array([decimal.Decimal("19.99")]),
            "when": pa.array([time], pa.timestamp("ns", "UTC")),
            "day": pa.array([dt.date(2024, 1, 2)]),
            "raw": pa.array([b"\xff\x00"]),
            "path": pa.array([["a", "b"]]),
            "deep": pa.array([{"x": [{"y": 1}]}]),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "span": pa.array([1_500_000_000], pa.duration("ns")),
            "clock": pa.array([1_000], pa.time64("ns")),
            "none": pa.array([None]),
            "vector": pa.array([[0.5, 1.0]], pa.list_(pa.float64())),
        }
    )
    [row] = read(save(tmp_path / "a.parquet", table))
    assert isinstance(row, RawRow)
    assert row.values["vector"].dtype == np.float32
    mapped = map_row(row, detect(row.values))
    assert isinstance(mapped, MappedRow)
    assert mapped.item.vector == (0.5, 1.0)
    assert mapped.item.attributes == {
        "price": 19.99,
        "when": "2024-01-02T03:04:05+00:00",
        "day": "2024-01-02",
        "raw": "/wA=",
        "path": ["a", "b"],
        "deep": {"x": [{"y": 1}]},
        "map": [["k", 1]],
        "span": 1.5,
        "clock": "00:00:00.000001",
    }


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3), pa.large_list(pa.float16())])
def test_vectors_are_right_in_every_batch(kind: Any, tmp_path: Path, read: Read) -> None:
    vectors = [None if row % 7 == 3 else [row, row + 0.5, -row] for row in range(500)]
    table = pa.table({"id": range(500), "vector": pa.array(vectors, kind)})
    found = read(save(tmp_path / "a.parquet", table, row_group_size=200))
    for row, vector in zip(found, vectors, strict=True):
        assert isinstance(row, RawRow)
        assert (row.values["vector"] is None) == (vector is None)
        assert vector is None or row.values["vector"].tolist() == vector


def test_rows_are_numbered_and_can_be_resumed_anywhere(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"id": range(1000)}), row_group_size=300)
    [source] = open_sources([path])
    assert source.columns == ["id"]
    for start in [0, 1, 299, 300, 301, 999, 1000, 2000]:
        rows = list(source.rows(start))
        assert [row.position for row in rows] == list(range(start, 1000))
        assert all(isinstance(row, RawRow) and row.values["id"] == row.position == row.line - 1 for row in rows)
    assert source.bytes_read == source.size


def test_an_empty_table_has_no_rows(tmp_path: Path, read: Read) -> None:
    assert read(save(tmp_path / "a.parquet", pa.table({"id": pa.array([], pa.int64())}))) == []
    assert read(save(tmp_path / "b.parquet", pa.table({}))) == []


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_one_bad_row(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    save(path, pa.table({"id": range(10_000)}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    [source] = open_sources([str(path)])
    [row] = source.rows()
    assert isinstance(row, BadRow)
    assert row.code == "damaged_file"


def test_damage_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    words = [f"word {row * 7919}" for row in range(5000)]
    save(path, pa.table({"id": range(5000), "title": words}), row_group_size=1000, compression="zstd")
    start = pq.ParquetFile(path).metadata.row_group(3).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start - 200 : start + 400] = b"\xff" * 600
    path.write_bytes(data)
    [source] = open_sources([str(path)])
    rows = list(source.rows())
    assert len(rows) == 3001
    assert isinstance(rows[-1], BadRow)
    assert rows[-1].code == "damaged_file"
    assert "rows 3001 to 5000" in rows[-1].message


def test_noise_anywhere_never_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    save(path, pa.table({"id": range(300), "t": [f"word {row}" for row in range(300)]}), row_group_size=100)
    good = path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(good)
        for place in random.integers(4, len(data) - 4, 8):
            data[place] = random.integers(256)
        path.write_bytes(data)
        for source in open_sources([str(path)]):
            rows = list(source.rows())
            assert all(isinstance(row, RawRow) for row in rows[:-1]) or len(rows) == 300


def test_a_cell_that_cannot_be_given_makes_its_row_bad(tmp_path: Path, read: Read) -> None:
    bad = pa.array([b"ok", b"\xff\xfe", b"ok"]).view(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    far = pa.array([0, 2**60, 1], pa.int64()).cast(pa.timestamp("ms"))
    big = pa.array(["x", "x", "x" * (17 << 20)])
    path = save(tmp_path / "a.parquet", pa.table({"id": [1, 2, 3], "title": text}))
    assert [getattr(row, "code", "ok") for row in read(path)] == ["ok", "bad_encoding", "ok"]
    path = save(tmp_path / "b.parquet", pa.table({"id": [1, 2, 3], "when": far}))
    assert [getattr(row, "code", "ok") for row in read(path)] == ["ok", "bad_value", "ok"]
    path = save(tmp_path / "c.parquet", pa.table({"id": [1, 2, 3], "title": big}))
    assert [getattr(row, "code", "ok") for row in read(path)] == ["ok", "ok", "row_too_large"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    with pytest.raises(InputError, match="more than once"):
        list(open_sources([save(tmp_path / "a.parquet", table)]))


def test_parquet_from_standard_input_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", pa.table({"id": range(10)}))
    [source] = open_sources(["-"], stdin=io.BytesIO(Path(path).read_bytes()))
    assert (source.format, len(list(source.rows()))) == ("parquet", 10)


@pytest.mark.parametrize("large", [{0}, {100}, {31, 32, 33}, {0, 199}, set(range(0, 200, 40))])
def test_rows_of_very_different_sizes_all_come_in_order(large: set[int], tmp_path: Path, read: Read) -> None:
    texts = ["x" * (20 << 20 if row == 100 else 9 << 20) if row in large and row > 33 else "y" for row in range(200)]
    texts = [("z" * (10 << 20)) if row in large and row <= 33 else text for row, text in enumerate(texts)]
    table = pa.table({"id": range(200), "title": pa.array(texts).dictionary_encode()})
    found = read(save(tmp_path / "a.parquet", table, row_group_size=150, store_schema=False))
    assert len(found) == 200
    for row, text in zip(found, texts, strict=True):
        assert (
            isinstance(row, BadRow) if len(text) > 16 << 20 else isinstance(row, RawRow) and row.values["title"] == text
        )
