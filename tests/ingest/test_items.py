"""What becomes of items: written, unchanged, replaced, refused; nothing is embedded twice."""

import numpy as np
import pytest

from nearclass import Item
from nearclass.schemas.records import Role


class Counting:
    """The real encoder, counting what it is asked for."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.space = encoder.space
        self.items = []

    def encode(self, texts, role):
        if role is Role.ITEM and len(texts) != 60:  # the background texts, for thresholds
            self.items.extend(texts)
        return self._encoder.encode(texts, role)


@pytest.fixture
def encoder(encoder):
    return Counting(encoder)


def test_a_second_run_embeds_nothing_and_changes_nothing(catalog, encoder):
    items = [Item("1", title="steel kettle"), Item("2", title="gaming laptop")]
    assert catalog.ingest(items).ok == 2
    before = catalog.items().list()
    counts = catalog.ingest(items)
    assert (counts.read, counts.ok, counts.unchanged, counts.embedded) == (2, 0, 2, 0)
    assert encoder.items == ["steel kettle", "gaming laptop"]
    assert catalog.items().list() == before


def test_a_changed_text_is_embedded_again_for_that_item_only(catalog, encoder):
    catalog.ingest([Item("1", title="steel kettle"), Item("2", title="gaming laptop")])
    counts = catalog.ingest([Item("1", title="steel kettle"), Item("2", title="leather boots")])
    assert (counts.ok, counts.unchanged) == (1, 1)
    assert encoder.items[2:] == ["leather boots"]
    assert catalog.items().get("2").class_id == "boots"


def test_a_changed_attribute_is_stored_without_embedding(catalog, encoder):
    catalog.ingest([Item("1", title="steel kettle", attributes={"price": 30, "colour": "red"})])
    counts = catalog.ingest([Item("1", title="steel kettle", attributes={"price": 25})])
    assert (counts.ok, counts.embedded) == (1, 0)
    assert catalog.items().get("1").attributes == {"price": 25}


def test_two_ids_with_one_text_are_two_items(catalog):
    catalog.ingest([Item("1", title="steel kettle")])
    counts = catalog.ingest([Item("1", title="leather boots"), Item("2", title="steel kettle")])
    assert counts.ok == 2
    assert [item.class_id for item in catalog.items().list()] == ["boots", "kettles"]


def test_of_one_id_twice_in_a_batch_the_last_wins_and_is_counted(catalog):
    counts = catalog.ingest([Item("1", title="steel kettle"), Item("1", title="leather boots")])
    assert (counts.read, counts.ok, counts.duplicates) == (2, 2, 1)
    assert [item.class_id for item in catalog.items().list()] == ["boots"]


def test_ids_that_look_like_filters_are_only_ids(catalog):
    ids = ["x'] or ten != '' or id in ['y", 'a"b', "a\\", "a\nb", "日本", "' or 1==1 --"]
    catalog.ingest([Item(one, title="steel kettle") for one in ids])
    assert catalog.items().delete([ids[0]]) == 1
    assert {item.id for item in catalog.items().list()} == set(ids[1:])
    for one in ids[1:]:
        assert catalog.items().get(one).id == one


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (Item("1"), "no_text"),
        (Item("1", title=" \t\x00 "), "no_text"),
        (Item("1", image="photo.jpg"), "no_image_encoder"),
        (Item(" ", title="kettle"), "missing_id"),
        (Item("é" * 257, title="kettle"), "id_too_long"),
        (Item("\ud800", title="kettle"), "bad_id"),
        (Item("1", title="kettle", attributes={"bad": "\ud800"}), "bad_value"),
        (Item("1", title="kettle", attributes={"bad": object()}), "bad_value"),
        (Item("1", title="kettle", attributes={"long": "x" * 70_000}), "attributes_too_large"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_a_code_and_the_rest_goes_on(catalog, item, code):
    with catalog.writing() as writer:
        result = writer.write([item, Item("2", title="kettle")])
    assert [refusal.code for refusal in result.refusals] == [code]
    assert (result.ok, result.refusals[0].index) == (1, 0)


def test_a_text_of_a_megabyte_is_stored_and_reported_as_truncated(catalog):
    counts = catalog.ingest([Item("1", title="kettle", description="boils water " * 90_000)])
    assert (counts.ok, counts.truncated) == (1, 1)
    found = catalog.items().get("1")
    assert found.class_id == "kettles"
    assert len(found.description.encode()) <= 60_000


def test_hostile_texts_go_in_and_come_out_readable(catalog):
    texts = ["\ud800 kettle", "kettle\x00\x1b[31m", "\u202ekettle", "🫖" * 300, "קומקום", "kettle\r\n\tblue"]
    counts = catalog.ingest([Item(str(number), title=text) for number, text in enumerate(texts)])
    assert counts.ok == len(texts)
    for item in catalog.items().list():
        item.title.encode("utf-8")


def test_a_confirmed_class_outlives_a_new_ingest(catalog):
    catalog.ingest([Item("1", title="steel kettle")])
    catalog.items().confirm(["1"], "Boots")
    catalog.ingest([Item("1", title="steel kettle, blue")])
    assert catalog.items().get("1").confirmed_class == "boots"
    catalog.items().unconfirm(["1"])
    assert catalog.items().get("1").confirmed_class is None


def test_items_ingested_before_there_are_classes_are_answered_later(open_catalog, shop):
    catalog = open_catalog()
    assert catalog.ingest([Item("1", title="steel kettle")]).ok == 1
    assert catalog.items().get("1").decision == ""
    catalog.import_classes(shop)
    assert catalog.stale_items() == 1
    moved = catalog.items().reassign()
    assert [(before, answer.class_id) for before, answer in moved] == [("", "kettles")]
    assert catalog.stale_items() == 0


def test_a_new_class_moves_stored_items_without_embedding_them(catalog, encoder):
    catalog.ingest([Item("1", title="6 inch e-book reader"), Item("2", title="steel kettle")])
    asked = len(encoder.items)
    catalog.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])
    moved = catalog.items().reassign()
    assert [answer.class_id for _, answer in moved] == ["computers/e-readers"]
    assert len(encoder.items) == asked


def test_ingesting_again_after_a_change_of_classes_answers_anew(catalog):
    items = [Item("1", title="6 inch e-book reader"), Item("2", title="steel kettle")]
    catalog.ingest(items)
    catalog.classes.add("E-readers", parent="computers", descriptions=["Devices to read e-books on."])
    counts = catalog.ingest(items)
    assert (counts.unchanged, counts.reassigned, counts.embedded) == (2, 2, 0)
    assert catalog.items().get("1").class_id == "computers/e-readers"


def test_a_changed_text_takes_the_place_of_the_old_vector(catalog):
    catalog.ingest([Item("1", title="steel kettle")])
    catalog.ingest([Item("1", title="leather boots for hiking")])
    assert [item.id for item in catalog.search("leather boots for hiking", 1)] == ["1"]
    assert catalog.search("leather boots for hiking", 1)[0].similarity == pytest.approx(1, abs=1e-4)


class TestGivenVectors:
    """Vectors from another model, in a space of their own."""

    @pytest.fixture
    def given(self, catalog, shop):
        from dataclasses import replace

        rng = np.random.default_rng(0)
        self.vectors = {spec.id: rng.normal(size=6) for spec in shop if spec.parent_id}
        specs = [replace(spec, vector=tuple(self.vectors[spec.id])) for spec in shop if spec.parent_id]
        assert catalog.import_vectors(specs, "resnet") == 9
        return catalog

    def test_items_flow_like_any_other(self, given):
        items = [Item(f"i-{one}", vector=tuple(3 * vector)) for one, vector in self.vectors.items()]
        assert given.ingest(items, space="resnet").ok == 9
        for item in given.items("resnet").list():
            assert item.class_id == item.id.removeprefix("i-")
            assert item.score == pytest.approx(1, abs=1e-5)
        assert given.items().list() == []

    def test_asking_with_a_vector_needs_no_text(self, given):
        answer = given.assign([Item("q", vector=tuple(self.vectors["boots"]))], space="resnet")[0]
        assert (answer.class_id, answer.space) == ("boots", "resnet")
        assert answer.evidence[0].kind == "vector"

    @pytest.mark.parametrize("vector", [(1.0, 2.0), (0.0,) * 6, (float("nan"),) * 6, (float("inf"),) * 6, None])
    def test_a_vector_that_does_not_fit_is_refused(self, given, vector):
        counts = given.ingest([Item("1", vector=vector), Item("2", vector=(1.0,) * 6)], space="resnet")
        assert (counts.rejected, counts.ok) == (1, 1)

    def test_a_retired_class_is_not_answered_and_comes_back(self, given):
        item = Item("q", vector=tuple(self.vectors["boots"]))
        given.classes.retire("boots")
        assert given.assign([item], space="resnet")[0].candidates[0].class_id != "boots"
        given.classes.restore("boots")
        assert given.assign([item], space="resnet")[0].class_id == "boots"
