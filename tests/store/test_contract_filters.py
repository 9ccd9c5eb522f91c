"""What a filter matches, on every engine: the same rows by query, count, scan and search."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import All, AnyOf, Attribute, Compare, Filter, In
from nearclass.store import Store

MakeRow = Callable[..., dict[str, Any]]

ROWS: list[dict[str, Any]] = [
    {"name": "apple", "rank": -2, "weight": 0.0, "attributes": {"color": "red", "n": 0, "new": True}},
    {"name": "Apple", "rank": -1, "weight": 0.1, "attributes": {"color": "red", "n": 1, "new": False}},
    {"name": "éclair", "rank": 0, "weight": 0.2, "attributes": {"color": "Red", "n": 2.0, "price": 1.5}},
    {"name": "日本", "rank": 1, "weight": -0.3, "attributes": {"color": "blue", "n": 3, "price": 20}},
    {"name": "", "rank": 2, "weight": 1e-300, "attributes": {"n": "1", "inner": {"n": 1}}},
    {"name": "zebra", "rank": 2**62, "weight": 1e300, "attributes": {}},
]

EVERY = [0, 1, 2, 3, 4, 5]

CASES: list[tuple[Filter, list[int]]] = [
    (Compare("rank", "==", -2), [0]),
    (Compare("rank", "!=", -2), [1, 2, 3, 4, 5]),
    (Compare("rank", "<", 0), [0, 1]),
    (Compare("rank", "<=", 0), [0, 1, 2]),
    (Compare("rank", ">", 1), [4, 5]),
    (Compare("rank", ">=", 2**62), [5]),
    (Compare("rank", "==", 99), []),
    (Compare("weight", "==", 0.1), [1]),
    (Compare("weight", "!=", 0.1), [0, 2, 3, 4, 5]),
    (Compare("weight", "<", 1e-300), [0, 3]),
    (Compare("weight", ">=", 0.2), [2, 5]),
    (Compare("weight", "<=", 1), [0, 1, 2, 3, 4]),
    (Compare("weight", "==", 0), [0]),
    (Compare("name", "==", "apple"), [0]),
    (Compare("name", "==", ""), [4]),
    (Compare("name", "!=", ""), [0, 1, 2, 3, 5]),
    (Compare("name", "<", "a"), [1, 4]),
    (Compare("name", ">", "zebra"), [2, 3]),
    (Compare("name", ">=", "apple"), [0, 2, 3, 5]),
    (Compare("key", ">", "k3"), [4, 5]),
    (Compare("key", "<=", "k0"), [0]),
    (In("rank", [-2, 2, 99]), [0, 4]),
    (In("rank", [0]), [2]),
    (In("name", ["apple", "日本", "nobody"]), [0, 3]),
    (In("name", [""]), [4]),
    (In("key", ["k1", "k1", "nobody"]), [1]),
    (In("key", [f"k{i}" for i in range(100)]), EVERY),
    (In("key", []), []),
    (Compare(Attribute("color"), "==", "red"), [0, 1]),
    (Compare(Attribute("color"), "==", "green"), []),
    (Compare(Attribute("color"), ">", "a"), [0, 1, 3]),
    (Compare(Attribute("n"), "==", 1), [1]),
    (Compare(Attribute("n"), "==", 2), [2]),
    (Compare(Attribute("n"), "==", "1"), [4]),
    (Compare(Attribute("n"), "<=", 1), [0, 1]),
    (Compare(Attribute("n"), ">", 1.5), [2, 3]),
    (Compare(Attribute("price"), "<", 10), [2]),
    (Compare(Attribute("price"), ">=", 1.5), [2, 3]),
    (Compare(Attribute("new"), "==", True), [0]),
    (Compare(Attribute("new"), "==", False), [1]),
    (Compare(Attribute("absent"), "==", 1), []),
    (All([]), EVERY),
    (All([In("name", ["apple", "Apple"]), Compare("rank", ">", -2)]), [1]),
    (All([In("name", ["apple"]), In("rank", [])]), []),
    (All([Compare("rank", ">=", -1), Compare("rank", "<", 2), Compare("weight", ">", 0)]), [1, 2]),
    (All([All([Compare("rank", ">", -2)]), All([Compare("rank", "<", 1)])]), [1, 2]),
    (AnyOf([]), []),
    (AnyOf([Compare("rank", "==", -2), In("name", ["zebra"]), In("key", [])]), [0, 5]),
    (AnyOf([In("rank", [-2]), All([])]), EVERY),
    (AnyOf([Compare(Attribute("n"), "==", "1"), Compare(Attribute("n"), "==", 1)]), [1, 4]),
    (AnyOf([All([Compare("rank", "<", 0), Compare("weight", ">", 0)]), Compare("name", "==", "日本")]), [1, 3]),
    (All([AnyOf([In("rank", [-2]), In("rank", [-1])]), Compare("key", ">", "k0")]), [1]),
    (All([Compare(Attribute("color"), "==", "red"), Compare("rank", "<", 0), In("key", ["k1", "k2"])]), [1]),
]


@pytest.fixture(scope="module")
def filled(store: Store, spec: CollectionSpec, row: MakeRow) -> Iterator[str]:
    name = "filled"
    store.create(name, spec)
    store.upsert(name, spec, [row(f"k{place}", **fields) for place, fields in enumerate(ROWS)])
    store.flush(name)
    yield name
    store.drop(name)


@pytest.mark.parametrize(("where", "expected"), CASES, ids=[str(place) for place in range(len(CASES))])
def test_a_filter_matches_what_it_says(
    store: Store, filled: str, spec: CollectionSpec, where: Filter, expected: list[int]
) -> None:
    wanted = [f"k{place}" for place in expected]
    assert [found["key"] for found in store.query(filled, where=where, fields=[])] == wanted
    assert [found["key"] for found in store.query(filled, where=where, fields=["rank"], limit=2)] == wanted[:2]
    assert store.count(filled, where) == len(wanted)
    pages = store.scan(filled, where=where, fields=["name"], page=2)
    assert [found["key"] for page in pages for found in page] == wanted
    [hits] = store.search(filled, np.ones((1, spec.dim), np.float32), 10, where=where, strong=True)
    assert sorted(hit.key for hit in hits) == wanted
