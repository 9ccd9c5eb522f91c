"""The records that travel between the parts."""

import dataclasses

import pytest

from nearclass.schemas import records
from nearclass.schemas.records import (
    Assignment,
    Candidate,
    ClassSpec,
    ClassState,
    Decision,
    Evidence,
    EvidenceKind,
    Item,
    Role,
)

RECORDS = [Item("1"), ClassSpec("1", "Kettles"), Candidate("1", ("Kettles",), 0.5)]
RECORDS += [Evidence("1", EvidenceKind.NAME, "Kettles", 0.5)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_cannot_be_changed(record: object) -> None:
    name = dataclasses.fields(record)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, "other")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_takes_no_field_that_it_does_not_name(record: object) -> None:
    with pytest.raises((AttributeError, TypeError)):
        record.colour = "red"  # type: ignore[attr-defined]


def test_records_with_the_same_content_are_equal() -> None:
    assert ClassSpec("1", "Kettles", examples=("steel kettle",)) == ClassSpec(
        "1", "Kettles", examples=("steel kettle",)
    )
    assert ClassSpec("1", "Kettles") != ClassSpec("1", "Kettles", state=ClassState.RETIRED)


def test_two_items_do_not_share_their_attributes() -> None:
    assert Item("1").attributes is not Item("2").attributes
    assert ClassSpec("1", "a").attributes is not ClassSpec("2", "b").attributes


def test_a_class_is_active_and_has_no_vector_unless_it_says_so() -> None:
    spec = ClassSpec("1", "Kettles")
    assert spec.state is ClassState.ACTIVE
    assert (spec.parent_id, spec.vector, spec.assignable) == (None, None, None)


def test_what_an_item_brings_may_be_absent_but_its_id() -> None:
    item = Item("1")
    assert (item.title, item.description, item.text, item.image, item.vector) == (None,) * 5


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Role, {"class", "item"}),
        (ClassState, {"active", "retired"}),
        (Decision, {"assigned", "ancestor", "review", "novel"}),
        (EvidenceKind, {"name", "parent", "description", "term", "synonym", "example", "vector", "label", "picture"}),
    ],
)
def test_the_words_that_are_stored_stay_the_same(kind: type, values: set[str]) -> None:
    assert {one.value for one in kind} == values  # type: ignore[attr-defined]
    assert all(str(one) == one.value for one in kind)  # type: ignore[attr-defined]


def test_every_public_record_is_exported_and_explained() -> None:
    for name in records.__all__:
        assert hasattr(records, name)
    for kind in (Item, ClassSpec, Candidate, Evidence, Assignment):
        explained = kind.__doc__ or ""
        assert [field.name for field in dataclasses.fields(kind) if f"{field.name}:" not in explained] == []
