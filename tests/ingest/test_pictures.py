"""Pictures in a catalogue: of classes and of items, stored, changed, learnt from, and cut off."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from coloured import COLOURS, save, save_all
from PIL import Image
from prepared import Prepared
from stored import rows_of

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.errors import ModelNotFoundError, PictureError, SpaceMismatchError, StoreError, TaxonomyError, UsageError
from nearclass.ingest import editing
from nearclass.ingest import items as items_module
from nearclass.ingest.labelled import Labelled
from nearclass.schemas.collections import items_spec
from nearclass.store.spaces import SpaceCollections


@pytest.fixture
def photos(tmp_path):
    save_all(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    return tmp_path


@pytest.fixture
def seeing(tmp_path, encoder, image_encoder):
    """Opens one catalogue of texts and pictures, again and again."""
    opened = []

    def open_():
        settings = Settings(uri=str(tmp_path / "seeing.db"))
        made = Catalog.open(settings=settings, encoder=encoder, image_encoder=image_encoder)
        opened.append(made)
        return made

    yield open_
    for one in opened:
        one.close()


@pytest.fixture
def made(seeing, shop, photos):
    """An open catalogue of texts and pictures with the classes of the shop; kettles have a picture."""
    catalog = seeing()
    catalog.import_classes([replace(one, images=("red.png",)) if one.id == "kettles" else one for one in shop])
    return catalog


def place(catalog):
    return SpaceCollections.of("default", catalog._spaces.image_space())


def evidence(catalog, class_id):
    found = rows_of(catalog, place(catalog).evidence, "class_id", "kind", "text", "vector")
    return [row for row in found if (row["class_id"], row["kind"]) == (class_id, "picture")]


# The space


def test_a_catalogue_without_an_encoder_of_pictures_has_one_space(catalog):
    assert [one.kind for one in catalog.spaces] == ["text"]
    assert not catalog.sees
    with pytest.raises(UsageError, match="no encoder of pictures"):
        catalog._images.chosen()


def test_the_encoder_of_pictures_is_remembered_and_no_other_is_let_in(made, clip_folder, tmp_path):
    assert [one.kind for one in made.spaces] == ["text", "image"]
    made.close()
    other = shutil.copytree(clip_folder, tmp_path / "other")
    config = json.loads((other / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.1, 0.1, 0.1]
    (other / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(SpaceMismatchError) as caught:
        Catalog.open(settings=Settings(uri=str(tmp_path / "seeing.db"), image_encoder=f"local-dir:{other}"))
    assert "NEARCLASS_IMAGE_ENCODER" in caught.value.hint
    assert "preprocessing" in caught.value.message


def test_an_encoder_of_pictures_that_is_gone_is_named_by_the_first_command_that_needs_it(
    clip_folder, tmp_path, encoder
):
    gone = shutil.copytree(clip_folder, tmp_path / "gone")
    settings = Settings(uri=str(tmp_path / "lost.db"), image_encoder=f"local-dir:{gone}")
    with Catalog.open(settings=settings, encoder=encoder) as catalog:
        catalog.classes.add("Kettles")
    shutil.rmtree(gone)
    with Catalog.open(settings=Settings(uri=str(tmp_path / "lost.db")), encoder=encoder) as catalog:
        assert catalog.assign("kettle")[0].candidates[0].class_id == "kettles"
        with pytest.raises(ModelNotFoundError):
            catalog.classes.add("Toasters")
        assert len(catalog.classes.taxonomy) == 1


# Classes


def test_pictures_of_a_class_are_evidence_beside_its_texts_and_move_its_vector(made, image_encoder, photos):
    (kept,) = evidence(made, "kettles")
    assert kept["text"].endswith(str(photos / "red.png"))
    vector = image_encoder.encode_pictures([Image.open(photos / "red.png")])[0]
    assert kept["vector"] == pytest.approx(vector, abs=1e-6)
    before = made.class_vectors(image_encoder.space.name)["kettles"]
    made.classes.edit("kettles", images=())
    assert evidence(made, "kettles") == []
    without = made.class_vectors(image_encoder.space.name)["kettles"]
    wanted = without + 0.3 * vector
    assert before == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-5)


def test_texts_have_the_same_vectors_and_digests_with_pictures_and_without(made):
    text = SpaceCollections.of("default", made._spaces.text_space())
    before = {row["class_id"]: row["digest"] for row in rows_of(made, text.classes, "class_id", "digest")}
    made.classes.edit("kettles", images=("blue.png", "green.png"))
    assert {row["class_id"]: row["digest"] for row in rows_of(made, text.classes, "class_id", "digest")} == before


@pytest.mark.parametrize(("name", "code"), [("gone.png", "missing_picture"), ("broken.png", "damaged_picture")])
def test_a_picture_that_cannot_be_used_is_named_before_anything_changes(made, photos, name, code):
    revision = made.classes.taxonomy.revision
    with pytest.raises(TaxonomyError, match=code) as caught:
        made.import_classes([ClassSpec("a", "Vases"), ClassSpec("b", "Bowls", images=(name,))])
    assert "'b'" in caught.value.message
    assert name in caught.value.message
    assert made.classes.taxonomy.revision == revision
    assert "a" not in made.classes.taxonomy


def test_a_class_file_names_pictures_of_its_own_folder_only(made, tmp_path):
    inside = tmp_path / "catalogue"
    save(inside / "pots" / "a.png", (1, 2, 3))
    made.import_classes([ClassSpec("pots", "Pots", images=("pots/a.png",))], folder=inside)
    assert made.classes.taxonomy["pots"].images == (str(inside / "pots" / "a.png"),)
    with pytest.raises(TaxonomyError, match="outside"):
        made.import_classes([ClassSpec("pans", "Pans", images=("../red.png",))], folder=inside)


def test_a_picture_is_looked_at_once_and_again_when_its_content_changes(made, photos, monkeypatch):
    specs = [replace(made.classes.taxonomy["kettles"])]
    encoded = []
    encoder = made._images.current()
    real = encoder.stream
    monkeypatch.setattr(encoder, "stream", lambda pictures: real(encoded.append(1) or one for one in pictures))
    assert made.import_classes(specs).unchanged == 1
    assert encoded == []
    (before,) = evidence(made, "kettles")
    save(photos / "red.png", (10, 200, 200))
    assert made.import_classes(specs).changed == ("kettles",)
    (after,) = evidence(made, "kettles")
    assert len(encoded) == 1
    assert not np.allclose(before["vector"], after["vector"])


def test_a_picture_whose_file_is_gone_keeps_its_vector(made, photos):
    (before,) = evidence(made, "kettles")
    (photos / "red.png").unlink()
    made.classes.edit("kettles", descriptions=("Vessels to boil water.",))
    made.classes.retire("kettles")
    made.classes.restore("kettles")
    made.import_classes([replace(made.classes.taxonomy["kettles"], synonyms=("pot",))])
    (after,) = evidence(made, "kettles")
    assert after["vector"] == pytest.approx(before["vector"])


def test_the_pictures_of_a_merged_class_go_to_the_one_that_stays_even_where_their_files_are_gone(made, photos):
    made.classes.edit("toasters", images=("blue.png",))
    before = evidence(made, "kettles")[0]
    (photos / "red.png").unlink()
    earlier = made.classes.taxonomy.revision
    made.classes.merge(["kettles"], "toasters")
    assert [name.rpartition("/")[2] for name in made.classes.taxonomy["toasters"].images] == ["blue.png", "red.png"]
    now = {row["text"]: row["vector"] for row in evidence(made, "toasters")}
    assert len(now) == 2
    np.testing.assert_array_equal(now[before["text"]], before["vector"])
    assert len(evidence(made, "kettles")) == 1
    made.classes.rollback(earlier)
    assert [row["text"] for row in evidence(made, "kettles")] == [before["text"]]
    assert len(evidence(made, "toasters")) == 1


def test_a_catalogue_that_gets_its_encoder_of_pictures_later_builds_the_classes_then(
    catalog, photos, encoder, image_encoder
):
    catalog.classes.edit("kettles", images=("red.png",))
    uri = catalog.settings.uri
    catalog.close()
    with Catalog.open(settings=Settings(uri=uri), encoder=encoder, image_encoder=image_encoder) as later:
        assert later._spaces.image_space() is None
        later.ingest([Item("p", image="red.png")])
        assert set(later.class_vectors(image_encoder.space.name)) == set(later.classes.taxonomy.assignable())
        assert len(evidence(later, "kettles")) == 1
        assert later.items().get("p").decision


@pytest.mark.parametrize("step", ["sync", "classes"])
def test_a_change_with_a_picture_that_is_cut_off_is_completed_without_the_file(made, seeing, photos, monkeypatch, step):
    from nearclass.ingest import classes as classes_module

    def cut(*_args, **_kwargs):
        raise StoreError("the disk is full")

    where = {"sync": (editing, "sync"), "classes": (classes_module, "class_row")}[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, cut)
        with pytest.raises(StoreError):
            made.classes.add("Vases", images=["blue.png"])
    made.close()
    (photos / "blue.png").unlink()
    again = seeing()
    assert "vases" in again.classes.taxonomy
    assert len(evidence(again, "vases")) == 1
    assert "vases" in again.class_vectors(again._spaces.image_space().name)


# Items


def test_an_item_has_a_row_in_the_space_of_each_thing_it_has_with_one_answer(made, photos):
    counts = made.ingest([
        Item("both", title="steel kettle", image="red.png", attributes={"brand": "Acme"}),
        Item("words", title="toaster"),
        Item("photo", image="blue.png"),
    ])  # fmt: skip
    assert (counts.ok, counts.embedded, counts.pictures) == (3, 2, 2)
    fields = tuple(set(items_spec(1).field_names) - {"content_hash"})
    texts = {row["item_id"]: row for row in rows_of(made, made._live.of(None).place.items, *fields)}
    pictures = {row["item_id"]: row for row in rows_of(made, place(made).items, *fields)}
    assert (set(texts), set(pictures)) == ({"both", "words"}, {"both", "photo"})
    assert {**texts["both"], "key": ""} == {**pictures["both"], "key": ""}
    assert texts["both"]["image"] == "red.png"
    answer = made.assign([Item("both", title="steel kettle", image="red.png")])[0]
    assert made.items().get("both").score == pytest.approx(answer.score, abs=1e-5)


def test_items_are_listed_once_and_changed_in_both_spaces(made, photos):
    made.ingest(
        [
            Item("both", title="steel kettle", image="red.png"),
            Item("photo", image="blue.png"),
            Item("words", text="toaster"),
        ]
    )
    items = made.items()
    assert [one.id for one in items.list()] == ["both", "photo", "words"]
    assert items.count() == len(list(items.iterate())) == 3
    assert (items.get("photo").image, items.get("photo").title) == ("blue.png", "blue.png")
    assert [one.id for one in items.list(where=["decision!=nothing"], limit=2)] == ["both", "words"]
    items.confirm(["both", "photo"], "boots")
    assert {one.confirmed_class for one in items.list() if one.id != "words"} == {"boots"}
    assert {row["confirmed_class"] for row in rows_of(made, place(made).items, "confirmed_class")} == {"boots"}
    items.unconfirm(["photo"])
    assert items.get("photo").confirmed_class is None
    assert items.delete(["both", "photo"]) == 2
    assert [one.id for one in items.list()] == ["words"]
    assert rows_of(made, place(made).items, "item_id") == []


def test_a_picture_that_is_stored_is_neither_decoded_nor_encoded_again(made, photos, monkeypatch):
    items = [Item("both", title="steel kettle", image="red.png"), Item("photo", image="blue.png")]
    made.ingest(items)

    def never(*_args, **_kwargs):
        raise AssertionError("encoded")

    monkeypatch.setattr(made._images.current(), "prepare", never)
    counts = made.ingest(items)
    assert (counts.unchanged, counts.pictures, counts.embedded) == (2, 0, 0)
    counts = made.ingest([replace(items[0], title="steel pot")])
    assert (counts.ok, counts.embedded, counts.pictures) == (1, 1, 0)


def test_an_item_that_loses_its_picture_or_its_text_loses_that_row_and_keeps_what_was_confirmed(made, photos):
    made.ingest([Item("1", title="steel kettle", image="red.png"), Item("2", title="boots", image="blue.png")])
    made.items().confirm(["1", "2"], "boots")
    counts = made.ingest([Item("1", title="steel kettle"), Item("2", image="blue.png")])
    assert (counts.ok, counts.embedded, counts.pictures) == (2, 0, 0)
    texts = rows_of(made, made._live.of(None).place.items, "item_id", "confirmed_class")
    pictures = rows_of(made, place(made).items, "item_id", "confirmed_class")
    assert ([row["item_id"] for row in texts], [row["item_id"] for row in pictures]) == (["1"], ["2"])
    assert {row["confirmed_class"] for row in texts + pictures} == {"boots"}


def test_a_row_whose_picture_cannot_be_used_is_rejected_as_a_whole(made, photos):
    counts = made.ingest(
        [Item("1", title="steel kettle", image="broken.png"), Item("2", title="kettle", image="red.png")]
    )
    assert (counts.ok, counts.rejected, counts.embedded) == (1, 1, 1)
    (line,) = (photos / "nearclass.rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["code"] == "damaged_picture"
    assert [one.id for one in made.items().list()] == ["2"]


def test_a_cut_between_the_two_spaces_is_mended_by_the_next_run(made, photos, monkeypatch):
    item = Item("1", title="steel kettle", image="red.png")
    real = items_module.ItemRows.upsert

    def cut(self, given):
        if self.place.space.kind == "image":
            raise StoreError("the disk is full")
        real(self, given)

    with monkeypatch.context() as patch:
        patch.setattr(items_module.ItemRows, "upsert", cut)
        with pytest.raises(StoreError):
            made.ingest([item])
    assert rows_of(made, place(made).items, "item_id") == []
    assert made.ingest([item]).ok == 1
    assert len(rows_of(made, place(made).items, "item_id")) == 1
    assert made.ingest([item]).unchanged == 1


def test_a_folder_of_pictures_is_items_named_by_their_paths(made, tmp_path):
    for number in range(3):
        save(tmp_path / "shots" / "kettles" / f"{number}.png", (number * 40, 10, 10))
    save(tmp_path / "shots" / "loose.jpg", (5, 5, 5))
    (tmp_path / "shots" / "readme.txt").write_text("photos")
    counts = made.ingest([str(tmp_path / "shots")], labels_are_confirmed=True)
    assert (counts.read, counts.ok, counts.pictures, counts.rejected) == (4, 4, 4, 0)
    found = {one.id: one for one in made.items().list()}
    assert set(found) == {"kettles/0.png", "kettles/1.png", "kettles/2.png", "loose.jpg"}
    assert found["kettles/1.png"].confirmed_class == "kettles"
    assert found["loose.jpg"].confirmed_class is None


def test_labels_of_folders_are_only_an_attribute_unless_they_are_said_to_be_confirmed(made, tmp_path):
    save(tmp_path / "shots" / "nothing of ours" / "a.png", (1, 2, 3))
    made.ingest([str(tmp_path / "shots")])
    (one,) = made.items().list()
    assert (one.confirmed_class, one.attributes) == (None, {"label": "nothing of ours"})


def test_pictures_named_by_a_file_are_beside_it(made, tmp_path):
    save(tmp_path / "in" / "pics" / "a.png", (1, 2, 3))
    rows_ = [
        {"id": "1", "title": "kettle", "image": "pics/a.png"},
        {"id": "2", "title": "kettle", "image": "../red.png"},
        {"id": "3", "image": "https://pictures.example/a.png"},
    ]
    (tmp_path / "in" / "items.jsonl").write_text("\n".join(map(json.dumps, rows_)))
    counts = made.ingest([str(tmp_path / "in" / "items.jsonl")])
    assert (counts.ok, counts.rejected) == (1, 2)
    lines = (tmp_path / "nearclass.rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["picture_outside", "url_refused"]


def test_without_an_encoder_of_pictures_texts_are_stored_and_pictures_alone_are_rejected(catalog, tmp_path):
    counts = catalog.ingest([Item("1", title="steel kettle", image="no.png"), Item("2", image="no.png")])
    assert (counts.ok, counts.rejected, counts.pictures) == (1, 1, 0)
    assert json.loads((tmp_path / "nearclass.rejects.jsonl").read_text())["code"] == "no_image_encoder"
    assert catalog.items().get("1").image == "no.png"


def test_stored_items_are_answered_anew_from_both_vectors(made, photos):
    made.ingest([Item("both", title="sturdy vase", image="red.png"), Item("photo", image="blue.png")])
    assert made.stale_items() == 0
    made.classes.add("Vases")
    assert made.stale_items() == 2
    made.items().reassign()
    assert made.stale_items() == 0
    for name, item in (
        ("both", Item("both", title="sturdy vase", image="red.png")),
        ("photo", Item("photo", image="blue.png")),
    ):
        assert made.items().get(name).score == pytest.approx(made.assign([item])[0].score, abs=1e-5)


# Learning


def test_learning_goes_on_in_both_spaces_and_back_by_one_number(made, photos):
    names = list(COLOURS)
    for number in range(30):
        save(photos / "many" / f"{number}.png", tuple((one + 3 * number) % 256 for one in COLOURS[names[number % 4]]))
    images = [Item(f"p{number}", image=f"many/{number}.png") for number in range(30)]
    made.ingest([*images, Item("t", title="steel kettle")])
    labelled = [
        Labelled(one, frozenset({("kettles", "boots", "spades", "hoses")[number % 4]}))
        for number, one in enumerate(images)
    ]
    text, image = made._spaces.text_space().name, made._spaces.image_space().name
    before = made.class_vectors(image)
    outcome = made.learn(labelled)
    assert [one["space"] for one in outcome.to_dict()["spaces"]] == [text, image]
    assert outcome.to_dict()["spaces"][1]["labels"] == 30
    assert made.learning.labelled_texts() == set()
    version = outcome.spaces[1].version
    assert version is not None
    assert not np.allclose(made.class_vectors(image)["kettles"], before["kettles"])
    assert len(made.learning.labelled_pictures()) == len({p.read_bytes() for p in (photos / "many").iterdir()})
    made.learning.use(0)
    assert made.class_vectors(image)["kettles"] == pytest.approx(before["kettles"], abs=1e-6)
    made.learning.use(version)
    assert not np.allclose(made.class_vectors(image)["kettles"], before["kettles"])
    assert made.classes.add("Vases", images=["red.png"]).id in made.class_vectors(image)


def test_a_label_whose_picture_cannot_be_used_is_handed_back_or_an_error(made, photos):
    made.ingest([Item("p", image="red.png")])
    labelled = [Labelled(Item("x", image="broken.png"), frozenset({"kettles"}))]
    with pytest.raises(PictureError):
        made.learn(labelled)
    handed = []
    made.learn(labelled, on_reject=lambda row, bad: handed.append((row.item.id, bad.code)))
    assert handed == [("x", "damaged_picture")]


# Killed

CHILD = """
import pyarrow, pymilvus
from PIL import Image
from nearclass import Catalog, Settings
from nearclass.encoders.image import ImageEncoder
from nearclass.encoders.image_model import describe_image
from nearclass.encoders.image_resolve import resolve_image
from nearclass.ingest import intake, run
intake.CHUNK_ROWS, run._CHECKPOINT_ROWS = 40, 120
model = describe_image(resolve_image(f"local-dir:{arguments[0]}", offline=True))
encoder = ImageEncoder(model, device="cpu", precision="float32", threads=1)
encoder.encode_pictures([Image.new("RGB", (40, 30))])
def work(database, source):
    with Catalog.open(settings=Settings(uri=database, offline=True), image_encoder=encoder) as catalog:
        print("open", flush=True)
        counts = catalog.ingest([source], rejects=database + ".rejects")
        print(counts.read, counts.ok + counts.unchanged, counts.rejected, flush=True)
"""


@pytest.mark.slow
def test_an_ingest_of_pictures_that_is_killed_and_run_again_ends_like_one_that_was_not(
    tmp_path, real_encoder, shop, clip_folder, image_encoder
):
    source = tmp_path / "shots"
    rng = np.random.default_rng(2)
    for number in range(600):
        pixels = rng.integers(0, 256, (24, 32, 3), np.uint8)
        path = source / f"{number % 7}" / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (source / "0" / "bad.png").write_bytes(b"no picture")
    base = tmp_path / "base.db"
    with Catalog.open(settings=Settings(uri=str(base)), encoder=real_encoder, image_encoder=image_encoder) as catalog:
        catalog.import_classes(shop)
    whole = shutil.copytree(base, tmp_path / "whole.db")
    killed = shutil.copytree(base, tmp_path / "killed.db")
    with Prepared(CHILD, clip_folder) as processes:
        took, counts = processes.run(whole, source)
        assert counts == ["601 600 1"]
        for _ in range(4):
            processes.run(killed, source, kill_after=float(rng.uniform(0.1, 0.7)) * took)
        assert processes.run(killed, source)[1] == counts
    found = []
    for database in (whole, killed):
        with Catalog.open(
            settings=Settings(uri=str(database)), encoder=real_encoder, image_encoder=image_encoder
        ) as catalog:
            names = ("item_id", "image", "content_hash", "row_hash", "decision", "class_id", "vector")
            every = sorted(rows_of(catalog, place(catalog).items, *names), key=lambda row: row["item_id"])
            assert not catalog._state.every("checkpoint")
        found.append([{**row, "vector": np.round(row["vector"], 4).tolist()} for row in every])
    assert len(found[0]) == 600
    assert found[0] == found[1]
    lines = [(tmp_path / f"{name}.db.rejects").read_text() for name in ("whole", "killed")]
    assert lines[0] == lines[1]


# Real photos


@pytest.mark.slow
def test_photos_of_groceries_find_their_classes_and_pictures_of_classes_help(tmp_path, shared_data, encoder):
    """The model and the photos are not part of the repository; the photos are those that the model has not seen."""
    model, data = shared_data.parent / "models" / "tinyclip", shared_data / "images_grocery"
    if not (model.is_dir() and data.is_dir()):
        pytest.skip(f"no encoder of pictures at {model}, or no photos at {data}")
    lines = [json.loads(line) for line in (data / "classes.jsonl").read_text().splitlines()]
    specs = [
        ClassSpec(one["id"], one["name"], one["parent"], tuple(filter(None, [one.get("description")])), assignable=one["label"])
        for one in lines
    ]  # fmt: skip
    pictures = {one["id"]: (one["iconic_image"],) for one in lines if one.get("iconic_image")}
    items = [json.loads(line) for line in (data / "items.jsonl").read_text().splitlines()]
    labels = {one["id"]: one["label"] for one in items if one["split"] == "val"}
    photos = [Item(one["id"], image=one["image"], folder=str(data)) for one in items if one["id"] in labels]
    settings = Settings(uri=str(tmp_path / "g.db"), image_encoder=f"local-dir:{model}", precision="float32")
    right = []
    with Catalog.open(settings=settings, encoder=encoder) as catalog:
        for every in (specs, [replace(one, images=pictures.get(one.id, ())) for one in specs]):
            catalog.import_classes(every, folder=data)
            answers = catalog.assign(photos, explain=False)
            right.append(sum(one.candidates[0].class_id == labels[one.id] for one in answers) / len(answers))
        counts = catalog.ingest(photos)
        assert (counts.ok, counts.pictures) == (296, 296)
        stored = {one.id: one.score for one in catalog.items().list()}
    assert stored == pytest.approx({one.id: one.score for one in answers}, abs=1e-4)
    assert right == pytest.approx([0.503, 0.524], abs=0.015)
