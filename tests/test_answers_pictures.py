"""Items with pictures, answered and not stored: alone, with a text, and refused for their reasons."""

import json

import numpy as np
import pytest
from PIL import Image

from nearclass import Catalog, Item, Settings
from nearclass.errors import PictureError, UsageError
from nearclass.ingest.intake import CHUNK_ROWS
from nearclass.ingest.labelled import Labelled, mapped_items
from nearclass.ingest.sources import BadRow, open_sources

COLOURS = {"red.png": (200, 30, 30), "green.png": (20, 180, 60), "blue.png": (30, 40, 210)}


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder with three pictures, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    return folder


@pytest.fixture
def seeing(tmp_path, shop, encoder, image_encoder):
    """A catalogue of texts and pictures."""
    settings = Settings(uri=str(tmp_path / "seeing.db"))
    with Catalog.open(settings=settings, encoder=encoder, image_encoder=image_encoder) as catalog:
        catalog.import_classes(shop)
        yield catalog


def shown(name, photos, **values):
    return Item(name, image=f"{name}.png", folder=str(photos), **values)


def test_a_picture_alone_is_compared_with_the_classes_in_its_own_space(seeing, photos, image_encoder):
    answer = seeing.assign([shown("red", photos)], k=9)[0]
    vector = image_encoder.encode_pictures([Image.open(photos / "red.png")])[0]
    classes = seeing.class_vectors(image_encoder.space.name)
    wanted = {class_id: float(vector @ one) for class_id, one in classes.items()}
    assert answer.space == image_encoder.space.name
    assert {one.class_id: one.score for one in answer.candidates} == pytest.approx(wanted, abs=1e-5)


def test_text_and_picture_of_one_item_are_answered_together_and_say_so(seeing, photos, encoder, image_encoder):
    answer = seeing.assign([shown("red", photos, title="steel kettle")])[0]
    names = (encoder.space.name, image_encoder.space.name)
    assert answer.space == "+".join(names)
    assert {piece.space for piece in answer.evidence} == set(names)
    assert {piece.class_id for piece in answer.evidence} == {answer.candidates[0].class_id}


def test_items_of_all_kinds_stand_in_the_order_given_with_the_answers_they_have_alone(seeing, photos):
    items = [
        shown("red", photos),
        Item("words", text="a toaster"),
        shown("green", photos, text="running shoes"),
        shown("blue", photos),
    ]
    together = seeing.assign(items)
    assert [one.id for one in together] == ["red", "words", "green", "blue"]
    for item, answer in zip(items, together, strict=True):
        alone = seeing.assign([item])[0]
        assert [one.class_id for one in alone.candidates] == [one.class_id for one in answer.candidates]
        assert alone.score == pytest.approx(answer.score, abs=1e-5)


def test_a_picture_that_cannot_be_used_is_an_error_with_its_code(seeing, photos):
    with pytest.raises(PictureError) as caught:
        seeing.assign([shown("broken", photos)])
    assert caught.value.code == "damaged_picture"


def test_a_bad_picture_rejects_the_item_even_if_it_has_a_text(seeing, photos):
    rows = [shown("red", photos), shown("gone", photos, text="a kettle"), Item("3"), Item("4", text="a hose")]
    found = list(seeing.assign_each(rows))
    assert [one.code if isinstance(one, BadRow) else one.id for one in found] == [
        "red",
        "missing_picture",
        "no_text",
        "4",
    ]
    assert found[1].raw["image"] == "gone.png"


def test_a_picture_outside_the_folder_of_its_file_is_refused(seeing, photos):
    found = list(seeing.assign_each([Item("1", image="../red.png", folder=str(photos / "other"))]))
    assert found[0].code == "picture_outside"


def test_without_an_encoder_texts_are_answered_and_pictures_alone_are_refused_naming_the_setting(catalog, photos):
    rows = [shown("red", photos, text="steel kettle"), shown("blue", photos)]
    both, alone = catalog.assign_each(rows)
    assert both.candidates == catalog.assign(["steel kettle"])[0].candidates
    assert (alone.code, "NEARCLASS_IMAGE_ENCODER" in alone.message) == ("no_image_encoder", True)
    with pytest.raises(UsageError, match="NEARCLASS_IMAGE_ENCODER"):
        catalog.assign([shown("blue", photos)])


def test_many_chunks_of_rows_keep_their_order(seeing, photos):
    names = ["red", "green", "blue"]
    count = CHUNK_ROWS + 5
    rows = (
        Item(str(row), image=f"{names[row % 3]}.png", folder=str(photos)) if row % 2 else Item(str(row), text="kettle")
        for row in range(count)
    )
    assert [one.id for one in seeing.assign_each(rows, explain=False)] == [str(row) for row in range(count)]


def test_pictures_of_a_file_are_sought_beside_it(seeing, photos):
    lines = [{"id": "a", "image": "red.png"}, {"id": "b", "image": "../red.png"}]
    (photos / "items.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second = seeing.assign_each(mapped_items(open_sources([str(photos / "items.jsonl")])))
    assert first.id == "a"
    assert second.code == "picture_outside"


def test_a_class_picture_is_evidence_and_is_named(seeing, photos):
    seeing.classes.add("Red things", id="red", images=[str(photos / "red.png")])
    seen, _ = seeing._answers.seen([shown("red", photos)], seeing._live.pair())
    assigner = seeing._live.pair().assigner().image
    pieces = assigner.evidence.nearest(["red"], seen.image.vectors)[0]
    best = pieces[0]
    assert (best.kind.value, best.similarity) == ("picture", pytest.approx(1, abs=1e-4))
    assert best.text == str(photos / "red.png")


def test_labelled_pictures_are_evaluated_and_bad_ones_handed_back(seeing, photos):
    rows = [
        Labelled(shown("red", photos), frozenset({"kettles"})),
        Labelled(shown("broken", photos), frozenset({"kettles"})),
        Labelled(Item("words", text="a kettle"), frozenset({"kettles"})),
    ]
    bad = []
    figures, judged = seeing.evaluate(rows, on_reject=lambda row, why: bad.append((row.item.id, why.code)))
    assert (figures.n, [one.answer.id for one in judged]) == (2, ["red", "words"])
    assert bad == [("broken", "damaged_picture")]


def test_search_by_words_or_by_a_picture_finds_each_item_once(seeing, photos):
    items = [shown("red", photos, text="a red kettle"), shown("blue", photos), Item("words", text="a hose")]
    assert seeing.ingest(items).ok == 3
    by_picture = seeing.search(image=photos / "blue.png")
    assert by_picture[0].id == "blue"
    assert {one.id for one in by_picture} == {"red", "blue"}
    assert by_picture[0].similarity == pytest.approx(1, abs=1e-4)
    by_words = [one.id for one in seeing.search("red kettle")]
    assert sorted(by_words) == ["blue", "red", "words"]
    assert by_words[0] == "red"
    assert [one.id for one in seeing.search("red kettle", where=["id=words"])] == ["words"]
    with pytest.raises(UsageError):
        seeing.search()


def test_calibration_of_text_and_picture_is_one_of_its_own(seeing, photos):
    words = {
        "kettles": "steel kettle {}",
        "hoses": "garden hose {}",
        "boots": "leather boots {}",
        "laptops": "laptop {}",
    }
    rng = np.random.default_rng(0)
    names = list(COLOURS)
    rows = [
        Labelled(
            Item(f"{at}", text=words[class_id].format(at), image=names[rng.integers(3)], folder=str(photos)),
            frozenset({class_id}),
        )
        for at, class_id in enumerate(list(words) * 60)
    ]
    report = seeing.calibrate(rows, precision=0.8)
    assert report.n == len(rows)
    answer = seeing.assign([rows[0].item])[0]
    assert answer.confidence is not None
    assert "calibrated" in answer.rule
    assert seeing.assign(["steel kettle"])[0].confidence is None
    assert seeing._live.pair().assigner().text_weight > 0.5
