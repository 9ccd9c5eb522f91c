"""What a store promises of values, on every engine: any text is a key, and comes back as it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearclass.errors import StoreError
from nearclass.schemas.collections import MAX_ID_BYTES, CollectionSpec
from nearclass.schemas.filters import Attribute, Compare, In
from nearclass.store import Store

MakeRow = Callable[..., dict[str, Any]]

TEXTS = {
    "plain": "sku-1",
    "space": " two  spaces ",
    "single quote": "x'] or key != '' or key in ['y",
    "double quote": 'x"] or key != "" or key in ["y',
    "only quotes": "'\"'\"",
    "backslash": "a\\b",
    "backslash at the end": "a\\",
    "escaped quote": 'a\\"b',
    "escape of a letter": "\\u0041\\x41\\n",
    "newline": "line\nbreak",
    "carriage return": "line\r\nbreak",
    "tab": "a\tb",
    "control characters": "\x01\b\f\x7f\x85\u2028",
    "percent": "100%s$meta",
    "braces": "{key} {0}",
    "brackets": '["key"]',
    "comment": "a // b /* c */ # d -- e",
    "operator": "a == b or true",
    "chinese": "日本語",
    "emoji": "🙂👨‍👩‍👧",
    "right to left": "\u202eabc\u202c שלום",
    "combining": "e\u0301 \u00e9",
    "long": "k" * MAX_ID_BYTES,
}

NUMBERS = [0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63) + 1]
FRACTIONS = [0.0, 0.1, -0.1, 1e-300, 5e-324, 1.7976931348623157e308, -1e308, 1 / 3, 123456789.123456789]

DOCUMENTS = {
    "empty": {},
    "texts": {"color": "red", "size": "日本語 \" ' \\ \n"},
    "numbers": {"n": 1, "x": 0.1, "large": 2**53, "negative": -7},
    "booleans and nothing": {"yes": True, "no": False, "none": None},
    "lists": {"list": [1, 2.5, None, True, "a", [[]]]},
    "nested": {"a": {"b": {"c": {"d": [{"e": 1}]}}}},
    "odd keys": {"": 1, " ": 2, "a.b": 3, "a'b\"c\\d": 4, "日本": 5, "$meta": 6},
    "like fields": {"key": "x", "vector": [1.0], "name": "other", "rank": "text"},
}


def named(cases: dict[str, Any]) -> list[Any]:
    return [pytest.param(value, id=name.replace(" ", "_")) for name, value in cases.items()]


@pytest.mark.parametrize("text", named(TEXTS))
def test_any_text_is_a_key_and_deletes_only_itself(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, text: str
) -> None:
    store.upsert(things, spec, [row("y", rank=1), row("bystander", rank=2), row(text, rank=3)])
    assert store.query(things, where=In("key", [text]), fields=["rank"]) == [{"key": text, "rank": 3}]
    store.upsert(things, spec, [row(text, rank=4)])
    assert store.query(things, where=Compare("key", "==", text), fields=["rank"]) == [{"key": text, "rank": 4}]
    store.delete(things, In("key", [text]))
    assert [found["key"] for found in store.query(things, fields=[])] == ["bystander", "y"]


@pytest.mark.parametrize("text", named(TEXTS | {"nothing": ""}))
def test_any_text_is_found_by_itself_and_by_nothing_else(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, text: str
) -> None:
    text = text[: spec.fields[0].max_bytes - 1]
    attributes = {"said": text, "other": text + "!"}
    store.upsert(things, spec, [row("probe", name=text, attributes=attributes), row("other", name=text + "!")])
    expected = [{"key": "probe", "name": text, "attributes": attributes}]
    wheres = [Compare("name", "==", text), In("name", [text]), Compare(Attribute("said"), "==", text)]
    for where in wheres:
        assert store.query(things, where=where, fields=["name", "attributes"]) == expected, where
    assert store.count(things, Compare("name", "!=", text)) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_an_integer_comes_back_and_is_found(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, number: int
) -> None:
    store.upsert(things, spec, [row("probe", rank=number), row("other", rank=2)])
    assert store.query(things, where=Compare("rank", "==", number), fields=["rank"]) == [
        {"key": "probe", "rank": number}
    ]
    assert store.query(things, where=In("rank", [number, 3]), fields=[]) == [{"key": "probe"}]


@pytest.mark.parametrize("number", FRACTIONS)
def test_a_fraction_comes_back_and_is_found(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, number: float
) -> None:
    store.upsert(things, spec, [row("probe", weight=number), row("other", weight=0.7)])
    [found] = store.query(things, where=Compare("weight", "==", number), fields=["weight"])
    assert found == {"key": "probe", "weight": number}
    assert store.count(things, Compare("weight", "!=", number)) == 1


@pytest.mark.parametrize("document", named(DOCUMENTS))
def test_attributes_come_back_as_they_were(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, document: dict[str, Any]
) -> None:
    store.upsert(things, spec, [row("probe", attributes=document), row("other", attributes={"color": "blue"})])
    assert store.query(things, where=In("key", ["probe"]), fields=["attributes"]) == [
        {"key": "probe", "attributes": document}
    ]
    store.upsert(things, spec, [row("probe", attributes={"new": 1})])
    assert store.query(things, where=In("key", ["probe"]), fields=["attributes"])[0]["attributes"] == {"new": 1}


@pytest.mark.parametrize("character", ["a", "é", "日", "🙂"])
def test_a_text_is_as_long_as_its_bytes(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, character: str
) -> None:
    longest = character * (spec.fields[0].max_bytes // len(character.encode()))
    store.upsert(things, spec, [row("a", name=longest)])
    assert store.query(things, fields=["name"]) == [{"key": "a", "name": longest}]
    with pytest.raises(StoreError, match="at most 400 bytes"):
        store.upsert(things, spec, [row("b", name=longest + character)])
    assert store.count(things) == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("vector", np.full(8, np.nan, np.float32), "NaN or infinity"),
        ("vector", np.array([np.inf] + [0] * 7, np.float32), "NaN or infinity"),
        ("vector", np.zeros(8, np.float32), "zero vector"),
        ("vector", np.ones(7, np.float32), r"\(8,\) numbers"),
        ("vector", None, r"\(8,\) numbers"),
        ("key", "", "at least one character"),
        ("key", "k" * (MAX_ID_BYTES + 1), "at most"),
        ("key", "\ud800", "valid Unicode"),
        ("name", None, "a text"),
        ("name", 7, "a text"),
        ("rank", 2**63, "an integer from"),
        ("rank", 1.5, "an integer"),
        ("rank", True, "an integer"),
        ("weight", float("nan"), "a finite number"),
        ("weight", "1", "a finite number"),
        ("attributes", {"x": float("inf")}, "without NaN and infinity"),
        ("attributes", [1], "a mapping"),
        ("attributes", {"x": {1, 2}}, "valid JSON"),
        ("attributes", {"x": "y" * 70_000}, "bytes"),
    ],
)
def test_what_some_engine_would_refuse_or_change_is_refused_and_nothing_is_written(
    store: Store, things: str, spec: CollectionSpec, row: MakeRow, field: str, value: Any, said: str
) -> None:
    with pytest.raises(StoreError, match=said):
        store.upsert(things, spec, [row("good"), row("probe") | {field: value}])
    assert store.count(things) == 0
