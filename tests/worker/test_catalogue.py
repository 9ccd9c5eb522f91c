"""Events in a real catalogue: items, classes, answers given anew, and faults that are not the events'."""

import json
from functools import partial

import numpy as np
import pytest

from nearclass import Catalog, ClassSpec, Settings
from nearclass.errors import StoreUnavailableError
from nearclass.ingest.worker.applying import Applier, Site
from nearclass.ingest.worker.backfill import Backfill
from nearclass.ingest.worker.events import parse
from nearclass.ingest.worker.target import CatalogTarget
from nearclass.store.source_versions import NoClaims, Versions
from nearclass.worker import _put_classes


def event(kind, item_id, version, /, **content):
    row = {"event": kind, "id": item_id, "version": version}
    if content:
        row["class" if kind.startswith("class") else "item"] = content
    return parse(json.dumps(row).encode())


upsert, delete = partial(event, "item.upsert"), partial(event, "item.delete")
upsert_class, retire = partial(event, "class.upsert"), partial(event, "class.retire")


@pytest.fixture
def worker(catalog):
    """Applies events to the catalogue of the shop."""
    with catalog.writing() as writer:
        target = CatalogTarget(
            writer, lambda: catalog.items().stored, catalog.classes, partial(_put_classes, catalog, None)
        )
        yield Applier(Site(target, Versions(catalog.store, "default"), NoClaims(), "w"))


def done(worker, *events):
    """Apply and commit; the failures by id, and the answers by id."""
    failures = worker.apply(events)
    rows = worker.commit()
    return {events[place].id: why.code for place, why in failures.items()}, {row["id"]: row for row in rows}


def test_items_are_embedded_answered_changed_and_removed(catalog, worker):
    failures, rows = done(
        worker,
        upsert("a", 1, title="steel kettle"),
        upsert("b", 1, title="gaming laptop", price=900),
        upsert("c", 1, title="spade"),
    )
    assert failures == {}
    assert {name: (row["class_id"], row["version"]) for name, row in rows.items()} == {
        "a": ("kettles", 1), "b": ("laptops", 1), "c": ("spades", 1)
    }  # fmt: skip
    done(worker, upsert("a", 2, title="leather boots"), delete("b", 2), upsert("b", 1, title="gaming laptop"))
    assert {one.id: one.class_id for one in catalog.items().list()} == {"a": "boots", "c": "spades"}


def test_what_is_delivered_again_is_answered_without_being_embedded(catalog, worker, monkeypatch):
    _, first = done(worker, upsert("a", 1, title="steel kettle"))
    monkeypatch.setattr(type(catalog.encoder), "encode", lambda *_: pytest.fail("it was embedded again"))
    _, again = done(worker, upsert("a", 1, title="steel kettle"))
    assert again["a"]["class_id"] == first["a"]["class_id"]
    assert again["a"]["score"] == pytest.approx(first["a"]["score"], abs=1e-5)


def test_classes_come_before_items_and_parents_in_any_order(catalog, worker):
    failures, rows = done(
        worker,
        upsert("r", 1, title="6 inch e-book reader with adjustable light"),
        upsert_class("readers", 1, name="E-readers", parent="computers", descriptions=["Devices to read e-books on."]),
        upsert_class("stout", 1, name="Stout boots", parent="new-shoes"),
        upsert_class("new-shoes", 1, name="New shoes"),
        upsert_class("lost", 1, name="Lost", parent="nowhere"),
        upsert_class("nameless", 1, descriptions=["x"]),
    )
    assert failures == {"lost": "orphan_parent", "nameless": "missing_name"}
    assert rows["r"]["class_id"] == "readers"
    assert catalog.classes.taxonomy.path("stout") == ("New shoes", "Stout boots")
    assert catalog.classes.log()[0].message == "worker"


def test_a_retired_class_stays_retired_until_its_source_says_otherwise(catalog, worker):
    done(worker, retire("laptops", 5), retire("never-there", 5))
    done(
        worker, upsert_class("laptops", 4, name="Laptops", parent="computers"), upsert_class("never-there", 4, name="X")
    )
    assert "laptops" not in catalog.classes.taxonomy.assignable()
    assert "never-there" not in catalog.classes.taxonomy
    done(worker, upsert_class("laptops", 6, name="Laptops", parent="computers"), retire("laptops", 5))
    assert "laptops" in catalog.classes.taxonomy.assignable()


def test_after_a_change_of_the_classes_stored_items_get_new_answers_page_by_page(catalog, worker):
    names = [f"r{number:02}" for number in range(12)]
    done(
        worker,
        *(upsert(name, 3, title=f"6 inch e-book reader {name}") for name in names),
        upsert("k", 1, title="steel kettle"),
    )
    backfill = Backfill(worker)
    assert backfill.some(5) == []
    done(worker, upsert_class("readers", 1, name="E-readers", parent="computers", descriptions=["E-book readers."]))
    pages = []
    while len(pages) < 20 and (not pages or worker.site.target.behind()):
        pages.append(backfill.some(5))
    worker.commit()
    said = {row["id"]: row for page in pages for row in page}
    assert max(map(len, pages)) <= 5
    assert {name: (row["class_id"], row["version"]) for name, row in said.items()} == dict.fromkeys(
        names, ("readers", 3)
    )
    assert {one.class_id for one in catalog.items().list() if one.id != "k"} == {"readers"}
    assert catalog.stale_items() == 0
    assert backfill.some(5) == []


def test_one_item_that_breaks_the_encoder_stands_alone(catalog, worker, monkeypatch):
    encode = type(catalog.encoder).encode

    def breaks(self, texts, *rest):
        if any("poison" in text for text in texts):
            raise RuntimeError("out of range")
        return encode(self, texts, *rest)

    monkeypatch.setattr(type(catalog.encoder), "encode", breaks)
    events = [upsert(f"i{number}", 1, title=f"kettle {number}") for number in range(9)]
    failures, rows = done(worker, *events, upsert("bad", 1, title="poison"), upsert("bad2", 1, title="poison too"))
    assert failures == {"bad": "failed", "bad2": "failed"}
    assert len(rows) == 9


def test_a_store_that_is_away_is_nobodys_fault(catalog, worker, monkeypatch):
    def away(*_args, **_kwargs):
        raise StoreUnavailableError("nobody listens")

    with monkeypatch.context() as patch:
        patch.setattr(catalog.store, "upsert", away)
        with pytest.raises(StoreUnavailableError):
            worker.apply([upsert("a", 1, title="steel kettle")])
    assert done(worker, upsert("a", 1, title="steel kettle"))[0] == {}
    assert [one.id for one in catalog.items().list()] == ["a"]


def test_what_an_item_cannot_be_says_why(worker):
    failures, _ = done(
        worker,
        upsert("shown", 1, image="cat.jpg"),
        upsert("good", 1, title="kettle"),
    )
    assert failures == {"shown": "no_image_encoder"}


def test_a_class_of_given_vectors_brings_its_vector(catalog, shop):
    rng = np.random.default_rng(3)
    corner = [float(one) for one in rng.normal(size=4)]
    from dataclasses import replace

    catalog.import_vectors([replace(shop[1], vector=tuple(corner))], "given")
    with catalog.writing("given") as writer:
        put = partial(_put_classes, catalog, "given")
        target = CatalogTarget(writer, lambda: catalog.items("given").stored, catalog.classes, put)
        worker = Applier(Site(target, Versions(catalog.store, "default"), NoClaims(), "w", "given"))
        opposite = [-one for one in corner]
        events = [
            upsert_class("others", 1, name="Others", vector=opposite),
            parse(
                json.dumps({"event": "item.upsert", "id": "x", "version": 1, "item": {"vector": opposite}}).encode(),
                "given",
            ),
        ]
        failures, rows = done(worker, *events)
    assert failures == {}
    assert rows["x"]["class_id"] == "others"


class Expecting:
    """An encoder that notes what it is told will come."""

    def __init__(self, encoder):
        self.space = encoder.space
        self.encode = encoder.encode
        self.told = []

    def expect(self, texts, _role):
        self.told.append(texts)


def test_the_next_items_are_begun_with_while_most_are_new(encoder, tmp_path):
    noting = Expecting(encoder)
    with Catalog.open(settings=Settings(uri=str(tmp_path / "noting.db")), encoder=noting) as other:
        other.import_classes([ClassSpec("k", "kettle")])
        with other.writing() as writer:
            put = partial(_put_classes, other, None)
            target = CatalogTarget(writer, lambda: other.items().stored, other.classes, put)
            worker = Applier(Site(target, Versions(other.store, "default"), NoClaims(), "w"))
            first, next_ = upsert("a", 1, title="steel kettle"), upsert("b", 1, title="glass kettle")
            worker.apply([first], [next_, delete("c", 1)])
            assert noting.told == []  # whether items are new is not known yet
            worker.apply([next_], [upsert("d", 1, title="red kettle")])
            assert noting.told == [["glass kettle"], ["red kettle"]]
            worker.apply([upsert("a", 2, title="steel kettle")], [upsert("e", 1, title="kettle")])
            worker.apply([upsert("b", 2, title="glass kettle")], [upsert("e", 1, title="kettle")])
            assert noting.told[2:] == [["steel kettle"], ["kettle"]]  # after items that were as they are, no more
