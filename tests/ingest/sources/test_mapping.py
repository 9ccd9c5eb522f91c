"""From rows to items."""

import datetime as dt
import decimal
import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearclass.errors import UsageError
from nearclass.ingest.sources import BadRow, ColumnMapping, MappedRow, RawRow, RowMapper, detect, map_row
from nearclass.ingest.sources.values import number_or_text

NAN = float("nan")


def mapped(values: dict[str, Any], default_id: str | None = None) -> MappedRow | BadRow:
    return RowMapper().map(RawRow(values, "a.jsonl", 3, 2), default_id=default_id)


def good(values: dict[str, Any], default_id: str | None = None) -> MappedRow:
    row = mapped(values, default_id)
    assert isinstance(row, MappedRow), row
    return row


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (["id", "title", "description"], {"id": "id", "title": "title", "description": "description"}),
        (
            ["SKU", "Product Name", "Long-Description"],
            {"id": "SKU", "title": "Product Name", "description": "Long-Description"},
        ),
        (["sku", "id", "name", "title"], {"id": "id", "title": "title"}),
        (["ID", "id"], {"id": "id"}),
        (["g:id", "g:image link"], {"id": "g:id", "image": "g:image link"}),
        (["utterance", "label", "oos"], {"text": "utterance", "label": "label", "oos": "oos"}),
        (["text", "category_id", "labels"], {"text": "text", "labels": "labels"}),
        (["item_id", "embedding"], {"id": "item_id", "vector": "embedding"}),
        (["", "???"], {}),
        ([], {}),
    ],
)
def test_columns_are_known_by_their_names(columns: list[str], fields: dict[str, str]) -> None:
    assert detect(columns).fields == fields


def test_flags_win_over_names() -> None:
    typed = ColumnMapping.from_flags(["text=name", "ID = code ".replace(" = ", "=").strip()])
    row = RowMapper(given=typed).map(RawRow({"id": "1", "code": "c", "name": "n", "title": "t"}, "a", 1, 0))
    assert isinstance(row, MappedRow)
    assert (row.item.id, row.item.text, row.item.title, row.item.attributes) == ("c", "n", "t", {"id": "1"})


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        (["titel=name"], "unknown field 'titel'", "title"),
        (["title"], "not field=column", "title=product_name"),
        (["title="], "not field=column", ""),
        (["title=a", "title=b"], "two columns", ""),
    ],
)
def test_flags_that_say_nothing_are_refused(flags: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        ColumnMapping.from_flags(flags)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_mapping_survives_being_remembered() -> None:
    mapping = ColumnMapping({"id": "a", "text": "b"})
    assert ColumnMapping.from_dict(json.loads(json.dumps(mapping.to_dict()))) == mapping
    with pytest.raises(UsageError, match="unknown field"):
        ColumnMapping.from_dict({"colour": "a"})
    with pytest.raises(UsageError) as caught:
        mapping.check(["A", "b", "aa"], "a.csv")
    assert "aa" in caught.value.hint


def test_rows_of_different_columns_are_each_mapped_by_their_own() -> None:
    mapper = RowMapper()
    first = mapper.map(RawRow({"id": 1, "name": "a"}, "s", 1, 0))
    second = mapper.map(RawRow({"id": 2, "description": "b", "title": "c"}, "s", 2, 1))
    assert isinstance(first, MappedRow)
    assert isinstance(second, MappedRow)
    assert (first.item.title, second.item.title, second.item.description) == ("a", "c", "b")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sku-1", "sku-1"),
        ("  a b\u00a0", "a b"),
        ('a"b\nc\td', 'a"b\nc\td'),
        ("007", "007"),
        ("2024-01-02", "2024-01-02"),
        (7, "7"),
        (-7, "-7"),
        (7.0, "7"),
        (10**30, str(10**30)),
        (decimal.Decimal(12), "12"),
        (np.int64(7), "7"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (b"abc", "abc"),
        ("é" * 256, "é" * 256),
        ("של", "של"),
        ("NaN", "NaN"),
        (0, "0"),
    ],
)
def test_ids_of_many_kinds_are_taken(value: Any, expected: str) -> None:
    assert good({"id": value, "title": "a"}).item.id == expected


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"title": "a"}, "missing_id"),
        ({"id": None, "title": "a"}, "missing_id"),
        ({"id": " \t\n", "title": "a"}, "missing_id"),
        ({"id": "", "title": "a"}, "missing_id"),
        ({"id": "é" * 257, "title": "a"}, "id_too_long"),
        ({"id": "x" * 513, "title": "a"}, "id_too_long"),
        ({"id": 10**600, "title": "a"}, "id_too_long"),
        ({"id": 10**6000, "title": "a"}, "id_too_long"),
        ({"id": "a\0b", "title": "a"}, "bad_id"),
        ({"id": "a\x1bb", "title": "a"}, "bad_id"),
        ({"id": "\ud800", "title": "a"}, "bad_id"),
        ({"id": True, "title": "a"}, "bad_id"),
        ({"id": 1.5, "title": "a"}, "bad_id"),
        ({"id": NAN, "title": "a"}, "bad_id"),
        ({"id": 1e300, "title": "a"}, "bad_id"),
        ({"id": ["a"], "title": "a"}, "bad_id"),
        ({"id": {"a": 1}, "title": "a"}, "bad_id"),
        ({"id": 1}, "no_content"),
        ({"id": 1, "title": " ", "text": None, "image": ""}, "no_content"),
        ({"id": 1, "title": "\0\x01"}, "no_content"),
        ({"id": 1, "colour": "red"}, "no_content"),
        ({"id": 1, "title": ["a"]}, "bad_value"),
        ({"id": 1, "title": {"a": 1}}, "bad_value"),
        ({"id": 1, "title": NAN}, "bad_value"),
        ({"id": 1, "title": True}, "bad_value"),
        ({"id": 1, "title": 10**6000}, "bad_value"),
        ({"id": 1, "title": "a", "price": NAN}, "bad_value"),
        ({"id": 1, "title": "a", "price": float("inf")}, "bad_value"),
        ({"id": 1, "title": "a", "x": {"y": [1, {"z": NAN}]}}, "bad_value"),
        ({"id": 1, "title": "a", "x": np.array([1.0, NAN])}, "bad_value"),
        ({"id": 1, "title": "a", "x": decimal.Decimal("NaN")}, "bad_value"),
        ({"id": 1, "title": "a", "x": object()}, "bad_value"),
        ({"id": 1, "title": "a", "x": 10**6000}, "bad_value"),
        ({"id": 1, "title": "x" * ((4 << 20) + 1)}, "text_too_large"),
        ({"id": 1, "text": "é" * ((2 << 20) + 1)}, "text_too_large"),
        ({"id": 1, "vector": "abc"}, "bad_vector"),
        ({"id": 1, "vector": 3}, "bad_vector"),
        ({"id": 1, "vector": [1, "a"]}, "bad_vector"),
        ({"id": 1, "vector": [1, True]}, "bad_vector"),
        ({"id": 1, "vector": [1, NAN]}, "bad_vector"),
        ({"id": 1, "vector": [[1.0], [2.0]]}, "bad_vector"),
        ({"id": 1, "vector": [10**400]}, "bad_vector"),
        ({"id": 1, "vector": np.array([1, np.inf], np.float32)}, "bad_vector"),
        ({"id": 1, "vector": "[1, null]"}, "bad_vector"),
        ({"id": 1, "vector": "[]"}, "bad_vector"),
        ({"id": 1, "vector": {"a": 1}}, "bad_vector"),
        ({"id": 1, "text": "a", "label": {"a": 1}}, "bad_value"),
        ({"id": 1, "text": "a", "labels": [["a"]]}, "bad_value"),
    ],
)
def test_rows_that_are_no_items_say_why(values: dict[str, Any], code: str) -> None:
    row = mapped(values)
    assert isinstance(row, BadRow)
    assert (row.code, row.source, row.line, row.position) == (code, "a.jsonl", 3, 2)
    assert row.message
    assert len(str(row.raw)) <= 40_000


def test_a_given_id_is_for_rows_without_one() -> None:
    assert good({"text": "a"}, "line-1").item.id == "line-1"
    assert good({"id": "x", "text": "a"}, "line-1").item.id == "x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0b\x07c\x7fd", "a b c d"),
        ("a\tb\nc\r\nd", "a\tb\nc\r\nd"),
        ("\ud83d\ude00", "😀"),
        ("a\ud800b", "a\ufffdb"),
        ("\u202eשל 👩‍👩‍👧", "\u202eשל 👩‍👩‍👧"),
        (42, "42"),
        (1.5, "1.5"),
        (decimal.Decimal("1.50"), "1.5"),
        (" padded ", " padded "),
        ("x" * (4 << 20), "x" * (4 << 20)),
    ],
)
def test_texts_are_freed_of_what_nobody_can_read(value: Any, expected: str) -> None:
    assert good({"id": 1, "title": value}).item.title == expected


def test_all_other_columns_become_attributes_that_json_can_hold() -> None:
    attributes = good(
        {
            "id": 1,
            "title": "a",
            "path": ["x", "y"],
            "empty": " ",
            "none": None,
            "no": [],
            "zero": 0,
            "false": False,
            "huge": 2**64,
            "price": decimal.Decimal("9.50"),
            "when": dt.datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001  sources hold such times
            "numpy": np.float32(0.5),
            "point": np.array(0.5),
            "array": np.array([[1, 2]]),
            "broken\ud800": "\udfff",
            "inner": {1: (2, {"a": b"b"})},
        }
    ).item.attributes
    assert orjson.loads(orjson.dumps(dict(attributes))) == attributes
    assert attributes == {
        "path": ["x", "y"],
        "zero": 0,
        "false": False,
        "huge": "18446744073709551616",
        "price": 9.5,
        "when": "2024-01-02T03:04:05",
        "numpy": 0.5,
        "point": 0.5,
        "array": [[1, 2]],
        "broken\ufffd": "\ufffd",
        "inner": {"1": [2, {"a": "b"}]},
    }


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("-12", -12),
        ("12.50", 12.5),
        ("0.05", 0.05),
        ("0.123456789012345", 0.123456789012345),
        ("999999999999999", 999999999999999),
        ("4006381333931", 4006381333931),
    ],
)
def test_a_plain_number_of_a_source_of_texts_becomes_a_number(words: str, value: float) -> None:
    [found] = attributes_of_a_table(words).values()
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "words",
    [
        "00123", "-01", "00.5", "+5", "1e5", "1E5", "nan", "inf", "1,5", "1,000", "1_000", ".5", "5.", "-", "--1",
        " 5", "5 ", "5\n", "1.2.3", "0x10", "12 EUR", "2024-01-02", "true", "٣", "５",
        "1234567890123456", "1234567890.123456", "12345678901234.50", "0.0000000000000001",
    ],
)  # fmt: skip
def test_what_may_be_anything_else_stays_the_text_that_it_was(words: str) -> None:
    assert attributes_of_a_table(words) == {"x": words}


def test_only_attributes_become_numbers_and_only_where_the_source_has_no_types() -> None:
    values = {"id": "12", "title": "34", "label": "56", "x": "78"}
    [table, typed] = [
        RowMapper().map(RawRow(dict(values), "a", 1, 0, only_texts=only_texts)) for only_texts in (True, False)
    ]
    assert isinstance(table, MappedRow)
    assert isinstance(typed, MappedRow)
    assert (table.item.id, table.item.title, table.label, table.item.attributes) == ("12", "34", ("56",), {"x": 78})
    assert typed.item.attributes == {"x": "78"}


def test_a_bad_row_of_a_table_is_kept_as_it_was_written() -> None:
    row = RowMapper().map(RawRow({"id": "", "price": "12.50"}, "a.csv", 2, 0, only_texts=True))
    assert isinstance(row, BadRow)
    assert row.raw == {"id": "", "price": "12.50"}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers().map(decimal.Decimal))
def test_no_digit_of_a_number_is_lost(number: decimal.Decimal) -> None:
    words = f"{number:f}"
    value = number_or_text(words)
    assert value == words or decimal.Decimal(str(value)) == number
    plain = len(words.strip("-").replace(".", "").lstrip("0")) <= 15
    assert plain == (value != words)


@given(st.text(max_size=8) | st.text("0123456789.-+e, ", max_size=20))
def test_what_is_taken_for_a_number_is_written_as_json_writes_it(words: str) -> None:
    value = number_or_text(words)
    if value != words:
        assert value == orjson.loads(words)
        assert not {"e", "E", "+"} & set(words)


def attributes_of_a_table(words: str) -> dict[str, Any]:
    row = RowMapper().map(RawRow({"id": "1", "title": "a", "x": words}, "a.csv", 2, 0, only_texts=True))
    assert isinstance(row, MappedRow)
    return dict(row.item.attributes)


def test_nesting_beyond_reason_is_a_bad_value() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    row = mapped({"id": 1, "title": "a", "x": value})
    assert isinstance(row, BadRow)
    assert row.code == "bad_value"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"label": "shoes"}, ("shoes",)),
        ({"label": 7}, ("7",)),
        ({"label": 7.0}, ("7",)),
        ({"label": ""}, ()),
        ({"label": "a|b"}, ("a|b",)),
        ({"label": "[odd name"}, ("[odd name",)),
        ({"label": ["a", "b", "a", None]}, ("a", "b")),
        ({"labels": '["a", " b "]'}, ("a", "b")),
        ({"labels": np.array(["a"])}, ("a",)),
        ({"label": "a", "labels": ["b", "a"]}, ("a", "b")),
    ],
)
def test_labels_are_names_any_of_which_is_right(values: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert good({"id": 1, "text": "a", **values}).label == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("YES", True), (1, True), ("1", True), (0, False), ("no", False)],
    ids=["true", "YES", "one", "text-one", "zero", "no"],
)
def test_the_flag_of_out_of_scope_is_read(value: Any, expected: Any) -> None:
    assert good({"id": 1, "text": "a", "oos": value}).oos is expected


@pytest.mark.parametrize("value", [[1, 0.5], (1, 0.5), "[1, 0.5]", np.array([1, 0.5], np.float32), np.array([1, 0.5])])
def test_vectors_become_tuples_of_floats(value: Any) -> None:
    item = good({"id": 1, "vector": value}).item
    assert item.vector == (1.0, 0.5)
    assert all(type(number) is float for number in item.vector)


@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "text", "vector", "labels", "oos", "x", "\ud800"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.binary(max_size=5)
            | st.decimals()
            | st.text(st.characters(), max_size=5)
            | st.dates()
            | st.timedeltas()
            | st.just("\ud800"),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=2)
            ),
            max_leaves=5,
        ),
    )
)
def test_any_row_is_an_item_or_bad(values: dict[str, Any]) -> None:
    row = map_row(RawRow(values, "s", 1, 0), detect(values), default_id="line-1")
    if isinstance(row, MappedRow):
        orjson.dumps([row.item.id, row.item.title, row.item.text, dict(row.item.attributes), row.label])
    else:
        assert row.code
