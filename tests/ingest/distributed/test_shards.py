"""Work shared out: the same rows, rejects and counts as the plain way, and only what is missing is done again."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nearclass import Item
from nearclass.errors import InputError, NearclassError, UsageError
from nearclass.ingest.distributed import embedding
from nearclass.ingest.distributed.duplicates import Keys
from nearclass.ingest.distributed.engines import ThisProcess
from nearclass.ingest.distributed.known import Known
from nearclass.ingest.distributed.parts import PartFolder
from nearclass.ingest.distributed.ray_engine import RayEngine
from nearclass.schemas.collections import key_of

from .comparing import check_same, row, stored


class Watched(ThisProcess):
    """Notes which shards it is given."""

    def __init__(self):
        self.given = []

    def each(self, work, tasks):
        self.given += [one.number for one in tasks]
        yield from super().each(work, tasks)


def both(shop_at, here, paths, **options):
    """The same files in the plain way and shared out: catalogues, counts and rejects."""
    plain, shared = shop_at("plain"), shop_at("shared")
    counts = (
        plain.ingest(paths, rejects="plain.rejects", **options),
        shared.ingest(paths, rejects="shared.rejects", sharing=here, **options),
    )
    return plain, shared, *counts


def test_rows_vectors_counts_and_rejects_are_those_of_the_plain_way(shop_at, shards, here):
    plain, shared, wanted, found = both(shop_at, here, [str(shards)])
    assert found == replace(wanted, embedded=found.embedded)
    assert (wanted.read, wanted.rejected, wanted.duplicates, wanted.unchanged, wanted.truncated) == (26, 3, 2, 1, 1)
    # The row that is there already is not in the batch of the plain way, which moves the last bits of its neighbours.
    check_same(stored(shared), stored(plain), atol=5e-6)
    assert Path("shared.rejects").read_bytes() == Path("plain.rejects").read_bytes()
    assert shared.items().get("i0").title == "garden hose"  # the last file has it again
    assert not Path("nearclass.parts").exists() or not list(Path("nearclass.parts").iterdir())
    assert not shared._state.every("checkpoint")


def test_what_is_stored_is_not_embedded_again(shop_at, shards, here):
    shared = shop_at("shared")
    shared.ingest([str(shards)], sharing=here)
    (shards / "c.jsonl").write_text(json.dumps(row(20, color="red")) + "\n" + json.dumps(row(30)))
    again = shared.ingest([str(shards / "b.parquet"), str(shards / "c.jsonl")], sharing=here)
    assert (again.embedded, again.ok, again.unchanged) == (1, 2, 9)
    assert shared.items().get("i20").attributes["color"] == "red"


def test_labels_flags_and_patterns_count_as_in_the_plain_way(shop_at, shards, here, tmp_path):
    (shards / "d.csv").write_text("id,product,label\nd1,kettle,kettles\nd2,boots,nowhere\n")
    options = {"labels_are_confirmed": True, "flags": ["title=product"]}
    plain, shared, wanted, found = both(shop_at, here, [str(shards / "*.csv")], **options)
    assert (found.ok, found.rejected) == (wanted.ok, wanted.rejected) == (1, 1)
    check_same(stored(shared), stored(plain))
    assert shared.items().get("d1").confirmed_class == "kettles"


def test_given_vectors_go_the_same_way(shop_at, here, tmp_path, shop):
    path, rng = tmp_path / "v.jsonl", np.random.default_rng(1)
    path.write_text(
        "".join(json.dumps({"id": f"v{n}", "vector": rng.normal(size=8).tolist()}) + "\n" for n in range(20))
    )
    specs = [replace(one, vector=tuple(rng.normal(size=8))) for one in shop]
    plain, shared = shop_at("plain"), shop_at("shared")
    for catalog in (plain, shared):
        catalog.import_vectors(specs, "resnet")
    plain.ingest([str(path)], space="resnet")
    assert shared.ingest([str(path)], space="resnet", sharing=here).ok == 20
    check_same(stored(shared, "resnet"), stored(plain, "resnet"))


def test_a_run_that_failed_goes_on_with_the_shards_that_are_missing(shop_at, shards, here, monkeypatch):
    shared, real = shop_at("shared"), embedding.ShardEmbedder.do

    def fail(self, shard):
        if shard.number == 2:
            raise InputError("the disk is gone")
        real(self, shard)

    with monkeypatch.context() as patch:
        patch.setattr(embedding.ShardEmbedder, "do", fail)
        with pytest.raises(InputError, match="the disk is gone"):
            shared.ingest([str(shards)], sharing=here, rejects="shared.rejects")
    watched = Watched()
    counts = shared.ingest([str(shards)], sharing=replace(here, engine=watched), rejects="shared.rejects")
    assert watched.given == [2]
    plain = shop_at("plain")
    assert counts.read == plain.ingest([str(shards)], rejects="plain.rejects").read
    check_same(stored(shared), stored(plain), atol=5e-6)
    assert Path("shared.rejects").read_bytes() == Path("plain.rejects").read_bytes()


def test_a_shard_that_changed_meanwhile_is_made_again(shop_at, shards, here, monkeypatch):
    shared, real = shop_at("shared"), embedding.ShardEmbedder.do
    with monkeypatch.context() as patch:
        patch.setattr(
            embedding.ShardEmbedder, "do", lambda self, shard: real(self, shard) if shard.number < 2 else 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            shared.ingest([str(shards)], sharing=here)
    (shards / "a.jsonl").write_text(json.dumps(row(100)))
    watched = Watched()
    shared.ingest([str(shards)], sharing=replace(here, engine=watched))
    assert watched.given == [0, 2]
    assert shared.items().get("i100").title == "leather boots 100"


def test_classes_that_change_while_parts_are_made_count_for_every_answer(shop_at, shards, here):
    shared = shop_at("shared")

    class Slow(ThisProcess):
        def each(self, work, tasks):
            made = list(super().each(work, tasks))
            shared.classes.add("Bread makers", descriptions=["Appliances: bread toaster 5"])
            yield from made

    shared.ingest([str(shards)], sharing=replace(here, engine=Slow()))
    revision = shared.classes.taxonomy.revision
    assert {one["revision"] for one in stored(shared).values()} == {revision}


def test_a_class_that_a_person_confirmed_meanwhile_is_kept(shop_at, shards, here):
    shared = shop_at("shared")
    shared.ingest([Item("i7", title="something else")])

    class Slow(ThisProcess):
        def each(self, work, tasks):
            made = list(super().each(work, tasks))
            shared.items().confirm(["i7"], "boots")
            yield from made

    shared.ingest([str(shards)], sharing=replace(here, engine=Slow()))
    assert (shared.items().get("i7").title, shared.items().get("i7").confirmed_class) == ("steel kettle 7", "boots")


def test_streams_pictures_and_items_are_not_shared_out(shop_at, here, tmp_path):
    (tmp_path / "one.png").write_bytes(b"")
    shared = shop_at("shared")
    with pytest.raises(UsageError, match="only files of rows"):
        shared.ingest([str(tmp_path / "one.png")], sharing=here)
    with pytest.raises(UsageError, match="only files are shared out"):
        shared.ingest([Item("a", title="x")], sharing=here)
    with pytest.raises(InputError, match="no such file"):
        shared.ingest([str(tmp_path / "nothing*.jsonl")], sharing=here)


def test_an_encoder_that_no_other_process_finds_is_refused_before_anything_starts(shop_at, shards, here, monkeypatch):
    shared, watched = shop_at("shared"), Watched()
    monkeypatch.setattr(
        "nearclass.distribution.text_encoder", lambda *_: (_ for _ in ()).throw(NearclassError("not here"))
    )
    with pytest.raises(NearclassError, match="not here"):
        shared.ingest([str(shards)], sharing=replace(here, engine=watched))
    assert watched.given == []


def test_without_an_import_in_the_engine_items_are_inserted_and_that_is_said(shop_at, shards, here, tmp_path):
    shared, said = shop_at("shared"), []
    shared.ingest([str(shards)], sharing=replace(here, bulk=str(tmp_path / "bulk"), on_note=said.append))
    assert any("has no import: the items are inserted" in one for one in said)
    assert len(stored(shared)) == shared.items().count() == 16


def test_parts_may_be_at_an_address(shop_at, shards, here):
    shared = shop_at("shared")
    shared.ingest([str(shards)], sharing=replace(here, parts="memory://parts"))
    assert shared.items().count() == 16


def test_a_part_whose_file_was_cut_does_not_count(shop_at, shards, tmp_path):
    folder = PartFolder(tmp_path / "parts")
    with folder.writing("x") as path:
        path.write_bytes(b"whole")
    with pytest.raises(ZeroDivisionError), folder.writing("y") as path:
        path.write_bytes(b"half")
        1 / 0  # noqa: B018
    assert [one.name for one in (tmp_path / "parts").iterdir()] == ["x"]


def test_of_rows_with_one_key_all_but_the_last_are_superseded():
    keys = Keys()
    keys.add([key_of(name) for name in "abca"])
    keys.add([key_of(name) for name in "dbb"])
    assert keys.superseded().tolist() == [0, 1, 5]
    assert Keys().superseded().tolist() == []


def test_known_tells_contents_apart():
    pairs = [(key_of(str(n)), key_of("content", str(n)) * 2) for n in range(100)]
    marks = [int(key[:16], 16) ^ int(content[:16], 16) for key, content in pairs]
    known = Known(np.sort(np.asarray(marks, np.uint64)))
    assert known.has(*zip(*pairs, strict=True)).all()
    assert not known.has([pairs[0][0], key_of("new")], [pairs[1][1], pairs[0][1]]).any()
    assert not Known.none().has([pairs[0][0]], [pairs[0][1]]).any()


def test_a_cluster_that_is_not_there_is_said_soon(monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'nearclass[ray]'")
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray would try for ten minutes"))
    with pytest.raises(UsageError, match="no Ray at 127.0.0.1:1: .*refused"), RayEngine("127.0.0.1:1") as engine:
        list(engine.each(None, [None]))


def test_without_ray_the_command_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="Ray is not installed") as error, RayEngine() as engine:
        list(engine.each(None, [None]))
    assert "nearclass[ray]" in error.value.hint


@pytest.mark.parametrize(
    ("resources", "given", "pool"),
    [
        ({"CPU": 2.0}, {}, (1, 2, 0)),
        ({"CPU": 64.0}, {}, (16, 4, 0)),
        ({"CPU": 64.0, "GPU": 8.0}, {}, (8, 4, 1)),
        ({"CPU": 64.0, "GPU": 8.0}, {"device": "cpu", "threads": 8}, (8, 8, 0)),
        ({"CPU": 2.0}, {"actors": 2}, (2, 1, 0)),
        ({"CPU": 64.0}, {"actors": 99}, (20, 1, 0)),
    ],
)
def test_actors_and_threads_fit_what_the_cluster_has(resources, given, pool):
    assert RayEngine(**given)._pool(resources, 20).facts == pool


def test_pictures_are_looked_at_where_the_work_is_done(shop_at, here, tmp_path, clip_folder):
    folder, rng = tmp_path / "photos", np.random.default_rng(2)
    folder.mkdir()
    for n in range(4):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{n}.png")
    rows = [row(n, image=f"{n}.png") for n in range(3)] + [{"id": "shown", "image": "3.png"}, row(9, image="gone.png")]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"image_encoder": f"local-dir:{clip_folder}", "offline": True}
    plain, shared = shop_at("plain", **settings), shop_at("shared", **settings)
    wanted = plain.ingest([str(folder / "a.jsonl")], rejects="plain.rejects")
    assert shared.ingest([str(folder / "a.jsonl")], rejects="shared.rejects", sharing=here) == wanted
    assert (wanted.ok, wanted.pictures, wanted.rejected) == (4, 4, 1)
    assert Path("shared.rejects").read_bytes() == Path("plain.rejects").read_bytes()
    check_same(stored(shared), stored(plain))
    image = next(one.name for one in shared.spaces if one.kind == "image")
    check_same(stored(shared, image), stored(plain, image))
    again = shared.ingest([str(folder / "a.jsonl")], sharing=here)
    assert (again.embedded, again.pictures, again.unchanged) == (0, 0, 4)
