"""What is an event, and what is said of a message that is none."""

import json

import pytest

from nearclass.ingest.worker.events import BadEventError, EventKind, parse
from nearclass.schemas.collections import MAX_TEXT_BYTES


def made(**changes):
    row = {"event": "item.upsert", "id": "sku-1", "version": 7, "item": {"title": "Kettle", "price": 20}}
    return json.dumps({key: value for key, value in {**row, **changes}.items() if value is not None}).encode()


def test_an_upsert_of_an_item():
    event = parse(made(format=1))
    assert (event.kind, event.id, event.version) == (EventKind.ITEM_UPSERT, "sku-1", 7)
    assert (event.item.id, event.item.title, dict(event.item.attributes)) == ("sku-1", "Kettle", {"price": 20})
    assert not event.stamp.deleted


def test_an_upsert_of_a_class_is_a_row_of_a_class_file():
    event = parse(made(event="class.upsert", item=None, **{"class": {"name": "Kettles", "parent": "home"}}))
    assert dict(event.values) == {"name": "Kettles", "parent": "home"}
    assert event.stamp.scope == "class"


@pytest.mark.parametrize("kind", ["item.delete", "class.retire"])
def test_an_event_that_ends_something_has_no_content(kind):
    event = parse(made(event=kind, item=None))
    assert event.stamp.deleted
    assert event.values == {}


def test_the_order_of_fields_is_no_difference_but_content_is():
    one = parse(b'{"event":"item.upsert","id":"a","version":1,"item":{"title":"x","text":"y"}}')
    other = parse(b'{"item":{"text":"y","title":"x"}, "version":1, "id":"a", "event":"item.upsert"}')
    third = parse(made(id="a", version=1))
    assert one.order == other.order != third.order
    assert parse(one.body.encode()).order == one.order


def test_a_number_is_an_id_and_items_of_two_spaces_are_two():
    assert parse(made(id=5)).id == "5"
    assert parse(made()).target != parse(made(), "resnet").target
    assert (
        parse(made(event="class.retire", item=None)).target
        == parse(made(event="class.retire", item=None), "resnet").target
    )


def test_labels_are_kept_as_attributes():
    assert parse(made(item={"title": "Kettle", "label": "kettles"})).item.attributes["label"] == "kettles"


BAD = {
    "garbage": (b"garbage", "bad_json"),
    "bytes": (b"\xff", "bad_json"),
    "a list": (b"[]", "not_an_object"),
    "another format": (made(format=2), "unknown_format"),
    "an unknown event": (made(event="item.explode"), "unknown_event"),
    "no event": (made(event=None), "unknown_event"),
    "no id": (made(id=None), "missing_id"),
    "an empty id": (made(id=" "), "missing_id"),
    "a long id": (made(id="x" * 513), "id_too_long"),
    "no version": (made(version=None), "bad_version"),
    "a version that is a text": (made(version="7"), "bad_version"),
    "a negative version": (made(version=-1), "bad_version"),
    "a version that is too great": (made(version=2**63), "bad_version"),
    "a version that is true": (made(version=True), "bad_version"),
    "an unknown field": (made(versoin=3), "unknown_field"),
    "an item in a delete": (made(event="item.delete"), "unknown_field"),
    "a class in an upsert of an item": (made(**{"class": {"name": "x"}}), "unknown_field"),
    "no item": (made(item=None), "no_content"),
    "an item that is a text": (made(item="Kettle"), "no_content"),
    "an item without words": (made(item={"price": 3}), "no_content"),
    "another id inside": (made(item={"id": "sku-2", "title": "x"}), "bad_id"),
    "a bad vector": (made(item={"vector": ["x"]}), "bad_vector"),
    "too much": (made(item={"title": "x" * MAX_TEXT_BYTES}), "event_too_large"),
    "nested too deeply": (b'{"event":' + b"[" * 2000 + b"]" * 2000 + b"}", "bad_json"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_is_no_event_says_why(name):
    body, code = BAD[name]
    with pytest.raises(BadEventError) as caught:
        parse(body)
    assert caught.value.code == code
    assert caught.value.message
