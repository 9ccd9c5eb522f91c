"""On a real server: a catalogue comes from a laptop, is taken to another encoder there, and goes back."""

import pytest

from nearclass import Catalog, Item, Settings
from nearclass.store.relocating import relocate

pytestmark = pytest.mark.slow


def test_a_catalogue_comes_to_a_server_and_moves_there(catalog, milvus, encoder, tiny_model):
    titles = ["steel kettle", "leather boots", "garden hose", "laser printer"]
    catalog.ingest([Item(f"i{n}", title=title) for n, title in enumerate(titles)])
    before, settings = [one.class_id for one in catalog.assign(titles)], catalog.settings
    catalog.close()
    moved = relocate(settings, milvus, "moved")
    assert moved.rows[f"items of {moved.spaces[0]}"] == 4
    there = Settings(uri=milvus, catalog="moved", timeout_s=120)
    with Catalog.open(settings=there, encoder=encoder) as one, Catalog.open(settings=there) as two:
        assert [answer.class_id for answer in two.assign(titles)] == before
        report = one.reembedding.run(str(tiny_model))
        assert report.items == 4
        one.reembedding.swap()
        assert {answer.space for answer in two.assign(titles)} == {report.new}
        two.ingest([Item("late", title="a late kettle")])
        assert one.reembedding.rollback().serving == report.old
        assert {answer.space for answer in two.assign(titles)} == {report.old}
        assert two.items().count() == 5
        assert one.reembedding.rollback().step == "none"
        assert not [name for name in one.store.collections() if report.new in name]
