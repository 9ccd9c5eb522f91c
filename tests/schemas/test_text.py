"""Canonical text, on which every embedding and every hash stands."""

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thorough import times

from nearclass.schemas.records import Item, Role
from nearclass.schemas.text import canonical, clip_bytes, content_hash, item_text

# Letters that mojibake is made of, combining marks, white space and controls: where the steps meet.
_MEETING = "aAeÂÃâãåæçèéïÐÑðŸ€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œž\u0301\u0302\u0303\u030a\xa0\x80\x99\x9f©®°¼½¿\u200b\u2028\ufeff\x00 \n\t日😀"
_TEXTS = st.one_of(st.text(), st.text(st.sampled_from(_MEETING)))


@settings(max_examples=times(300, 3000))
@given(_TEXTS)
@example("A\u0303\u00a9")  # composes to mojibake
@example("\u00c3\u0192\u00c2\u00a9")  # mojibake of mojibake
@example("\x00\u0301")
def test_what_is_canonical_stays_as_it_is(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once


@settings(max_examples=times(300, 3000))
@given(_TEXTS)
def test_a_canonical_text_is_composed_and_has_no_controls_and_single_spaces_only_inside(text: str) -> None:
    found = canonical(text)
    assert unicodedata.is_normalized("NFC", found)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]", found)
    assert found == " ".join(found.split())
    found.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param(" \t\r\n\u3000\u00a0", "", id="white space"),
        pytest.param("a\u00a0b\u3000c\n\nd", "a b c d", id="kinds of space"),
        pytest.param("a\x00b\x1bc\x7fd\x85e", "a b c d e", id="controls"),
        pytest.param("\ufeffa\u200bb\u2028c", "a b c", id="invisible"),
        pytest.param("Cafe\u0301", "Caf\u00e9", id="decomposed"),
        pytest.param("\u1100\u1161\u11a8", "\uac01", id="decomposed Hangul"),
        pytest.param("cr\u00c3\u00a8me", "cr\u00e8me", id="UTF-8 as Latin-1"),
        pytest.param("Itâ€™s", "It’s", id="UTF-8 as Windows-1252"),
        pytest.param("caf\u00c3\u0192\u00c2\u00a9", "caf\u00e9", id="twice"),
        pytest.param("a\ud800b", "a\ufffdb", id="half a surrogate pair"),
        pytest.param("👩\u200d🔬 x", "👩\u200d🔬 x", id="a joined emoji stays joined"),
        pytest.param("שלום עולם", "שלום עולם", id="right to left"),
        pytest.param("São Paulo à la carte", "São Paulo à la carte", id="right letters are no mojibake"),
    ],
)
def test_a_text_comes_to_its_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@given(st.text(), st.integers(0, 400))
def test_a_clipped_text_fits_and_is_a_beginning_made_of_whole_characters(text: str, limit: int) -> None:
    clipped = clip_bytes(text, limit)
    assert text.startswith(clipped)
    assert len(clipped.encode()) <= limit


@given(st.text(min_size=1), st.integers(0, 400))
def test_one_character_more_would_not_fit(text: str, limit: int) -> None:
    clipped = clip_bytes(text, limit)
    if clipped != text:
        assert len(text[: len(clipped) + 1].encode()) > limit


def test_half_a_surrogate_pair_can_be_clipped() -> None:
    clipped = clip_bytes("\ud800" * 10, 7)
    assert clipped
    assert len(clipped.encode()) <= 7


def test_the_hash_is_another_for_another_space_role_or_text() -> None:
    hashes = {
        content_hash(space, role, text)
        for space in ("a" * 64, "b" * 64)
        for role in Role
        for text in ("kettle", "Kettle", "")
    }
    assert len(hashes) == 2 * 2 * 3
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes)


def test_the_hash_does_not_change_from_run_to_run() -> None:
    assert content_hash("f", Role.ITEM, "kettle") == content_hash("f", Role("item"), "kettle")
    # Written down, because stored vectors are recognised by it: a change makes every item be embedded again.
    assert content_hash("f", Role.ITEM, "kettle").startswith("b2c4bcf49ed4d494")


def test_the_hash_takes_half_a_surrogate_pair() -> None:
    assert content_hash("f", Role.ITEM, "\ud800") == content_hash("f", Role.ITEM, "?")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(Item("1", title="Kettle"), "Kettle", id="title"),
        pytest.param(Item("1", title="Kettle!", description="Boils."), "Kettle! Boils.", id="closed already"),
        pytest.param(Item("1", "Kettle", "Boils", "Steel"), "Kettle. Boils. Steel", id="in this order"),
        pytest.param(Item("1", title="kettle", text="KETTLE 1 l"), "KETTLE 1 l", id="text holds the title"),
        pytest.param(Item("1", title=" ", description="\x00", text="\n"), "", id="nothing to say"),
        pytest.param(Item("1", description="Boils"), "Boils", id="description alone"),
    ],
)
def test_an_item_has_one_text_with_its_title_first(item: Item, expected: str) -> None:
    assert item_text(item) == expected


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_the_text_of_an_item_is_canonical(title: str, description: str, text: str) -> None:
    found = item_text(Item("1", title=title, description=description, text=text))
    assert canonical(found) == found
