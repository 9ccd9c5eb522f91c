"""The file of rows that were not taken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearclass.errors import InputError
from nearclass.ingest.rejects import RejectWriter
from nearclass.ingest.sources import BadRow


def bad(row: Any, line: int = 1) -> BadRow:
    return BadRow(row, "a.csv", line, line - 1, "ragged_row", "3 fields where the header has 2")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii" if path.suffix == ".a" else "utf-8").splitlines()]


def test_no_reject_makes_no_file(tmp_path: Path) -> None:
    with RejectWriter(tmp_path / "r.jsonl") as rejects:
        rejects.flush()
    assert rejects.count == rejects.offset == 0
    assert list(tmp_path.iterdir()) == []


def test_a_reject_is_a_line_with_the_row_the_place_and_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.jsonl"
    with RejectWriter(path) as rejects:
        rejects.write(bad("1,a,b", 7))
        rejects.write(bad({"id": 1, "title": "é"}, 8))
    assert rejects.count == 2
    assert rejects.offset == path.stat().st_size
    place = {"source": "a.csv", "code": "ragged_row", "message": "3 fields where the header has 2"}
    assert read(path) == [
        {"row": "1,a,b", "line": 7, **place},
        {"row": {"id": 1, "title": "é"}, "line": 8, **place},
    ]


@pytest.mark.parametrize(
    "row",
    [
        "\ud800",
        {"id": "\ud800"},
        {"\udfff": 1},
        {"id": 10**30},
        {"id": 10**5000},
        {"id": float("nan")},
        {"id": object()},
        {"id": b"\xff"},
        {"id": np.float32(0.5), "vector": np.zeros(3)},
        {"id": {1: {(2, 3): 4}}},
        {"id": "a\u2028b\nc\0"},
    ],
)
def test_any_row_can_be_written_on_one_line(row: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with RejectWriter(path) as rejects:
        rejects.write(bad(row))
        rejects.write(bad("next"))
    lines = path.read_bytes().split(b"\n")
    assert len(lines) == 3
    assert [json.loads(line)["code"] for line in lines[:2]] == ["ragged_row", "ragged_row"]


def test_a_row_nested_too_deeply_is_written(tmp_path: Path) -> None:
    row: Any = {}
    for _ in range(100_000):
        row = {"a": row}
    with RejectWriter(tmp_path / "r.jsonl") as rejects:
        rejects.write(bad(row))
    assert rejects.count == 1
    while row:  # taken apart by hand: freeing it at once would go as deep
        row = row.pop("a", None)


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("old\n")
    with RejectWriter(path) as rejects:
        rejects.write(bad("new"))
    assert [one["row"] for one in read(path)] == ["new"]


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with RejectWriter(path) as rejects:
        rejects.write(bad("kept"))
        rejects.flush()
        offset = rejects.offset
        assert path.stat().st_size == offset
        rejects.write(bad("written after the checkpoint"))
    with RejectWriter(path) as rejects:
        rejects.resume(offset)
        rejects.write(bad("again"))
        assert rejects.count == 1
    assert [one["row"] for one in read(path)] == ["kept", "again"]
    assert rejects.offset == path.stat().st_size


def test_resuming_at_the_beginning_needs_no_file(tmp_path: Path) -> None:
    with RejectWriter(tmp_path / "r.jsonl") as rejects:
        rejects.resume(0)
        rejects.write(bad("a"))
    assert len(read(rejects.path)) == 1


def test_resuming_beyond_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an earlier run wrote 100"):
        RejectWriter(tmp_path / "r.jsonl").resume(100)


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        RejectWriter(tmp_path / "file" / "r.jsonl") as rejects,
    ):
        rejects.write(bad("a"))
    with pytest.raises(InputError, match="cannot be written"), RejectWriter(tmp_path) as rejects:
        rejects.write(bad("a"))
