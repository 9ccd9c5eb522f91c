"""Answers longer than an engine gives at once: cut, joined, and complete."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearclass.errors import StoreError
from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import All, Compare, In
from nearclass.store import Store

MakeRow = Callable[..., dict[str, Any]]

COUNT = 120


@pytest.fixture(scope="module")
def paged(server: str, spec: CollectionSpec, row: MakeRow) -> Iterator[Store]:
    """A store that takes its engine for a Milvus server, and so asks in pages; with rows of descending keys."""
    with Store.open(server) as store:
        store.create("paged", spec)
        store._session.version = "milvus 2.3.5"
        store.upsert("paged", spec, [row(f"{i:03}", rank=i) for i in reversed(range(COUNT))])
        yield store


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> int:
    """A server's longest answer, shorter than the rows."""
    monkeypatch.setattr("nearclass.store.reading._WINDOW", 50)
    monkeypatch.setattr("nearclass.store.reading._pages.__kwdefaults__", {"size": 50})
    return 50


def ranks(rows: list[dict[str, Any]]) -> list[int]:
    return [found["rank"] for found in rows]


def test_a_query_without_a_limit_gives_every_row_of_a_server(paged: Store, window: int) -> None:
    assert ranks(paged.query("paged", fields=["rank"])) == list(range(COUNT))
    assert ranks(paged.query("paged", fields=["rank"], limit=window + 3)) == list(range(window + 3))
    assert ranks(paged.query("paged", where=Compare("rank", ">=", 10), fields=["rank"])) == list(range(10, COUNT))


def test_a_scan_of_a_server_gives_every_row_once(paged: Store, window: int) -> None:
    pages = list(paged.scan("paged", fields=["rank"], page=40))
    assert [len(page) for page in pages] == [40, 40, 40]
    assert [rank for page in pages for rank in ranks(page)] == list(range(COUNT))
    where = All([In("rank", range(5, 100)), Compare("key", "!=", "050")])
    assert sum(len(page) for page in paged.scan("paged", where=where, fields=["rank"], page=7)) == 94


def test_keys_are_asked_of_a_server_by_name(paged: Store, window: int) -> None:
    wanted = [f"{i:03}" for i in range(60)]
    assert ranks(paged.query("paged", where=In("key", [*wanted, "nobody"]), fields=["rank"])) == list(range(60))
    assert paged.count("paged", In("key", wanted)) == 60


@pytest.fixture
def narrow(tmp_path: Path, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An embedded store whose engine sends and takes at most 40 kB at once, with 100 kB in it."""
    with Store.open(str(tmp_path / "store")) as store:
        store.create("c", spec)
        store.upsert("c", spec, [row(f"{i:03}", rank=i, name="x" * 400) for i in range(250)])
    monkeypatch.setattr("nearclass.store.engine._MESSAGE_BYTES", 40_000)
    with Store.open(str(tmp_path / "store")) as store:
        yield store


def test_an_answer_that_is_too_long_is_asked_for_in_parts(narrow: Store) -> None:
    assert ranks(narrow.query("c", fields=["rank", "name"])) == list(range(250))
    assert ranks(narrow.query("c", fields=["rank", "name"], limit=200)) == list(range(200))
    assert [len(page) for page in narrow.scan("c", fields=["name", "vector"], page=200)] == [200, 50]


def test_a_search_that_is_too_long_is_made_in_parts(narrow: Store, spec: CollectionSpec) -> None:
    order = np.arange(600) % spec.dim
    found = narrow.search("c", np.eye(spec.dim, dtype=np.float32)[order], 5, fields=["name"])
    assert [hits[0].key for hits in found] == [f"{i:03}" for i in order]


def test_a_write_that_is_too_long_is_refused_and_the_store_goes_on(
    tmp_path: Path, spec: CollectionSpec, row: MakeRow, narrow: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="at a time"):
        narrow.upsert("c", spec, [row(f"new{i}", name="x" * 400) for i in range(200)])
    assert narrow.count("c") == 250
