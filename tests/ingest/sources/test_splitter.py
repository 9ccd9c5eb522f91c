"""Splitting JSON text into elements, against the parser of the standard library."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nearclass.ingest.sources.splitter import ElementSplitter
from nearclass.ingest.sources.text import CutLine, split_lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\[]{},:\n é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\[]{},', max_size=3), inner, max_size=3),
    max_leaves=12,
)


def split(text: bytes, size: int) -> list[bytes]:
    splitter = ElementSplitter()
    found = [one.text for at in range(0, len(text), size) for one in splitter.feed(text[at : at + size])]
    found += [one.text for one in splitter.finish()]
    assert not splitter.open
    return found


@given(st.lists(VALUES, max_size=5), st.integers(1, 40), st.sampled_from([None, 1, 4]))
def test_the_elements_of_a_list_are_those_that_a_parser_finds(values: list[Any], size: int, indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert [json.loads(one) for one in split(text, size)] == values


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=5), st.integers(1, 40))
def test_objects_that_follow_one_another_are_all_found(values: list[Any], size: int) -> None:
    text = "\n".join(json.dumps(value, indent=1) for value in values).encode()
    assert [json.loads(one) for one in split(text, size)] == values


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_split_alike_in_pieces_of_any_size(text: bytes, size: int) -> None:
    def found(step: int) -> list[Any]:
        splitter = ElementSplitter()
        pieces = [text[at : at + step] for at in range(0, len(text), step)]
        return [*[one for piece in pieces for one in splitter.feed(piece)], *splitter.finish(), splitter.open]

    assert found(size) == found(1000)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_element_over_the_limit_is_cut_and_the_next_is_whole(size: int) -> None:
    splitter = ElementSplitter(limit=50)
    text = b'[{"a": "' + b'\\"x' * 100 + b'"},\n\n{"b": 1}]'
    found = [one for at in range(0, len(text), size) for one in splitter.feed(text[at : at + size])]
    assert [(one.cut, one.line) for one in found] == [(True, 1), (False, 3)]
    assert found[1].text == b'{"b": 1}'


@given(st.text("ab\r\n", max_size=60), st.integers(1, 9))
def test_lines_are_those_of_splitlines(text: str, size: int) -> None:
    data = text.encode()
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    assert [line for lines in split_lines(pieces) for line in lines] == data.splitlines(keepends=True)


@given(st.text("ab\r\n", max_size=80), st.integers(1, 9))
@example("aaaaaaa\raaaaaa\ra", 8)
def test_lines_over_the_limit_are_cut_and_counted(text: str, size: int) -> None:
    data = text.encode()
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    found = [line for lines in split_lines(pieces, limit=5) for line in lines]
    lines = data.splitlines(keepends=True)
    assert len(found) == len(lines)
    for got, line in zip(found, lines, strict=True):
        assert got == line if len(line) <= 5 else isinstance(got, CutLine) or len(line.rstrip()) <= 5
