"""Moving a catalogue to another encoder of pictures: they are looked at again where they are, and none is lost unsaid."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from coloured import save, save_all
from PIL import Image
from stored import items_of

from nearclass import Catalog, Item, Settings
from nearclass.errors import SpaceMismatchError, UsageError
from nearclass.ingest import space_learning
from nearclass.ingest.labelled import Labelled
from nearclass.ingest.reembed import SpaceFilling
from nearclass.store import Store
from nearclass.store.spaces import SpaceCollections, Spaces
from nearclass.store.state import State

from .test_reembedding_kill import CutError, counted


@pytest.fixture
def photos(tmp_path):
    """A folder of photos that is not the working directory."""
    return save_all(tmp_path / "photos")


@pytest.fixture
def open_shop(tmp_path, encoder, image_encoder):
    """Opens one catalogue of texts and pictures, again and again."""
    opened = []

    def open_(**settings):
        made = Catalog.open(
            settings=Settings(uri=str(tmp_path / "shop.db"), **settings), encoder=encoder, image_encoder=image_encoder
        )
        opened.append(made)
        return made

    yield open_
    for one in opened:
        one.close()


@pytest.fixture
def stocked(open_shop, shop, photos):
    """A kettle with a title and a photo, a photo alone, a title alone; kettles have a photo of their own."""
    catalog = open_shop()
    kettle = str(save(photos / "kettle.png", (180, 60, 60)))
    catalog.import_classes([replace(one, images=(kettle,)) if one.id == "kettles" else one for one in shop])
    folder = str(photos)
    items = [
        Item("both", title="steel kettle", image="red.png", folder=folder),
        Item("alone", image="green.png", folder=folder),
        Item("worded", title="garden hose"),
    ]
    assert catalog.ingest(items).ok == 3
    return catalog


def text_rows(catalog):
    return items_of(catalog, catalog._spaces.text_space())


def serving(catalog):
    return catalog._spaces.image_space().name


def vector_of(encoder, path):
    return encoder.encode_pictures([Image.open(path)])[0]


def answers(catalog, photos):
    found = catalog.assign(
        [Item("both", title="steel kettle", image=str(photos / "red.png")), Item("a", image=str(photos / "green.png"))],
        explain=False,
    )
    return [(one.class_id, one.decision, round(one.score, 4)) for one in found]


def test_a_plan_counts_the_pictures_and_those_that_are_gone_and_writes_nothing(stocked, other_image_encoder, photos):
    before = stocked.store.collections()
    plan = stocked.reembedding.plan(other_image_encoder)
    assert (plan.items, plan.old_dim, plan.new_dim, plan.pictures.missing) == (2, 24, 20, 0)
    assert plan.items_per_s > 0
    (photos / "green.png").unlink()
    there = stocked.reembedding.plan(other_image_encoder).pictures
    assert (there.missing, there.missing_alone, there.addresses, there.example) == (1, 1, 0, "green.png")
    assert stocked.store.collections() == before


def test_after_the_swap_everything_is_of_the_new_space_and_texts_are_as_they_were(
    stocked, other_image_encoder, image_encoder, photos
):
    old, texts = answers(stocked, photos), text_rows(stocked)
    stocked.items().confirm(["both"], "kettles")
    report = stocked.reembedding.run(other_image_encoder)
    assert (report.items, report.embedded, report.left_out, report.agreement.items) == (2, 3, 0, 2)
    assert answers(stocked, photos) == old
    assert serving(stocked) == image_encoder.space.name
    status = stocked.reembedding.swap()
    assert (status.step, status.serving, status.other) == (
        "swapped",
        other_image_encoder.space.name,
        image_encoder.space.name,
    )
    found = items_of(stocked, other_image_encoder.space)
    assert set(found) == {"both", "alone"}
    for item_id, name in (("both", "red"), ("alone", "green")):
        wanted = vector_of(other_image_encoder, photos / f"{name}.png")
        np.testing.assert_allclose(found[item_id]["vector"], wanted, atol=1e-5)
    assert found["both"]["confirmed_class"] == "kettles"
    now = text_rows(stocked)
    for item_id in ("both", "worded"):
        np.testing.assert_array_equal(now[item_id]["vector"], texts[item_id]["vector"])
    for name in ("class_id", "decision", "score"):
        assert found["both"][name] == now["both"][name]
    (again,) = stocked.assign([Item("alone", image=str(photos / "green.png"))], explain=False)
    assert (found["alone"]["class_id"], found["alone"]["decision"]) == (again.class_id or "", again.decision)
    assert again.space == other_image_encoder.space.name
    assert stocked.search(image=photos / "green.png", k=1)[0].id == "alone"
    assert stocked.stale_items() == 0
    place = SpaceCollections.of("default", other_image_encoder.space)
    kinds = [row["kind"] for row in stocked.store.query(place.evidence, fields=("kind",))]
    assert kinds.count("picture") == 1  # that of the kettles
    folder = str(photos)
    same = [Item("both", title="steel kettle", image="red.png", folder=folder), Item("alone", image="green.png", folder=folder)]  # fmt: skip
    assert stocked.ingest(same).unchanged == 2


def test_pictures_that_are_gone_stop_the_run_until_somebody_says_to_go_on_without(stocked, other_image_encoder, photos):
    (photos / "red.png").unlink()
    (photos / "green.png").unlink()
    with pytest.raises(UsageError, match=r"2 pictures cannot be read again, such as: green.png|red.png") as refused:
        stocked.reembedding.run(other_image_encoder)
    assert "--leave-out-missing" in refused.value.hint
    assert stocked.reembedding.status().step == "none"
    rejects = []
    report = stocked.reembedding.run(other_image_encoder, leave_out=True, on_reject=rejects.append)
    assert (report.items, report.left_out) == (0, 2)
    assert {(row.raw["id"], row.code) for row in rejects} == {("both", "missing_picture"), ("alone", "missing_picture")}
    stocked.reembedding.swap()
    assert [one.id for one in stocked.items().list()] == ["both", "worded"]
    (alone,) = stocked.assign([Item("both", title="steel kettle")], explain=False)
    row = text_rows(stocked)["both"]
    assert (row["class_id"], row["decision"]) == (alone.class_id or "", alone.decision)
    assert row["score"] == pytest.approx(alone.score, abs=1e-4)


def test_what_was_left_out_is_there_again_after_going_back(stocked, other_image_encoder, image_encoder, photos):
    old = {name: items_of(stocked, image_encoder.space)[name]["vector"] for name in ("both", "alone")}
    (photos / "green.png").unlink()
    (photos / "red.png").unlink()
    stocked.reembedding.run(other_image_encoder, leave_out=True)
    stocked.reembedding.swap()
    stocked.ingest([Item("late", image=str(photos / "blue.png"))])
    status = stocked.reembedding.rollback()
    assert (status.step, status.serving) == ("filled", image_encoder.space.name)
    found = items_of(stocked, image_encoder.space)
    assert set(found) == {"both", "alone", "late"}
    for name, vector in old.items():
        np.testing.assert_array_equal(found[name]["vector"], vector)
    np.testing.assert_allclose(found["late"]["vector"], vector_of(image_encoder, photos / "blue.png"), atol=1e-5)
    assert {name: found["both"][name] for name in ("class_id", "score")} == {
        name: text_rows(stocked)["both"][name] for name in ("class_id", "score")
    }


def test_an_item_that_was_removed_after_the_swap_is_not_there_again_after_going_back(
    stocked, other_image_encoder, image_encoder, photos
):
    (photos / "red.png").unlink()
    stocked.reembedding.run(other_image_encoder, leave_out=True)
    stocked.reembedding.swap()
    assert stocked.items().delete(["both"]) == 1
    stocked.reembedding.rollback()
    assert set(items_of(stocked, image_encoder.space)) == {"alone"}


def test_a_picture_that_goes_between_run_and_swap_stops_the_swap(stocked, other_image_encoder, image_encoder, photos):
    stocked.reembedding.run(other_image_encoder)
    late = save(photos / "late.png", (1, 2, 3))
    stocked.ingest([Item("late", image=str(late))])
    late.unlink()
    with pytest.raises(UsageError, match="cannot be read again"):
        stocked.reembedding.swap()
    assert serving(stocked) == image_encoder.space.name
    assert stocked.reembedding.swap(leave_out=True).serving == other_image_encoder.space.name


def test_the_folder_of_photos_can_be_named_where_it_is_not_known(stocked, other_image_encoder, photos):
    elsewhere = photos.rename(photos.parent / "moved")
    # As in a catalogue that was filled before folders were remembered.
    stocked._state.delete("picture_folder", [one.name for one in stocked._state.every("picture_folder")])
    stocked.classes.edit("kettles", images=())
    assert stocked.reembedding.plan(other_image_encoder).pictures.missing == 2
    assert stocked.reembedding.plan(other_image_encoder, pictures=[elsewhere]).pictures.missing == 0
    assert stocked.reembedding.run(other_image_encoder, pictures=[elsewhere]).items == 2


def test_of_several_files_of_one_name_the_one_with_the_stored_bytes_is_meant(stocked, other_image_encoder, photos):
    decoy = save(photos.parent / "a" / "red.png", (0, 0, 0))
    stocked.ingest([Item("decoy", image="red.png", folder=str(decoy.parent))])
    stocked.reembedding.run(other_image_encoder)
    found = items_of(stocked, other_image_encoder.space)
    for item_id, path in (("both", photos / "red.png"), ("decoy", decoy)):
        np.testing.assert_allclose(found[item_id]["vector"], vector_of(other_image_encoder, path), atol=1e-5)
    save(photos / "red.png", (7, 7, 7))  # neither file has the bytes of the item any more
    stocked.ingest([Item("worded", title="flat hose", image="red.png", folder=str(photos))])
    assert stocked.reembedding.run(leave_out=True).left_out == 0  # what is there is not looked at again


def test_a_picture_with_other_bytes_by_now_is_taken_as_it_is(stocked, other_image_encoder, photos):
    save(photos / "green.png", (250, 250, 0))
    assert stocked.reembedding.run(other_image_encoder).embedded == 3
    found = items_of(stocked, other_image_encoder.space)["alone"]
    wanted = vector_of(other_image_encoder, photos / "green.png")
    np.testing.assert_allclose(found["vector"], wanted, atol=1e-5)
    assert stocked.reembedding.swap().step == "swapped"


def test_what_is_written_in_the_last_moment_of_a_swap_is_in_both_spaces(
    stocked, other_image_encoder, photos, monkeypatch
):
    stocked.reembedding.run(other_image_encoder)
    check = SpaceFilling.check

    def late(self):
        """Between the last pass and the switch."""
        stocked.ingest([Item("late", title="a late kettle", image=str(photos / "blue.png"))])
        stocked.items().delete(["alone"])
        stocked.items().confirm(["both"], "kettles")
        stocked.classes.edit("boots", images=(str(photos / "grey.png"),))
        return check(self)

    monkeypatch.setattr(SpaceFilling, "check", late)
    stocked.reembedding.swap()
    found = items_of(stocked, other_image_encoder.space)
    assert set(found) == {"both", "late"}
    assert found["both"]["confirmed_class"] == "kettles"
    assert found["late"]["decision"]
    np.testing.assert_allclose(found["late"]["vector"], vector_of(other_image_encoder, photos / "blue.png"), atol=1e-5)
    place = SpaceCollections.of("default", other_image_encoder.space)
    kinds = [row["kind"] for row in stocked.store.query(place.evidence, fields=("kind",))]
    assert kinds.count("picture") == 2


def test_an_ingest_that_goes_on_over_a_swap_loses_no_picture(stocked, other_image_encoder, photos):
    stocked.reembedding.run(other_image_encoder)
    with stocked.writing() as writer:
        for start in range(4):
            if start == 2:
                stocked.reembedding.swap()
            picture = str(save(photos / f"m{start}.png", (start * 50, 9, 9)))
            assert writer.write([Item(f"m{start}", image=picture)]).ok == 1
        writer.flush()
    found = items_of(stocked, other_image_encoder.space)
    assert set(found) == {"both", "alone", "m0", "m1", "m2", "m3"}
    for n in range(4):
        wanted = vector_of(other_image_encoder, photos / f"m{n}.png")
        np.testing.assert_allclose(found[f"m{n}"]["vector"], wanted, atol=1e-5)


def test_what_was_learnt_from_photos_and_its_labels_come_along(stocked, other_image_encoder, photos, monkeypatch):
    monkeypatch.setattr(space_learning, "_worth", lambda *_: (True, "the small models know nothing"))
    labels = [
        Labelled(
            Item(f"{class_id}{n}", image=f"{class_id}{n}.png", folder=str(photos)),
            frozenset({class_id}),
        )
        for place, class_id in enumerate(("kettles", "boots"))
        for n in range(3)
        if save(photos / f"{class_id}{n}.png", (60 + 90 * place, 20 * n, 30))
    ]
    assert stocked.learn(labels).version == 1
    plan = stocked.reembedding.plan(other_image_encoder)
    assert (plan.learnt, plan.labels, plan.pictures.missing) == (True, 6, 0)
    report = stocked.reembedding.run(other_image_encoder)
    assert report.embedded == 2 + 1 + 6
    assert report.learnt.startswith("version 1")
    stocked.reembedding.swap()
    assert len(stocked.learning.labelled_pictures()) == 6


def test_a_move_that_is_given_up_or_done_leaves_nothing_of_the_other_space(stocked, other_image_encoder, image_encoder):
    before = stocked.store.collections()
    stocked.reembedding.run(other_image_encoder)
    assert stocked.reembedding.rollback().step == "none"
    assert stocked.store.collections() == before
    stocked.reembedding.run(other_image_encoder)
    stocked.reembedding.swap()
    assert stocked.reembedding.drop().step == "none"
    name = image_encoder.space.name
    kinds = ("space", "rules", "calibration", "learner", "picture_level", "fusion", "left_out")
    assert not [one for kind in kinds for one in stocked._state.every(kind) if name in one.name]
    assert not [one for one in stocked.store.collections() if name in one]
    assert [one.name for one in stocked.spaces if one.kind == "image"] == [other_image_encoder.space.name]


def test_whoever_opens_it_later_gets_the_new_encoder_and_the_old_one_is_refused(
    stocked, other_image_encoder, encoder, photos, tmp_path
):
    stocked.reembedding.run(other_image_encoder.space.encoder)
    stocked.reembedding.swap()
    stocked.close()
    settings = Settings(uri=str(tmp_path / "shop.db"), offline=True)
    with Catalog.open(settings=settings, encoder=encoder) as later:
        answer = later.assign([Item("a", image=str(photos / "green.png"))])[0]
        assert answer.space == other_image_encoder.space.name
        old = later._spaces.named(later.reembedding.status().other).encoder
    named = settings.model_copy(update={"image_encoder": old})
    with pytest.raises(SpaceMismatchError, match="were made in the space"):
        Catalog.open(settings=named, encoder=encoder)


# Cut off


def opened(database, encoder, encoders):
    """The catalogue, which knows both encoders of pictures, and is given the one that it remembers."""
    with Store.open(str(database)) as store:
        name = Spaces(State(store, "default")).image_space().name
    settings = Settings(uri=str(database))
    catalog = Catalog.open(settings=settings, encoder=encoder, image_encoder=encoders[name])
    for one in encoders.values():
        catalog._images.know(one)
    return catalog


def held(catalog, photos):
    """The space of pictures that serves, answers from it, and what is stored in it and of texts."""
    space = catalog._spaces.image_space()
    stored = [items_of(catalog, space), text_rows(catalog)]
    kept = [
        {one: (row["class_id"], row["decision"], round(row["score"], 3), row["confirmed_class"]) for one, row in some.items()}
        for some in stored
    ]  # fmt: skip
    return space.name, answers(catalog, photos), *kept


def do(catalog, step, encoder):
    move = catalog.reembedding
    return move.run(encoder) if step == "run" else getattr(move, step)()


@pytest.mark.slow
def test_a_move_of_pictures_cut_off_before_any_write_is_completed_or_undone_and_never_mixed(
    stocked, encoder, image_encoder, other_image_encoder, photos, tmp_path
):
    encoders = {one.space.name: one for one in (image_encoder, other_image_encoder)}
    old, new = encoders
    stocked.items().confirm(["both"], "kettles")
    stocked.close()
    (photos / "blue.png").rename(photos / "late.png")
    late = Item("late", title="a late kettle", image="late.png", folder=str(photos))
    before, base = {}, tmp_path / "shop.db"
    writes = {}
    for step in ("run", "swap", "rollback"):
        before[step] = shutil.copytree(base, tmp_path / f"before-{step}.db")
        with opened(base, encoder, encoders) as catalog, counted(None) as made:
            do(catalog, step, other_image_encoder)
        writes[step] = len(made)
        if step == "run":
            with opened(base, encoder, encoders) as catalog:
                catalog.ingest([late])
    moments = random.Random(5)
    for number in range(9):
        step = ("run", "swap", "rollback")[number % 3]
        database = shutil.copytree(before[step], tmp_path / f"cut-{number}.db")
        after = int((number // 3 + moments.random()) / 3 * writes[step])
        where = f"{step}, cut off after {after} of {writes[step]} writes"
        with opened(database, encoder, encoders) as catalog, counted(after), pytest.raises(CutError):
            do(catalog, step, other_image_encoder)
        with opened(database, encoder, encoders) as catalog:
            serves = serving(catalog)
            assert {one.space for one in catalog.assign([Item("a", image=str(photos / "green.png"))])} == {serves}, (
                where
            )
            assert serves == old or step != "run", where
            if step != "rollback":
                do(catalog, step, other_image_encoder)
                done = catalog.reembedding.swap()
                assert (done.serving, done.items) == (new, 2 if step == "run" else 3), where
            elif serves == new:
                catalog.reembedding.rollback()
            found = held(catalog, photos)
            assert found[0] == (old if step == "rollback" else new), where
            told = {one: row for one, row in found[3].items() if one in found[2]}
            assert {one: row for one, row in found[2].items() if one in told} == told, where
            assert found[2]["both"][3] == "kettles", where
        with opened(database, encoder, encoders) as catalog:
            assert held(catalog, photos) == found, where
