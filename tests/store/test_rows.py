"""Rows are refused before they are sent, with the field, the key, the value and the bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearclass.errors import StoreError
from nearclass.schemas.collections import CollectionSpec
from nearclass.store.rows import MAX_BATCH_ROWS, batches, check_queries

MakeRow = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"vector": np.ones(7, np.float32)},
            r"'vector' of key 'bad' must be \(8,\) numbers, not shape \(7,\)",
        ),
        ({"vector": np.ones((2, 8), np.float32)}, r"shape \(2, 8\)"),
        ({"vector": "text"}, r"'vector' of key 'bad'.*shape \(\)"),
        ({"vector": np.full(8, np.nan)}, "'vector' of key 'bad' has NaN or infinity"),
        ({"vector": np.array([np.inf] + [0] * 7)}, "'bad' has NaN or infinity"),
        ({"vector": np.zeros(8)}, "'bad' is a zero vector"),
        ({"name": "é" * 201}, r"'name' of key 'bad' must be at most 400 bytes, not 402 bytes in UTF-8: 'é"),
        ({"name": None}, "'name' of key 'bad' must be a text, not None"),
        ({"name": "\ud800"}, "valid Unicode"),
        ({"rank": 2**63}, "'rank' of key 'bad' must be an integer from .* not 9223372036854775808"),
        ({"rank": 1.0}, "an integer, not 1.0"),
        ({"rank": True}, "an integer, not True"),
        ({"weight": float("nan")}, "'weight' of key 'bad' must be a finite number, not nan"),
        ({"weight": float("-inf")}, "finite"),
        ({"weight": "1"}, "a finite number, not 1"),
        ({"attributes": {"deep": [{"x": float("nan")}]}}, "JSON without NaN"),
        ({"attributes": {1: "a"}}, "valid JSON"),
        ({"attributes": {"a": {1, 2}}}, "valid JSON"),
        ({"attributes": {"a": "\ud800"}}, "valid JSON"),
        ({"attributes": ["a"]}, "a mapping"),
        ({"attributes": {"a": "b" * 60_000}}, "60008 bytes of JSON"),
    ],
)
def test_a_value_out_of_bounds_is_named(
    spec: CollectionSpec, row: MakeRow, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        list(batches(spec, [row("good"), row("bad") | fields]))


@pytest.mark.parametrize("key", ["", "é" * 257, 7, None])
def test_a_key_out_of_bounds_is_refused(spec: CollectionSpec, row: MakeRow, key: Any) -> None:
    with pytest.raises(StoreError, match="'key'"):
        list(batches(spec, [row(key)]))


def test_a_missing_and_an_unknown_field_are_named(spec: CollectionSpec, row: MakeRow) -> None:
    bad = row("a") | {"extra": 1}
    del bad["name"]
    with pytest.raises(StoreError, match=r"'a' does not fit 'things': missing \['name'\], unknown \['extra'\]"):
        list(batches(spec, [bad]))


def test_bounds_themselves_are_allowed(spec: CollectionSpec, row: MakeRow) -> None:
    good = row("é" * 256, name="x" * 400, rank=-(2**63) + 1, weight=np.float32(0.5), attributes={"a": None})
    [(batch, size)] = batches(spec, [good | {"rank": np.int32(5)}])
    assert batch[0]["rank"] == 5
    assert type(batch[0]["rank"]) is int
    assert type(batch[0]["weight"]) is float
    assert size == 512 + 32 + 400 + 8 + 8 + len('{"a":null}')


def test_batches_end_at_bytes_and_at_rows(spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_BYTES", 1000)
    lengths = [len(batch) for batch, _ in batches(spec, [row(f"{i:03}", name="x" * 400) for i in range(5)])]
    assert lengths == [2, 2, 1]
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_BYTES", 1)
    assert [len(batch) for batch, _ in batches(spec, [row("a"), row("b")])] == [1, 1]
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_BYTES", 10**9)
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_ROWS", 3)
    assert [len(batch) for batch, _ in batches(spec, [row(str(i)) for i in range(7)])] == [3, 3, 1]
    assert MAX_BATCH_ROWS == 16_384


def test_one_bad_row_stops_all(spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_ROWS", 1)
    with pytest.raises(StoreError):
        next(batches(spec, [row("good"), row("bad", weight=float("nan"))]))


def test_queries_must_be_a_matrix() -> None:
    with pytest.raises(StoreError, match=r"shape \(n, dim\), not \(3,\)"):
        check_queries(np.ones(3))
    assert check_queries(np.ones((2, 3))).dtype == np.float32
