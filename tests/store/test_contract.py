"""What a store promises, on every engine."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nearclass.errors import CollectionMissingError, SchemaMismatchError, StoreError
from nearclass.schemas.collections import CollectionSpec, FieldSpec, FieldType, items_spec
from nearclass.schemas.filters import All, AnyOf, Attribute, Compare, In
from nearclass.store import Store

MakeRow = Callable[..., dict[str, Any]]


def keys(rows: list[dict[str, Any]]) -> list[str]:
    return [row["key"] for row in rows]


def test_rows_come_back_as_they_were_written(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    document = {"text": "日本語 \" ' \\ \n", "list": [1, 2.5, None, True], "inner": {"a": {}}}
    written = row("a", name="naïve\n\"quoted\" 'text' \\", rank=-(2**53) - 1, weight=0.1, attributes=document)
    store.upsert(things, spec, [written])
    [found] = store.query(things, fields=["name", "rank", "weight", "attributes", "vector"])
    vector = found.pop("vector")
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, written.pop("vector"))
    assert found == written


def test_a_second_write_replaces_every_field_of_the_first(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row("a", name="old", attributes={"only": "old"})])
    store.upsert(things, spec, [row("a", name="new", attributes={})])
    assert store.query(things, fields=["name", "attributes"]) == [{"key": "a", "name": "new", "attributes": {}}]


def test_of_one_key_twice_in_a_call_the_last_wins(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row("a", rank=1), row("b", rank=2), row("a", rank=3)])
    assert store.query(things, fields=["rank"]) == [{"key": "a", "rank": 3}, {"key": "b", "rank": 2}]


def test_writing_nothing_is_allowed(store: Store, things: str, spec: CollectionSpec) -> None:
    store.upsert(things, spec, [])
    assert store.count(things) == 0
    assert store.query(things, fields=["name"]) == []
    assert list(store.scan(things, fields=["name"])) == []
    assert store.search(things, np.ones((2, spec.dim), np.float32), 3) == [[], []]


def test_filters_match_what_they_say(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(
        things,
        spec,
        [row(f"k{i}", name=f"n{i}", rank=i - 2, weight=i / 10, attributes={"color": "red", "n": i}) for i in range(5)],
    )
    cases = [
        (Compare("rank", "==", -2), [0]),
        (Compare("rank", "!=", -2), [1, 2, 3, 4]),
        (Compare("weight", ">=", 0.3), [3, 4]),
        (Compare("weight", "<", 1e-300), [0]),
        (Compare("name", ">", "n2"), [3, 4]),
        (Compare(Attribute("n"), "<=", 1), [0, 1]),
        (Compare(Attribute("color"), "==", "blue"), []),
        (In("rank", [-2, 2, 99]), [0, 4]),
        (In("key", ["k1", "k1", "nobody"]), [1]),
        (In("key", []), []),
        (All([In("name", ["n1", "n2"]), Compare("rank", ">", -1)]), [2]),
        (All([In("name", ["n1"]), In("rank", [])]), []),
        (All([]), [0, 1, 2, 3, 4]),
        (AnyOf([Compare("rank", "==", -2), In("name", ["n4"]), In("key", [])]), [0, 4]),
        (AnyOf([Compare(Attribute("n"), "==", "1"), Compare(Attribute("n"), "==", 1)]), [1]),
        (All([AnyOf([In("rank", [-2]), In("rank", [-1])]), Compare("key", ">", "k0")]), [1]),
        (AnyOf([]), []),
        (AnyOf([In("rank", [-2]), All([])]), [0, 1, 2, 3, 4]),
    ]
    for where, expected in cases:
        assert keys(store.query(things, where=where, fields=[])) == [f"k{i}" for i in expected], where
        assert store.count(things, where) == len(expected), where
        pages = store.scan(things, where=where, fields=["name"], page=2)
        assert [key for page in pages for key in keys(page)] == [f"k{i}" for i in expected], where
        [hits] = store.search(things, np.ones((1, spec.dim), np.float32), 10, where=where, strong=True)
        assert sorted(hit.key for hit in hits) == [f"k{i}" for i in expected], where


def test_a_query_is_in_order_of_the_keys_and_a_limit_takes_the_first(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row(key) for key in "dbeac"])
    assert keys(store.query(things, fields=[])) == list("abcde")
    assert keys(store.query(things, fields=[], limit=2)) == ["a", "b"]
    assert keys(store.query(things, where=In("key", list("edc")), fields=[], limit=2)) == ["c", "d"]
    assert store.query(things, fields=[], limit=0) == []


def test_a_scan_gives_every_row_once_in_pages(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row(f"{i:03}", rank=i) for i in range(25)])
    pages = list(store.scan(things, fields=["rank"], page=10))
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [found["rank"] for page in pages for found in page] == list(range(25))


def test_a_scan_gives_what_a_query_gives(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row(f"{i:03}", rank=i % 3, attributes={"n": [i, None, "é"]}) for i in range(25)])
    store.flush(things)
    store.upsert(things, spec, [row(f"{i:03}", rank=2, weight=i / 7) for i in range(20, 30)])
    store.delete(things, In("key", ["004", "022"]))
    fields = ["name", "rank", "weight", "attributes", "vector"]
    for where in (None, Compare("rank", "==", 2), All([Compare("rank", ">", 0), In("key", ["005", "022", "029"])])):
        expected = store.query(things, where=where, fields=fields)
        found = [one for page in store.scan(things, where=where, fields=fields, page=7) for one in page]
        vectors = [np.stack([one.pop("vector") for one in rows]) for rows in (found, expected)]
        np.testing.assert_array_equal(*vectors)
        assert [{name: one[name] for name in ("key", *fields[:-1])} for one in expected] == found


def test_a_scan_of_a_field_that_is_not_there_says_so(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row("a")])
    with pytest.raises(StoreError, match="colour"):
        list(store.scan(things, fields=["rank", "colour"]))


def test_columns_give_every_row_once(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row(f"{i:03}", rank=i, name=f"n{i}") for i in range(25)])
    store.upsert(things, spec, [row("003", rank=99)])
    store.delete(things, In("key", ["004"]))
    pages = list(store.columns(things, fields=["rank", "vector"], page=10))
    found = {key: rank for page in pages for key, rank in zip(page["key"], page["rank"], strict=True)}
    assert found == {f"{i:03}": 99 if i == 3 else i for i in range(25) if i != 4}
    assert sum(len(page["key"]) for page in pages) == 24
    assert all(page["vector"].shape == (len(page["key"]), spec.dim) for page in pages)


def test_rows_are_found_wherever_the_engine_keeps_them(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    for round_ in range(3):
        store.upsert(things, spec, [row(f"{round_}{i}", rank=1) for i in range(5)])
        # Not ``store.flush``, which leaves it to a server when to begin another segment.
        store._session._client.flush(things, timeout=60)
        store.upsert(things, spec, [row(f"{round_}{i}", rank=2) for i in range(2)])
    expected = [f"{round_}{i}" for round_ in range(3) for i in range(5)]
    newer = [key for key in expected if key[1] in "01"]
    assert keys(store.query(things, fields=[])) == expected
    assert keys(store.query(things, fields=[], limit=7)) == expected[:7]
    assert [key for page in store.scan(things, fields=["rank"], page=4) for key in keys(page)] == expected
    assert keys(store.query(things, where=Compare("rank", "==", 2), fields=[])) == newer
    assert keys(store.query(things, where=In("key", expected[::-1]), fields=[])) == expected
    assert store.count(things) == len(expected)
    assert store.count(things, Compare("rank", "==", 2)) == len(newer)
    [hits] = store.search(things, np.ones((1, spec.dim), np.float32), 20, strong=True)
    assert sorted(hit.key for hit in hits) == expected


def test_rows_of_another_client_are_seen_at_once(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    if store.embedded:
        pytest.skip("an embedded engine has no other clients")
    with Store.open(store.uri) as other:
        other.upsert(things, spec, [row("a", rank=1)])
        assert store.query(things, fields=["rank"]) == [{"key": "a", "rank": 1}]
        assert store.query(things, fields=["rank"], limit=1) == [{"key": "a", "rank": 1}]
        assert list(store.scan(things, fields=["rank"])) == [[{"key": "a", "rank": 1}]]
        other.delete(things, In("key", ["a"]))
        assert store.query(things, fields=["rank"], limit=1) == []


def test_search_gives_the_best_first_and_ties_by_key(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    vectors = {"far": [0, 1], "tie_b": [1, 0], "tie_a": [1, 0], "opposite": [-1, 0], "long": [3, 0]}
    store.upsert(
        things,
        spec,
        [row(key, vector=np.array(start + [0] * 6, np.float32)) for key, start in vectors.items()],
    )
    query = np.zeros((1, spec.dim), np.float32)
    query[0, 0] = 1
    [hits] = store.search(things, query, 10, fields=["name", "vector"], strong=True)
    assert [(hit.key, hit.score) for hit in hits] == [
        ("long", 3.0),
        ("tie_a", 1.0),
        ("tie_b", 1.0),
        ("far", 0.0),
        ("opposite", -1.0),
    ]
    assert hits[0].fields["vector"].dtype == np.float32
    assert set(hits[0].fields) == {"name", "vector"}
    assert [hit.key for hit in store.search(things, query, 1, strong=True)[0]] == ["long"]


def test_many_queries_are_answered_in_the_order_asked(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row(str(i), rank=i) for i in range(spec.dim)])
    order = np.random.default_rng(0).integers(0, spec.dim, 2500)
    found = store.search(things, np.eye(spec.dim, dtype=np.float32)[order], 1, strong=True)
    assert [hits[0].key for hits in found] == [str(i) for i in order]


def test_a_narrow_filter_still_finds_the_nearest(store: Store, things: str, spec: CollectionSpec) -> None:
    random = np.random.default_rng(0)
    matrix = random.standard_normal((3000, spec.dim)).astype(np.float32)
    rows = [
        {"key": f"{i:04}", "vector": v, "name": "", "rank": i % 500, "weight": 0.0, "attributes": {}}
        for i, v in enumerate(matrix)
    ]
    store.upsert(things, spec, rows)
    store.flush(things)
    query = random.standard_normal((1, spec.dim)).astype(np.float32)
    [hits] = store.search(things, query, 5, where=Compare("rank", "==", 7), strong=True)
    members = np.arange(7, 3000, 500)
    best = members[np.argsort(-(matrix[members] @ query[0]))][:5]
    assert [hit.key for hit in hits] == [f"{i:04}" for i in best]


def test_delete_takes_what_matches_and_nothing_else(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.upsert(things, spec, [row(str(i), rank=i) for i in range(6)])
    store.delete(things, In("key", []))
    store.delete(things, In("key", ["0", "nobody"]))
    store.delete(things, Compare("rank", ">", 3))
    assert keys(store.query(things, fields=[])) == ["1", "2", "3"]


@pytest.mark.parametrize("where", [All([]), All([All([])]), AnyOf([All([]), In("key", ["b"])])])
def test_an_empty_filter_deletes_nothing(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, where: All | AnyOf
) -> None:
    store.upsert(things, spec, [row("a")])
    with pytest.raises(StoreError, match="every row"):
        store.delete(things, where)
    assert store.count(things) == 1


def test_lists_longer_than_one_call_are_cut(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearclass.store.filters.split.__defaults__", (3,))
    store.upsert(things, spec, [row(str(i), rank=i) for i in range(10)])
    wanted = [str(i) for i in range(8)]
    assert keys(store.query(things, where=In("key", wanted), fields=[])) == wanted
    assert store.count(things, All([In("rank", range(8)), Compare("rank", "!=", 3)])) == 7
    store.delete(things, In("key", wanted))
    assert keys(store.query(things, fields=[])) == ["8", "9"]


def test_rows_longer_than_one_call_are_cut(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearclass.store.rows.MAX_BATCH_BYTES", 2000)
    store.upsert(things, spec, [row(f"{i:03}", name="x" * 300) for i in range(30)])
    assert store.count(things) == 30


def test_creating_what_exists_changes_nothing(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row("a")])
    store.create(things, spec)
    assert store.count(things) == 1


def test_another_dim_or_field_is_refused_with_both_sides_named(store: Store, things: str, spec: CollectionSpec) -> None:
    with pytest.raises(SchemaMismatchError, match=r"stored is vector: FLOAT_VECTOR\(8\).*wanted is .*\(9\)"):
        store.create(things, replace(spec, dim=9))
    other = replace(spec, fields=(*spec.fields[:3], FieldSpec("extra", FieldType.INT)))
    with pytest.raises(SchemaMismatchError, match=r"extra: absent, attributes: JSON; wanted .*attributes: absent"):
        store.create(things, other)


def test_an_alias_follows_where_it_is_pointed(
    store: Store, things: str, fresh: str, spec: CollectionSpec, row: MakeRow
) -> None:
    other, alias = f"{fresh}_other", f"{fresh}_alias"
    store.create(other, spec)
    store.upsert(other, spec, [row("in other")])
    store.point(alias, things)
    store.point(alias, things)
    assert store.resolve(alias) == things
    store.upsert(alias, spec, [row("by alias")])
    assert keys(store.query(things, fields=[])) == ["by alias"]
    store.point(alias, other)
    assert keys(store.query(alias, fields=[])) == ["in other"]
    store.delete(alias, In("key", ["in other"]))
    assert store.count(other) == 0
    assert alias not in store.collections()


def test_dropping_an_alias_is_refused(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    alias = f"{things}_alias"
    store.upsert(things, spec, [row("a")])
    store.point(alias, things)
    with pytest.raises(StoreError, match=f"'{alias}' is an alias of the collection '{things}'"):
        store.drop(alias)
    assert store.count(alias) == 1


def test_an_alias_is_released_with_its_collection(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow
) -> None:
    alias = f"{things}_alias"
    store.upsert(things, spec, [row("a")])
    store.point(alias, things)
    store.release(alias)
    store.release(alias)
    assert store.resolve(alias) is None
    assert things not in store.collections()
    store.create(things, spec)
    assert store.resolve(alias) is None
    store.point(alias, things)
    assert store.count(alias) == 0
    with pytest.raises(StoreError, match="is a collection and no alias"):
        store.release(things)


def test_a_collection_cannot_become_an_alias(store: Store, things: str, spec: CollectionSpec) -> None:
    other = f"{things}_other"
    store.create(other, spec)
    with pytest.raises(StoreError, match="is a collection"):
        store.point(other, things)


def test_a_dropped_collection_is_gone_and_its_name_is_free(
    store: Store, fresh: str, spec: CollectionSpec, row: MakeRow
) -> None:
    store.create(fresh, spec)
    store.upsert(fresh, spec, [row("a")])
    store.drop(fresh)
    store.drop(fresh)
    assert store.resolve(fresh) is None
    assert fresh not in store.collections()
    smaller = replace(spec, dim=3)
    store.create(fresh, smaller)
    store.upsert(fresh, smaller, [row("a", vector=np.ones(3, np.float32))])
    assert store.count(fresh) == 1


def test_a_missing_collection_is_named(store: Store, spec: CollectionSpec, row: MakeRow) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: store.query("nowhere", fields=[]),
        lambda: list(store.scan("nowhere", fields=[])),
        lambda: store.search("nowhere", np.ones((1, spec.dim), np.float32), 1),
        lambda: store.count("nowhere"),
        lambda: store.upsert("nowhere", spec, [row("a")]),
        lambda: store.delete("nowhere", In("key", ["a"])),
        lambda: store.flush("nowhere"),
        lambda: store.point("alias", "nowhere"),
    ]
    for call in calls:
        with pytest.raises(CollectionMissingError, match="nowhere"):
            call()
    assert store.resolve("nowhere") is None


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "ä", "a" * 256, "a'", "../a", "a\n"])
def test_a_name_that_some_engine_refuses_is_refused(store: Store, spec: CollectionSpec, name: str) -> None:
    for call in (lambda: store.create(name, spec), lambda: store.drop(name), lambda: store.resolve(name)):
        with pytest.raises(StoreError, match="not a name"):
            call()


def test_searching_with_another_dim_says_so(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row("a")])
    with pytest.raises(StoreError, match=r"FLOAT_VECTOR\(8\).*vectors of 5 numbers"):
        store.search(things, np.ones((1, 5), np.float32), 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_query_that_is_near_to_nothing_is_refused(
    store: Store, things: str, spec: CollectionSpec, value: float
) -> None:
    vectors = np.ones((2, spec.dim), np.float32)
    vectors[1] = value
    with pytest.raises(StoreError, match="query 1"):
        store.search(things, vectors, 1)


def test_an_unknown_field_is_refused(store: Store, things: str, spec: CollectionSpec, row: MakeRow) -> None:
    store.upsert(things, spec, [row("a")])
    with pytest.raises(StoreError, match="nosuch"):
        store.query(things, fields=["nosuch"])
    with pytest.raises(StoreError, match="nosuch"):
        store.query(things, where=Compare("nosuch", "==", 1), fields=[])


def test_the_widest_layout_in_use_can_be_stored(store: Store, fresh: str) -> None:
    wide = items_spec(16)
    store.create(fresh, wide)
    text = "日" * 20_000
    fields: dict[str, Any] = {field.name: "" for field in wide.fields if field.type is FieldType.TEXT}
    fields |= {field.name: 1.0 for field in wide.fields if field.type is FieldType.FLOAT}
    fields |= {field.name: 2**62 for field in wide.fields if field.type is FieldType.INT}
    fields |= {"attributes": {"a": "b" * 50_000}, "text": text}
    store.upsert(fresh, wide, [{"key": "k" * 512, "vector": np.ones(16, np.float32), **fields}])
    [found] = store.query(fresh, fields=list(wide.field_names))
    assert found == {"key": "k" * 512, **fields}


def test_the_engine_is_named(store: Store) -> None:
    assert store.engine.startswith(("milvus-lite 3.", "milvus 2.3."))
    assert store.embedded == (store.path is not None)
