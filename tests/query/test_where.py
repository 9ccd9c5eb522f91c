"""Conditions typed by people become filters, and are answered by the engine as meant."""

import csv
import io

import pytest

from nearclass import Item
from nearclass.errors import UsageError
from nearclass.query.items import parse_where
from nearclass.schemas.filters import All, AnyOf, Attribute, Compare


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


def test_what_is_unequal_to_a_number_is_neither_the_number_nor_the_text(stocked):
    assert ids(stocked.items().list(where=["price!=30"])) == ["3"]
    assert ids(stocked.items().list(where=["price!=900.50"])) == ["1", "2"]
    assert ids(stocked.items().list(where=["brand!=Acme"])) == ["2"]


def test_nothing_holds_of_an_attribute_that_an_item_has_not(stocked):
    assert ids(stocked.items().list(where=["colour!=red"])) == []


@pytest.mark.parametrize("text", ["007", "+5", "1_0", "nan", "inf", "1e999", "9" * 30, ".5", ""])
def test_what_no_source_stores_as_a_number_is_compared_as_a_text(text):
    assert parse_where([f"code={text}"]) == All([AnyOf([Compare(Attribute("code"), "==", text)])])
    assert parse_where([f"code!={text}"]) == All([All([Compare(Attribute("code"), "!=", text)])])


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


TABLE = """id,title,price,code,ean,weight,size
1,steel kettle,9.50,7,4006381333931,1.0,"1,5"
2,glass kettle,12,007,04006381333931,-0.25,1e5
3,laptop 15 inch,900.5,+7,4006381333931000,15 kg,nan
"""


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_numbers_of_a_table_of_texts_are_found_as_numbers(catalog, tmp_path, ending):
    path = tmp_path / f"items.{ending}"
    rows = csv.reader(io.StringIO(TABLE))
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="," if ending == "csv" else "\t").writerows(rows)
    assert catalog.ingest([str(path)]).ok == 3

    def found(*where):
        return ids(catalog.items().list(where=where))

    assert found("price<30") == ["1", "2"]
    assert found("price>=12", "price<1e3") == ["2", "3"]
    assert found("price=9.5") == found("price=9.50") == ["1"]
    assert found("price!=12") == ["1", "3"]
    assert found("code=7") == ["1"]
    assert found("code=007") == ["2"]
    assert found("code=+7") == ["3"]
    assert found("ean=4006381333931") == ["1"]
    assert found("ean=4006381333931000") == ["3"]
    assert found("weight=1") == found("weight>0") == ["1"]
    assert found("size=nan") == ["3"]
    assert ids(catalog.search("kettle", 5, where=["price<10"])) == ["1"]
