"""On a real server: files that it imports by itself, checked before anybody reads them."""

import json

import pytest

from nearclass import Catalog, Settings
from nearclass.distribution import Sharing
from nearclass.errors import StoreError, UsageError
from nearclass.ingest.distributed import bulk
from nearclass.ingest.distributed.engines import ThisProcess
from nearclass.schemas.collections import items_spec

pytestmark = pytest.mark.slow


def stored(catalog):
    place = catalog._live.of(None).place
    fields = ("key", "vector", *(set(items_spec(1).field_names) - {"updated_at"}))
    rows = [
        {**one, "vector": one["vector"].tolist()}
        for page in catalog.store.scan(place.items, fields=fields)
        for one in page
    ]
    assert catalog.store.count(place.items) == len(rows)
    for one in rows:  # answers on a server and in the mirror differ in the last bits
        one["score"], one["margin"] = round(one["score"], 5), round(one["margin"], 5)
    return {one["key"]: one for one in rows}


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    titles = ["steel kettle", "leather boots", "garden hose", "laser printer"]
    for shard in range(3):
        rows = [
            {"id": f"i{n}", "title": f"{titles[n % 4]} {n}", "price": n} for n in range(shard * 40, shard * 40 + 45)
        ]
        (folder / f"{shard}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return folder


def test_imported_rows_are_those_that_are_inserted_elsewhere_and_a_failed_import_is_not_seen(
    milvus, catalog, shop, encoder, files, tmp_path, monkeypatch
):
    catalog.ingest([str(files)])
    sharing = Sharing(ThisProcess(), bulk=str(tmp_path / "bulk"))
    settings = Settings(uri=milvus, catalog="imported", timeout_s=120, precision="float32")
    with Catalog.open(settings=settings, encoder=encoder) as shared:
        shared.import_classes(shop)
        with monkeypatch.context() as patch:
            patch.setattr(bulk.BulkPlace, "path", lambda _self, name: f"/nowhere/{name}")
            with pytest.raises(StoreError, match="the server did not import 00000"):
                shared.ingest([str(files)], sharing=sharing)
        assert shared.items().count() == 0
        checked = []
        with monkeypatch.context() as patch:
            patch.setattr(
                bulk.BulkImport, "_verify", lambda self, *given: checked.append((self, given)) or verify(self, *given)
            )
            counts = shared.ingest([str(files)], sharing=sharing)
        assert (counts.read, counts.ok, counts.duplicates, counts.embedded) == (135, 135, 10, 135)
        assert stored(shared) == stored(catalog)
        place = shared._live.of(None).place
        assert shared.store.resolve(place.items) == f"{place.items}_v2"
        assert f"{place.items}_v1" not in shared.store.collections()
        assert not list((tmp_path / "bulk").iterdir())
        with pytest.raises(UsageError, match="fills an empty catalogue, and this one has 125 items"):
            shared.ingest([str(files)], sharing=sharing)
        monkeypatch.setattr(bulk, "_SEEN_S", 0.0)
        ((importing, (kind, name, wanted, tasks)),) = checked
        with pytest.raises(StoreError, match="126 rows were imported, and 125 are there"):
            verify(importing, kind, name, wanted + 1, tasks)


verify = bulk.BulkImport._verify
