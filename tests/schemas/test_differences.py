"""How two taxonomies differ, class by class."""

from dataclasses import replace

import pytest

from nearclass.schemas.differences import differences
from nearclass.schemas.records import MERGED_INTO, ClassSpec, ClassState
from nearclass.schemas.taxonomy import Taxonomy

HOME = ClassSpec("h", "Home")
KETTLES = ClassSpec("k", "Kettles", "h", ("Boil water.",), ("pot",))
TOYS = ClassSpec("t", "Toys")
BEFORE = Taxonomy([HOME, KETTLES, TOYS])
RETIRED = replace(KETTLES, state=ClassState.RETIRED)
MERGED = replace(RETIRED, attributes={MERGED_INTO: "t"})


def only(before: ClassSpec, after: ClassSpec) -> tuple[tuple[str, ...], dict, dict]:
    (one,) = differences(Taxonomy([HOME, before, TOYS]), Taxonomy([HOME, after, TOYS]))
    return one.changes, dict(one.before), dict(one.after)


def test_equal_taxonomies_do_not_differ_whatever_their_revisions() -> None:
    assert differences(BEFORE, Taxonomy([HOME, KETTLES, TOYS], 7)) == []


@pytest.mark.parametrize(
    ("after", "change", "was", "now"),
    [
        (replace(KETTLES, name="Jugs"), "renamed", {"name": "Kettles"}, {"name": "Jugs"}),
        (replace(KETTLES, parent_id="t"), "moved", {"parent": "Home"}, {"parent": "Toys"}),
        (replace(KETTLES, parent_id=None), "moved", {"parent": "Home"}, {"parent": None}),
        (replace(KETTLES, synonyms=()), "texts", {"synonyms": ["pot"]}, {"synonyms": []}),
        (replace(KETTLES, images=("a.jpg",)), "pictures", {"images": []}, {"images": ["a.jpg"]}),
        (replace(KETTLES, assignable=False), "assignable", {"assignable": None}, {"assignable": False}),
        (replace(KETTLES, attributes={"x": 1}), "attributes", {"attributes": {}}, {"attributes": {"x": 1}}),
        (RETIRED, "retired", {}, {"state": "retired"}),
        (MERGED, "merged", {}, {"state": "retired", "merged_into": "t"}),
    ],
)
def test_what_happened_to_a_class_is_named_with_both_values(after, change, was, now) -> None:
    assert only(KETTLES, after) == ((change,), was, now)


def test_a_class_comes_back_and_a_retired_one_is_merged() -> None:
    assert only(RETIRED, KETTLES) == (("restored",), {"state": "retired"}, {})
    assert only(RETIRED, MERGED)[0] == ("merged",)
    assert only(MERGED, KETTLES)[0] == ("restored",)


def test_several_changes_of_a_class_stand_together_each_once() -> None:
    after = replace(KETTLES, name="Jugs", parent_id=None, synonyms=(), descriptions=("Boils.",))
    assert only(KETTLES, after)[0] == ("moved", "renamed", "texts")


def test_new_classes_and_those_that_are_gone_are_told_with_all_they_have() -> None:
    added, gone = differences(BEFORE, Taxonomy([HOME, KETTLES, ClassSpec("b", "Books")]))
    assert (added.class_id, added.changes, added.after) == ("b", ("added",), {"id": "b", "name": "Books"})
    assert (gone.class_id, gone.changes, gone.before, gone.path) == (
        "t",
        ("missing",),
        {"id": "t", "name": "Toys"},
        ("Toys",),
    )
    (missing,) = differences(BEFORE, BEFORE, missing={"k"})
    assert (missing.class_id, missing.changes, missing.path) == ("k", ("missing",), ("Home", "Kettles"))


def test_a_class_below_a_renamed_one_has_not_changed() -> None:
    renamed = Taxonomy([replace(HOME, name="House"), KETTLES, TOYS])
    assert [one.class_id for one in differences(BEFORE, renamed)] == ["h"]
