"""No text can be more than a text in a filter: hostile ones make the round trip through a real collection."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from thorough import times

from nearclass.errors import StoreError
from nearclass.schemas.collections import CollectionSpec
from nearclass.schemas.filters import All, Attribute, Compare, Filter, In
from nearclass.store import Store
from nearclass.store.filters import matches_nothing, only_keys, render, split

MakeRow = Callable[..., dict[str, Any]]

HOSTILE = [
    "x'] or key != '' or key in ['y",
    'x"] or key != "" or key in ["y',
    '" or "" == "',
    "\\",
    '\\"',
    'a\\"b',
    "line\nbreak\r\ttab",
    "\x00\x01\b\f\x7f\x85\u2028",
    "{key}",
    "%s$meta",
    "日本語🙂",
    "\\u0041",
]

texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\"\\[]{}()\n\r\t%$"), min_size=1, max_size=20
) | st.sampled_from(HOSTILE)

quick = settings(max_examples=times(40, 400), suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def bystanders(lite: Store, lite_things: str, spec: CollectionSpec, row: MakeRow) -> str:
    """A collection with rows that nobody must touch."""
    lite.upsert(lite_things, spec, [row("y", name="y"), row("bystander", name="innocent")])
    return lite_things


@quick
@given(text=texts)
def test_an_id_with_quotes_deletes_only_itself(
    lite: Store, bystanders: str, spec: CollectionSpec, row: MakeRow, text: str
) -> None:
    lite.upsert(bystanders, spec, [row(text)])
    before = lite.count(bystanders)
    lite.delete(bystanders, In("key", [text]))
    assert lite.query(bystanders, where=In("key", [text]), fields=[]) == []
    assert lite.count(bystanders) == before - 1
    lite.upsert(bystanders, spec, [row("y"), row("bystander")])


@quick
@given(text=texts)
def test_a_text_is_found_by_itself_and_by_nothing_else(
    lite: Store, bystanders: str, spec: CollectionSpec, row: MakeRow, text: str
) -> None:
    lite.upsert(bystanders, spec, [row("probe", name=text, attributes={text: "here", "other": text})])
    wheres: list[Filter] = [
        Compare("name", "==", text),
        In("name", [text]),
        All([Compare("name", "==", text), Compare("key", "==", "probe")]),
        Compare(Attribute(text), "==", "here" if text != "other" else text),
        Compare(Attribute("other"), "==", text),
    ]
    others = {"y", "innocent"}
    for where in wheres:
        found = [found["key"] for found in lite.query(bystanders, where=where, fields=[])]
        assert found == ["probe"] or text in others, where


@quick
@given(
    number=st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
)
@example(number=-0.0)
@example(number=5e-324)
@example(number=1.7976931348623157e308)
def test_a_number_is_found_by_itself(
    lite: Store, bystanders: str, spec: CollectionSpec, row: MakeRow, number: float
) -> None:
    field = "rank" if isinstance(number, int) else "weight"
    lite.upsert(bystanders, spec, [row("probe", **{field: number})])
    [found] = lite.query(bystanders, where=All([In("key", ["probe"]), Compare(field, "==", number)]), fields=[field])
    assert found[field] == number


@pytest.mark.parametrize("field", ["", "a b", "key or true", "1a", "a-b", 'attributes["x"]', "nâme", "$meta", "a\n"])
def test_a_field_that_is_no_name_is_refused(field: str) -> None:
    for where in (Compare(field, "==", 1), In(field, [1])):
        with pytest.raises(StoreError, match="not a field name"):
            render(where)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, "\ud800", None, b"x", ["a"]])
def test_a_value_that_no_engine_compares_with_is_refused(value: Any) -> None:
    with pytest.raises(StoreError, match="filter"):
        render(Compare("rank", "==", value))


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(StoreError, match="operator"):
        render(Compare("rank", "== 1 or rank ==", 1))  # type: ignore[arg-type]


def test_something_else_than_a_filter_is_refused() -> None:
    with pytest.raises(StoreError, match="not a filter"):
        render("rank == 1")  # type: ignore[arg-type]


def test_expressions_are_rendered_with_the_least_escapes() -> None:
    where = All([Compare("a", "==", 'q"\\\n\x01é'), All([]), In("b", [1, -2]), Compare(Attribute("k'"), ">", True)])
    assert render(where) == '(a == "q\\"\\\\\\n\x01é") and (b in [1, -2]) and (attributes["k\'"] > true)'
    assert render(None) == ""


def test_a_filter_that_matches_nothing_is_known_without_asking() -> None:
    assert matches_nothing(In("key", []))
    assert matches_nothing(All([Compare("a", "==", 1), All([In("key", [])])]))
    assert not matches_nothing(All([]))
    assert not matches_nothing(None)
    assert only_keys(In("key", ["a"]))
    assert not only_keys(In("name", ["a"]))


def test_long_lists_are_cut_without_repeating_a_value() -> None:
    parts = list(split(All([Compare("a", "==", 1), In("b", [1, 2, 1, 3])]), size=2))
    assert parts == [
        All((Compare("a", "==", 1), In("b", (1, 2)))),
        All((Compare("a", "==", 1), In("b", (3,)))),
    ]
    assert list(split(None)) == [None]
