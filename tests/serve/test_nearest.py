"""What waiting items would be answered is asked once, and again when the classes are others."""

import pytest

from nearclass import Item, Settings
from nearclass.catalog import Catalog
from nearclass.schemas.records import Decision
from nearclass.serve.nearest import Nearest
from nearclass.serve.queue import Waiting


@pytest.fixture
def catalog(tmp_path, encoder, shop):
    with Catalog.open(settings=Settings(uri=str(tmp_path / "shop.db")), encoder=encoder) as opened:
        opened.import_classes(shop)
        opened.ingest([Item("a", title="laptop 15 inch"), Item("b", title="drawing tablet")], rejects=tmp_path / "r")
        yield opened


def waiting(item_id):
    return Waiting(item_id, item_id, Decision.REVIEW, 0.5, 0.01)


def test_an_item_is_answered_once_until_a_class_changes(catalog, monkeypatch):
    asked = []
    items = type(catalog.items())
    answers = items.answers

    def noted(self, item_ids):
        asked.append(list(item_ids))
        return answers(self, item_ids)

    monkeypatch.setattr(items, "answers", noted)
    nearest = Nearest(catalog)
    first = nearest.of([waiting("a")])
    both = nearest.of([waiting("a"), waiting("b")])
    assert both[waiting("a")] is first[waiting("a")]
    assert asked == [["a"], ["b"]]
    best = both[waiting("b")].candidates[0].class_id
    catalog.classes.retire(best)
    assert nearest.of([waiting("b")])[waiting("b")].candidates[0].class_id != best
    assert asked[-1] == ["b"]


def test_an_item_that_is_gone_has_no_answer(catalog):
    assert Nearest(catalog).of([waiting("no such item")]) == {}
