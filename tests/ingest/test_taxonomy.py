"""Which classes the rows of a file come to, and which rows are rejected."""

import json
import math
import time
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearclass.ingest.sources import BadRow, RawRow
from nearclass.ingest.taxonomy import (
    ClassFile,
    parse_google,
    parse_shopify,
    read_classes,
    slug_id,
    sniff_taxonomy,
)
from nearclass.schemas.records import ClassSpec, ClassState
from nearclass.schemas.taxonomy import Taxonomy, spec_to_dict


def rows(*values: Mapping[str, Any]) -> list[RawRow | BadRow]:
    return [RawRow(dict(one), "classes.jsonl", line, line - 1) for line, one in enumerate(values, start=1)]


def read(*values: Mapping[str, Any], existing: Taxonomy | None = None) -> ClassFile:
    return read_classes(rows(*values), existing)


def only(value: Mapping[str, Any]) -> ClassSpec:
    found = read(value)
    assert not found.rejects
    return found.specs[-1]


def places(found: ClassFile) -> list[tuple[str, str, str | None]]:
    return [(spec.id, spec.name, spec.parent_id) for spec in found.specs]


def rejected(found: ClassFile) -> list[tuple[int, str]]:
    return [(row.line, row.code) for row in found.rejects]


# Places


def test_children_may_come_before_their_parents() -> None:
    found = read({"id": "b", "name": "B", "parent": "a"}, {"id": "a", "name": "A", "parent": None})
    assert places(found) == [("b", "B", "a"), ("a", "A", None)]
    assert found.lines == {"b": ("classes.jsonl", 1), "a": ("classes.jsonl", 2)}
    assert found.implied == 0


def test_no_rows_are_no_classes() -> None:
    assert read() == ClassFile([], {}, [], 0)


def test_a_path_finds_the_row_of_its_parent_anywhere_in_the_file() -> None:
    found = read({"id": 2, "path": ["Home", "Pans"]}, {"id": 1, "name": "home"})
    assert places(found) == [("2", "Pans", "1"), ("1", "home", None)]


def test_a_path_finds_a_parent_that_itself_says_its_parent() -> None:
    found = read(
        {"path": "Home > Kitchen > Pans"},
        {"id": "k", "name": "Kitchen", "parent": "h"},
        {"id": "h", "name": "Home"},
    )
    assert places(found) == [("home/kitchen/pans", "Pans", "k"), ("k", "Kitchen", "h"), ("h", "Home", None)]


def test_classes_that_stand_only_in_paths_are_made_up_once() -> None:
    found = read({"path": "Home > Kitchen > Pans"}, {"id": "x", "path": "home>kitchen >Kettles"}, {"path": "Toys"})
    assert places(found) == [
        ("home", "Home", None),
        ("home/kitchen", "Kitchen", "home"),
        ("home/kitchen/pans", "Pans", "home/kitchen"),
        ("x", "Kettles", "home/kitchen"),
        ("toys", "Toys", None),
    ]
    assert found.implied == 2
    assert found.lines["home"] == ("classes.jsonl", 1)


def test_a_made_up_class_stands_at_the_first_row_that_needs_it() -> None:
    found = read({"path": "A > B > C"}, {"path": "A > D"})
    assert [spec.id for spec in found.specs] == ["a", "a/b", "a/b/c", "a/d"]
    assert found.lines["a"] == ("classes.jsonl", 1)


def test_a_parent_wins_over_a_path() -> None:
    found = read({"id": "a", "name": "A"}, {"id": "b", "name": "B", "parent_id": "a", "path": "X > Y"})
    assert places(found) == [("a", "A", None), ("b", "B", "a")]
    assert found.implied == 0


def test_an_empty_parent_is_none() -> None:
    found = read({"id": "b", "parent": "", "path": "A > B"})
    assert places(found) == [("a", "A", None), ("b", "B", "a")]


def test_a_row_with_only_a_name_and_a_parent_gets_its_id_from_both() -> None:
    found = read({"id": "7", "name": "Home"}, {"name": "Pots & Pans", "parent": 7})
    assert places(found)[1] == ("7/pots-pans", "Pots & Pans", "7")


def test_a_path_may_be_a_list_or_a_text_or_json_in_a_cell() -> None:
    for path in (["A", "B"], "A > B", "A>B", '["A", "B"]'):
        assert places(read({"path": path})) == [("a", "A", None), ("a/b", "B", "a")]


# Ids


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        (["Home & Kitchen", "Kettles, 1.5 l"], "home-kitchen/kettles-1-5-l"),
        (["Straße", "ÀÉ", "ﬁsh"], "strasse/àé/fish"),
        (["家庭用品", "हिन्दी"], "家庭用品/हिन्दी"),
        (["--", "🍎"], "class/class"),
    ],
)
def test_ids_are_made_of_the_letters_of_any_script(path: list[str], slug: str) -> None:
    assert slug_id(path) == slug


def test_ids_that_collide_are_numbered_in_the_order_of_the_file() -> None:
    found = read({"name": "C"}, {"name": "C++"}, {"name": "C#"}, {"id": "c-3", "name": "D"})
    assert [spec.id for spec in found.specs] == ["c", "c-2", "c-4", "c-3"]


def test_long_paths_still_get_different_ids_that_fit() -> None:
    long = ["ящик" * 20] * 8
    found = read({"path": [*long, "ж"]}, {"path": [*long, "щ"]})
    assert not found.rejects
    assert len({spec.id for spec in found.specs}) == len(found.specs) == 10
    assert max(len(spec.id.encode()) for spec in found.specs) <= 512


def test_numbers_are_ids_as_they_are_written() -> None:
    assert places(read({"id": 12, "name": 3}, {"id": 13.0, "name": "x", "parent": 12.0})) == [
        ("12", "3", None),
        ("13", "x", "12"),
    ]


# Fields


def test_every_column_of_the_contract_is_read() -> None:
    one = only(
        {
            "id": "k",
            "name": "Kettles",
            "description": "Boils | water",
            "descriptions": ["Electric."],
            "synonyms": ["teapot", ""],
            "examples": ["Kettle 1 l", 5],
            "images": [],
            "assignable": False,
            "vector": [1, 0.5],
            "colour": "red",
        }
    )
    assert one == ClassSpec(
        "k",
        "Kettles",
        descriptions=("Boils | water", "Electric."),
        synonyms=("teapot",),
        examples=("Kettle 1 l", "5"),
        vector=(1.0, 0.5),
        assignable=False,
        attributes={"colour": "red"},
    )


def test_cells_of_text_hold_lists_as_json_or_between_bars() -> None:
    one = only(
        {
            "ID": "k",
            "Name": " Kettles ",
            "Synonyms": "teapot | boiler|",
            "EXAMPLES": '["a | b", "c"]',
            "descriptions": "[new] kettles|pots",
            "images": "a.jpg",
            "Vector": "[1, 0]",
            "Parent ID": "",
        }
    )
    assert (one.name, one.synonyms, one.examples) == ("Kettles", ("teapot", "boiler"), ("a | b", "c"))
    assert (one.descriptions, one.images, one.vector) == (("[new] kettles", "pots"), ("a.jpg",), (1.0, 0.0))
    assert only({"name": "A", "vector": "1|0.5"}).vector == (1.0, 0.5)


@pytest.mark.parametrize("column", ["label", "assignable", "Label"])
@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        ([True, "true", "YES", 1, "1", 1.0], True),
        ([False, "False", "no", 0, "0", 0.0], False),
        ([None, "", " ", math.nan], None),
    ],
)
def test_assignable_is_yes_no_or_left_open(column: str, values: list[object], meaning: bool | None) -> None:
    for value in values:
        assert only({"name": "A", column: value}).assignable is meaning


@pytest.mark.parametrize("empty", [None, "", "  ", [], {}, math.nan])
def test_an_empty_field_is_an_absent_one(empty: object) -> None:
    columns = (
        "id",
        "path",
        "parent",
        "description",
        "synonyms",
        "vector",
        "label",
        "state",
        "attributes",
        "other",
    )
    assert only({"name": "A"} | dict.fromkeys(columns, empty)) == ClassSpec("a", "A")


def test_unknown_columns_become_attributes_that_json_can_hold() -> None:
    one = only(
        {
            "name": "A",
            "Since": date(2024, 7, 1),
            "Price": Decimal("1.5"),
            "n": {"x": (1, math.inf)},
            "ok": False,
        }
    )
    assert one.attributes == {"Since": "2024-07-01", "Price": "1.5", "n": {"x": [1, None]}, "ok": False}
    json.dumps(spec_to_dict(one))


def test_a_state_that_is_none_of_ours_is_an_attribute() -> None:
    assert only({"name": "A", "state": "Retired"}).state is ClassState.RETIRED
    assert only({"name": "A", "state": "Texas"}).attributes == {"state": "Texas"}
    assert only({"name": "A", "attributes": "free text"}).attributes == {"attributes": "free text"}
    assert only({"name": "A", "attributes": '{"k": 1}'}).attributes == {"k": 1}


# Rejects


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"id": "a"}, "missing_name"),
        ({"id": True, "name": "A"}, "bad_id"),
        ({"id": ["a"], "name": "A"}, "bad_id"),
        ({"id": "a\x00", "name": "A"}, "bad_id"),
        ({"id": "x" * 513, "name": "A"}, "id_too_long"),
        ({"name": ["A"]}, "bad_name"),
        ({"name": "A", "parent": {"id": 1}}, "bad_parent"),
        ({"name": "A", "parent": "ghost"}, "orphan_parent"),
        ({"id": "a", "name": "A", "parent": "a"}, "cycle"),
        ({"path": "A > > B"}, "bad_path"),
        ({"path": ["A", None]}, "bad_path"),
        ({"path": 5}, "bad_path"),
        ({"name": "Kettles", "path": "Home > Kitchen"}, "bad_path"),
        ({"name": "A", "label": "Kettles"}, "bad_label"),
        ({"name": "A", "label": 2}, "bad_label"),
        ({"name": "A", "synonyms": {"de": "a"}}, "bad_synonyms"),
        ({"name": "A", "vector": [1, "x"]}, "bad_vector"),
        ({"name": "A", "vector": [0, 0]}, "bad_vector"),
        ({"name": "A", "vector": [1, math.inf]}, "bad_vector"),
        ({"name": "A", "vector": "[1, NaN]"}, "bad_vector"),
        ({"name": "A", "vector": 3}, "bad_vector"),
    ],
)
def test_a_bad_row_is_rejected_with_its_code(row: Mapping[str, Any], code: str) -> None:
    found = read({"id": "good", "name": "Good"}, row)
    assert rejected(found) == [(2, code)]
    assert [spec.id for spec in found.specs] == ["good"]
    assert (found.rejects[0].raw, found.rejects[0].source, found.rejects[0].position) == (
        row,
        "classes.jsonl",
        1,
    )


def test_rows_that_could_not_be_read_are_passed_on_in_the_order_of_the_file() -> None:
    bad = BadRow("{", "classes.jsonl", 2, 1, "bad_json", "not JSON")
    found = read_classes([*rows({"id": "a"}), bad, RawRow({"id": "b"}, "classes.jsonl", 3, 2)])
    assert rejected(found) == [(1, "missing_name"), (2, "bad_json"), (3, "missing_name")]


def test_the_first_of_two_rows_with_one_id_counts() -> None:
    found = read({"id": "a", "name": "A"}, {"id": "a", "name": "B"}, {"path": "A"})
    assert places(found) == [("a", "A", None)]
    assert rejected(found) == [(2, "duplicate_id"), (3, "duplicate_id")]


def test_the_first_of_two_rows_with_one_path_counts() -> None:
    found = read({"id": "1", "path": "A > B"}, {"id": "2", "path": "a > b"})
    assert rejected(found) == [(2, "duplicate_name")]


def test_rows_that_are_each_others_parents_are_rejected() -> None:
    found = read(*({"id": one, "name": one, "parent": above} for one, above in ("ab", "bc", "ca", "da")))
    assert rejected(found) == [(1, "cycle"), (2, "cycle"), (3, "cycle"), (4, "orphan_parent")]
    assert found.specs == []


def test_what_is_below_a_rejected_row_is_rejected_and_not_hung_elsewhere() -> None:
    found = read({"id": "1", "path": "A", "vector": "x"}, {"path": "A > B"}, {"path": "A > C > D"}, {"path": "E"})
    assert rejected(found) == [(1, "bad_vector"), (2, "orphan_parent"), (3, "orphan_parent")]
    assert places(found) == [("e", "E", None)]


def test_a_class_is_not_made_up_for_rejected_rows_alone() -> None:
    found = read({"path": "A > B > C", "label": "?"}, {"path": "A > D"})
    assert places(found) == [("a", "A", None), ("a/d", "D", "a")]
    assert found.implied == 1


def test_a_value_nested_too_deeply_is_rejected() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert rejected(read({"name": "A", "x": deep})) == [(1, "bad_nesting")]


# Into an existing tree


@pytest.fixture
def existing() -> Taxonomy:
    return Taxonomy([ClassSpec("h", "Home"), ClassSpec("k", "Kitchen", "h"), ClassSpec("p", "Pans", "k")])


def test_a_path_continues_in_the_existing_tree(existing: Taxonomy) -> None:
    found = read({"path": "Home > Kitchen > Kettles"}, existing=existing)
    assert places(found) == [("home/kitchen/kettles", "Kettles", "k")]
    assert found.implied == 0


def test_a_row_without_an_id_is_the_existing_class_at_its_path(existing: Taxonomy) -> None:
    found = read({"path": "home > kitchen", "synonyms": "cuisine"}, existing=existing)
    assert found.specs == [ClassSpec("k", "kitchen", "h", synonyms=("cuisine",))]


def test_a_new_id_does_not_take_that_of_an_existing_class(existing: Taxonomy) -> None:
    assert places(read({"path": "P"}, existing=existing)) == [("p-2", "P", None)]


def test_a_change_that_the_tree_does_not_allow_is_rejected(existing: Taxonomy) -> None:
    found = read(
        {"id": "h", "name": "Home", "parent": "p"},
        {"id": "n", "name": "PANS", "parent": "k"},
        {"id": "m", "name": "Mugs", "parent": "k"},
        existing=existing,
    )
    assert rejected(found) == [(1, "cycle"), (2, "duplicate_name")]
    assert places(found) == [("m", "Mugs", "k")]


def test_a_class_that_the_file_moves_is_not_found_at_its_old_path(existing: Taxonomy) -> None:
    found = read({"path": "Home > Kitchen > Kettles"}, {"id": "k", "name": "Cooking", "parent": "h"}, existing=existing)
    assert places(found) == [
        ("home/kitchen", "Kitchen", "h"),
        ("home/kitchen/kettles", "Kettles", "home/kitchen"),
        ("k", "Cooking", "h"),
    ]


# Round trips

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text == text.strip()
)
LISTS = st.lists(WORDS, max_size=2).map(tuple)


@st.composite
def forests(draw: st.DrawFn) -> list[ClassSpec]:
    """Classes of a tree in any order; names differ but for what a path does not tell apart."""
    names = draw(st.lists(WORDS, max_size=12, unique_by=lambda name: " ".join(name.split()).casefold()))
    classes = [
        ClassSpec(
            id=f"c{index}",
            name=name,
            parent_id=draw(st.none() | st.integers(0, index - 1).map("c{}".format)) if index else None,
            descriptions=draw(LISTS),
            synonyms=draw(LISTS),
            examples=draw(LISTS),
            images=draw(LISTS),
            vector=draw(st.none() | st.tuples(st.floats(0.1, 1), st.floats(-1, 1))),
            assignable=draw(st.none() | st.booleans()),
            state=draw(st.sampled_from(list(ClassState))),
            attributes=draw(st.dictionaries(st.text(max_size=5), WORDS | st.none() | st.booleans(), max_size=2)),
        )
        for index, name in enumerate(names)
    ]
    return draw(st.permutations(classes))


@given(forests())
def test_what_was_exported_comes_back_as_it_was(classes: list[ClassSpec]) -> None:
    exported = [json.loads(json.dumps(spec_to_dict(spec))) for spec in classes]
    for existing in (None, Taxonomy(classes)):
        found = read(*exported, existing=existing)
        assert not found.rejects
        assert found.specs == classes


@given(forests())
def test_paths_alone_give_the_same_tree_and_the_same_ids_again(classes: list[ClassSpec]) -> None:
    tree = Taxonomy(ClassSpec(spec.id, spec.name, spec.parent_id) for spec in classes)
    paths = [{"path": list(tree.path(spec.id))} for spec in classes]
    first = read(*paths)
    assert not first.rejects
    assert first.implied == 0
    built = Taxonomy(first.specs)
    assert {built.path(spec.id) for spec in built} == {tree.path(spec.id) for spec in tree}
    again = read(*paths, existing=built)
    assert again.specs == first.specs
    leaves = read(*({"path": list(tree.path(leaf))} for leaf in tree.leaves()))
    assert {spec.name for spec in leaves.specs} == {spec.name for spec in tree}
    assert leaves.implied == len(tree) - len(tree.leaves())


FIELDS = st.sampled_from(
    [
        "id",
        "name",
        "path",
        "parent",
        "Parent_ID",
        "description",
        "synonyms",
        "label",
        "vector",
        "state",
        "attributes",
        "x",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["A", "A > B", "[1]", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.dictionaries(FIELDS, VALUES, max_size=6), max_size=6))
def test_every_row_becomes_a_class_or_a_reject(values: list[dict[str, Any]]) -> None:
    found = read(*values)
    assert len(found.specs) - found.implied + len(found.rejects) == len(values)
    assert len(Taxonomy(found.specs)) == len(found.specs) == len(found.lines)
    json.dumps([spec_to_dict(spec) for spec in found.specs], allow_nan=False)


# Published texts

GOOGLE = """\ufeff# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live Animals
""".splitlines(keepends=True)
SHOPIFY = """# Shopify Product Taxonomy - Categories: 2024-07
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/ap       : Animals & Pet Supplies
gid://shopify/TaxonomyCategory/ap-1     : Animals & Pet Supplies > Live Animals
""".splitlines(keepends=True)


def test_the_google_text_is_read_with_its_ids() -> None:
    found = read_classes(parse_google(GOOGLE, "taxonomy.txt"))
    assert places(found) == [("1", "Animals & Pet Supplies", None), ("3237", "Live Animals", "1")]
    assert found.lines["3237"] == ("taxonomy.txt", 3)


def test_the_google_text_without_ids_gets_ids_of_its_paths() -> None:
    found = read_classes(parse_google(["Pets\r\n", "Pets > Live Animals\r\n", "3D Printers"]))
    assert places(found) == [
        ("pets", "Pets", None),
        ("pets/live-animals", "Live Animals", "pets"),
        ("3d-printers", "3D Printers", None),
    ]


def test_the_shopify_text_is_read_with_the_short_ids() -> None:
    found = read_classes(parse_shopify(SHOPIFY))
    assert places(found) == [("ap", "Animals & Pet Supplies", None), ("ap-1", "Live Animals", "ap")]
    assert found.lines["ap"] == ("", 4)


def test_lines_of_another_form_are_rejected() -> None:
    google = list(parse_google([*GOOGLE, "Live Animals\n", "2 - A > > B\n", "3 -\n"]))
    assert [(row.line, row.position, row.code) for row in google if isinstance(row, BadRow)] == [
        (4, 2, "bad_line"),
        (5, 3, "bad_line"),
        (6, 4, "bad_line"),
    ]
    [shopify] = parse_shopify(["ap-1 : Animals"])
    assert isinstance(shopify, BadRow)
    assert (shopify.raw, shopify.code) == ("ap-1 : Animals", "bad_line")


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (GOOGLE, "google"),
        (GOOGLE[1:], "google"),
        ([GOOGLE[0], "Animals > Live Animals"], "google"),
        (SHOPIFY, "shopify"),
        (SHOPIFY[3:], "shopify"),
        ([], None),
        (["# a comment"], None),
        (["id,name,path", "1,A,A"], None),
        (['{"id": "1", "path": "A > B"}'], None),
        (["path", "A > B"], None),
    ],
)
def test_published_texts_are_told_by_their_first_lines(lines: list[str], kind: str | None) -> None:
    assert sniff_taxonomy(lines) == kind


@pytest.mark.parametrize("parse", [parse_google, parse_shopify])
def test_an_empty_text_has_no_rows(parse: Any) -> None:
    assert list(parse([])) == list(parse(["# only a comment\n", "\n"])) == []


def test_ten_thousand_classes_take_no_time_to_speak_of() -> None:
    paths = [["Root", f"Aisle {n % 40}", f"Shelf {n % 1000}", f"Class {n}"] for n in range(10_000)]
    started = time.perf_counter()
    found = read(*({"path": path, "names": {"de": path[-1]}} for path in paths))
    Taxonomy(found.specs).assignable()
    assert time.perf_counter() - started < 5  # 0.6 s alone on one core
    assert (len(found.specs), found.implied) == (11_041, 1041)
