"""Conditions typed by people become filters, and are answered by the engine as meant."""

import pytest

from nearclass import Item
from nearclass.errors import UsageError
from nearclass.query.items import parse_where


@pytest.fixture
def stocked(catalog):
    catalog.ingest(
        [
            Item("1", title="steel kettle", attributes={"brand": "Acme", "price": 30}),
            Item("2", title="glass kettle", attributes={"brand": 'O"Brien & Söhne', "price": "30"}),
            Item("3", title="laptop 15 inch", attributes={"brand": "Acme", "price": 900.5}),
        ]
    )
    return catalog


def ids(found):
    return [item.id for item in found]


def test_a_text_matches_exactly(stocked):
    assert ids(stocked.items().list(where=["brand=Acme"])) == ["1", "3"]


def test_a_quoted_value_is_only_a_value(stocked):
    assert ids(stocked.items().list(where=['brand=O"Brien & Söhne'])) == ["2"]
    assert ids(stocked.items().list(where=['brand=" or brand != "'])) == []


def test_a_number_matches_the_number_and_the_text(stocked):
    assert ids(stocked.items().list(where=["price=30"])) == ["1", "2"]


def test_comparisons_work_on_numbers(stocked):
    assert ids(stocked.items().list(where=["price>100"])) == ["3"]
    assert ids(stocked.items().list(where=["price<=30"])) == ["1"]


def test_several_conditions_must_all_hold(stocked):
    assert ids(stocked.items().list(where=["brand=Acme", "price<100"])) == ["1"]


def test_fields_of_items_can_be_asked_for(stocked):
    assert ids(stocked.items().list(where=["class=laptops"])) == ["3"]


def test_an_attribute_that_nothing_has_matches_nothing(stocked):
    assert ids(stocked.items().list(where=["colour=red"])) == []


def test_a_branch_holds_everything_below_it(stocked):
    assert ids(stocked.items().list(class_id="Home & Kitchen")) == ["1", "2"]


def test_search_obeys_class_and_conditions(stocked):
    assert ids(stocked.search("kettle", 5, class_id="computers")) == ["3"]
    assert ids(stocked.search("kettle", 5, where=["brand=Acme"])) == ["1", "3"]


@pytest.mark.parametrize("text", ["", "brand", "=x", "<3"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError, match="cannot read the condition"):
        parse_where([text])
