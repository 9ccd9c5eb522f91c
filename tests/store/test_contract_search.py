"""What a search gives, on every engine: the nearest rows, exactly scored, best first, ties by key."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nearclass.errors import StoreError
from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import Compare, Filter, In
from nearclass.store import Store

MakeRow = Callable[..., dict[str, Any]]

COUNT = 400
"""Fewer than a server begins to index at, so that it searches all of them."""


def unit(position: int, dim: int = 8, length: float = 1.0) -> np.ndarray:
    vector = np.zeros(dim, np.float32)
    vector[position] = length
    return vector


@pytest.fixture(scope="module")
def matrix(spec: CollectionSpec) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((COUNT, spec.dim)).astype(np.float32)


@pytest.fixture(scope="module")
def crowd(store: Store, spec: CollectionSpec, row: MakeRow, matrix: np.ndarray) -> Iterator[str]:
    """Rows with random vectors; nobody changes them."""
    name = "crowd"
    store.create(name, spec)
    rows = [row(f"{i:03}", rank=i % 20, vector=vector, name=f"n{i}") for i, vector in enumerate(matrix)]
    store.upsert(name, spec, rows)
    store.flush(name)
    yield name
    store.drop(name)


def best(matrix: np.ndarray, query: np.ndarray, k: int, members: np.ndarray | None = None) -> list[str]:
    members = np.arange(len(matrix)) if members is None else members
    return [f"{i:03}" for i in members[np.argsort(-(matrix[members] @ query), kind="stable")][:k]]


@pytest.mark.parametrize("k", [1, 2, 10, 100, COUNT, COUNT + 1, 16_384])
def test_the_k_nearest_are_found(store: Store, crowd: str, spec: CollectionSpec, matrix: np.ndarray, k: int) -> None:
    query = matrix[7]
    [hits] = store.search(crowd, query[None], k, strong=True)
    assert [hit.key for hit in hits] == best(matrix, query, k)
    np.testing.assert_allclose(
        [hit.score for hit in hits], sorted(matrix @ query, reverse=True)[:k], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("k", [0, -1, 16_385])
def test_a_k_that_some_engine_refuses_is_refused(store: Store, crowd: str, spec: CollectionSpec, k: int) -> None:
    with pytest.raises(StoreError, match="not from 1 to 16384"):
        store.search(crowd, np.ones((1, spec.dim), np.float32), k)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        (Compare("rank", "==", 7), lambda i: i % 20 == 7),
        (Compare("rank", "<", 5), lambda i: i % 20 < 5),
        (In("rank", [1, 19]), lambda i: i % 20 in {1, 19}),
        (In("key", ["000", "001", "399"]), lambda i: i in {0, 1, 399}),
        (Compare("name", "==", "n55"), lambda i: i == 55),
        (Compare("key", ">", "398"), lambda i: i > 398),
        (Compare("rank", "==", 99), lambda _: False),
    ],
    ids=["one in twenty", "a quarter", "a list", "keys", "one row", "the last", "none"],
)
def test_the_nearest_of_those_that_match_are_found(
    store: Store, crowd: str, matrix: np.ndarray, where: Filter, matches: Callable[[int], bool]
) -> None:
    members = np.array([i for i in range(COUNT) if matches(i)], dtype=int)
    found = store.search(crowd, matrix[:3], 10, where=where, strong=True)
    for query, hits in zip(matrix, found, strict=False):
        assert [hit.key for hit in hits] == best(matrix, query, 10, members)


@pytest.mark.parametrize("fields", [(), ("name",), ("rank", "weight"), ("vector",), ("key",), ("attributes", "name")])
def test_hits_have_the_fields_asked_for(store: Store, crowd: str, matrix: np.ndarray, fields: tuple[str, ...]) -> None:
    [hits] = store.search(crowd, matrix[:1], 3, fields=fields, strong=True)
    for hit in hits:
        assert set(hit.fields) == set(fields) - {"key"}
        if "name" in fields:
            assert hit.fields["name"] == f"n{int(hit.key)}"
        if "vector" in fields:
            np.testing.assert_array_equal(hit.fields["vector"], matrix[int(hit.key)])


@pytest.mark.parametrize("queries", [0, 1, 2, 1024, 1025])
def test_any_number_of_queries_is_answered_in_order(
    store: Store, crowd: str, matrix: np.ndarray, spec: CollectionSpec, queries: int
) -> None:
    order = np.random.default_rng(1).integers(0, COUNT, queries)
    found = store.search(crowd, matrix[order].reshape(-1, spec.dim), 1, strong=True)
    assert [hits[0].key for hits in found] == [best(matrix, matrix[i], 1)[0] for i in order]


def test_rows_that_are_as_near_come_by_key(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row(key, vector=unit(0)) for key in "dbeac"])
    store.upsert(things, spec, [row("z", vector=unit(0, length=2.0)), row("0", vector=unit(1))])
    [hits] = store.search(things, unit(0)[None], 10, strong=True)
    assert [hit.key for hit in hits] == ["z", "a", "b", "c", "d", "e", "0"]


def test_a_moved_vector_is_found_where_it_is_now(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row("a", vector=unit(0)), row("b", vector=unit(1))])
    store.upsert(things, spec, [row("a", vector=unit(2))])
    [before, now] = store.search(things, np.stack([unit(0), unit(2)]), 10, strong=True)
    assert [(hit.key, hit.score) for hit in before] == [("a", 0.0), ("b", 0.0)]
    assert [(hit.key, hit.score) for hit in now] == [("a", 1.0), ("b", 0.0)]


def test_a_deleted_row_is_not_found(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row("a", vector=unit(0)), row("b", vector=unit(1))])
    store.delete(things, In("key", ["a"]))
    [hits] = store.search(things, unit(0)[None], 10, strong=True)
    assert [hit.key for hit in hits] == ["b"]
    store.upsert(things, spec, [row("a", vector=unit(3))])
    [hits] = store.search(things, unit(3)[None], 1, strong=True)
    assert (hits[0].key, hits[0].score) == ("a", 1.0)


@pytest.mark.parametrize("length", [1e-20, 1e-3, 1.0, 1e3, 1e15])
def test_scores_are_inner_products_of_vectors_of_any_length(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, length: float
) -> None:
    store.upsert(things, spec, [row("a", vector=unit(0, length=length)), row("b", vector=unit(0, length=-length))])
    [hits] = store.search(things, unit(0, length=2.0)[None], 2, strong=True)
    assert [hit.key for hit in hits] == ["a", "b"]
    np.testing.assert_allclose([hit.score for hit in hits], [2 * length, -2 * length], rtol=1e-6)


@pytest.mark.slow
def test_a_large_batch_is_written_read_and_deleted_whole(
    store: Store, fresh: str, spec: CollectionSpec, row: MakeRow
) -> None:
    # In a collection of its own: a server that has many rows, also deleted ones, searches only parts of them.
    store.create(fresh, spec)
    count = 17_000  # more than a server takes in one call, or returns to one
    store.upsert(fresh, spec, [row(f"{i:05}", rank=i) for i in range(count)])
    store.flush(fresh)
    assert store.count(fresh) == count
    assert [found["rank"] for found in store.query(fresh, fields=["rank"])] == list(range(count))
    pages = store.scan(fresh, where=Compare("rank", ">=", 100), fields=["rank"], page=5000)
    assert [found["rank"] for page in pages for found in page] == list(range(100, count))
    store.delete(fresh, In("key", [f"{i:05}" for i in range(16_500)]))
    assert store.count(fresh) == count - 16_500
    store.drop(fresh)


def test_several_writers_and_readers_lose_nothing(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    def write(thread: int) -> None:
        for part in range(5):
            store.upsert(things, spec, [row(f"{thread}-{part}-{i}", rank=thread) for i in range(20)])

    def read(thread: int) -> list[int]:
        return [store.count(things, Compare("rank", "==", thread)) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, thread) for thread in range(4)]
        readers = [pool.submit(read, thread) for thread in range(4)]
        counts = [reader.result() for reader in readers]
        for writer in writers:
            writer.result()
    assert store.count(things) == 400
    for of_thread in counts:
        assert of_thread == sorted(of_thread)
        assert all(count % 20 == 0 for count in of_thread)


def test_an_alias_is_moved_while_others_search(
    store: Store, things: str, fresh: str, spec: CollectionSpec, row: MakeRow
) -> None:
    other, alias = f"{fresh}_other", f"{fresh}_alias"
    store.create(other, spec)
    store.upsert(things, spec, [row("a", vector=unit(0), name="old"), row("b", vector=unit(1), name="old")])
    store.upsert(other, spec, [row("a", vector=unit(0), name="new"), row("b", vector=unit(1), name="new")])
    store.point(alias, things)
    [hits] = store.search(alias, unit(0)[None], 2, fields=["name"], strong=True)
    assert {hit.fields["name"] for hit in hits} == {"old"}
    with ThreadPoolExecutor(2) as pool:
        mover = pool.submit(lambda: [store.point(alias, name) for name in [other, things] * 5])
        while not mover.done():
            [hits] = store.search(alias, unit(0)[None], 2, fields=["name"], strong=True)
            assert len({hit.fields["name"] for hit in hits}) == 1
            assert [hit.key for hit in hits] == ["a", "b"]
        mover.result()
    assert store.resolve(alias) == things
