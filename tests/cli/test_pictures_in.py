"""Pictures of classes and of items on the command line."""

import json

import pytest
from PIL import Image


@pytest.fixture
def seeing(run, clip_folder, encoder, tmp_path):  # skips where there are no weights
    """Runs a command with an encoder of pictures, in a folder with some."""
    for name, colour in (
        ("red", (200, 30, 30)),
        ("shots/kettles/a", (20, 180, 60)),
        ("shots/kettles/b", (30, 40, 210)),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    env = {"NEARCLASS_IMAGE_ENCODER": f"local-dir:{clip_folder}"}
    return lambda *arguments, **more: run(*arguments, env=env, cwd=tmp_path, **more)


def test_a_class_is_added_with_a_picture_and_shown_with_it(seeing, tmp_path):
    assert seeing("classes", "add", "Kettles", "--image", "red.png").code == 0
    assert seeing("classes", "show", "kettles").row["images"] == [str(tmp_path / "red.png")]
    assert seeing("classes", "edit", "kettles", "--image", "").row.get("images") is None


def test_a_picture_that_is_not_there_is_an_error_with_its_reason(seeing):
    done = seeing("classes", "add", "Kettles", "--image", "gone.png")
    assert done.code == 1
    assert "missing_picture" in done.err
    assert "gone.png" in done.err
    assert seeing("classes", "list").rows == []


def test_a_class_file_brings_pictures_that_are_beside_it_and_exports_them(seeing, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "red.png").rename(tmp_path / "in" / "red.png")
    (tmp_path / "in" / "classes.jsonl").write_text(json.dumps({"name": "Kettles", "images": ["red.png"]}))
    assert seeing("classes", "import", "in/classes.jsonl").row["added"] == 1
    exported = seeing("classes", "export")
    assert exported.row["images"] == [str(tmp_path / "in" / "red.png")]
    (tmp_path / "again.jsonl").write_text(exported.out)
    (tmp_path / "in" / "red.png").unlink()
    assert seeing("classes", "import", "again.jsonl").row["unchanged"] == 1


def test_without_an_encoder_of_pictures_they_are_kept_and_that_is_said(run, tmp_path, seeing, encoder):
    done = run("classes", "add", "Kettles", "--image", "red.png", cwd=tmp_path)
    assert done.code == 0
    assert "NEARCLASS_IMAGE_ENCODER is not set" in done.err
    assert seeing("ingest", "shots").row["ok"] == 2
    assert seeing("assign", "--image", "red.png").row["evidence"][0]["class_id"] == "kettles"


def test_a_folder_of_pictures_is_ingested_listed_confirmed_and_learnt_from(seeing):
    seeing("classes", "add", "Kettles")
    seeing("classes", "add", "Toasters")
    counts = seeing("ingest", "shots", "red.png", "--labels-are-confirmed").row
    assert (counts["read"], counts["ok"], counts["pictures"]) == (3, 3, 3)
    found = {row["id"]: row for row in seeing("items", "list").rows}
    assert found["kettles/a.png"]["confirmed_class"] == "kettles"
    assert found["red.png"]["image"] == "red.png"
    outcome = seeing("learn", "--dry-run").row
    assert [one["labels"] for one in outcome["spaces"]] == [2]
    assert outcome["items"] == 3


def test_the_encoder_of_pictures_is_among_the_settings(seeing, clip_folder):
    rows = {row["name"]: row for row in seeing("config", "show").rows}
    assert rows["image_encoder"]["value"] == f"local-dir:{clip_folder}"
