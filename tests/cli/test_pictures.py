"""Pictures on the command line: assigned, searched, evaluated; hostile ones come out as rejects."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

ROW_KEYS = {
    "id", "decision", "class_id", "path", "score", "confidence", "margin", "candidates", "evidence", "truncated",
    "space", "revision",
}  # fmt: skip
HOSTILE = Path(__file__).parents[1] / "pictures" / "hostile.py"
CLASSES = ("Kettles", "Toasters", "Running shoes", "Garden hoses")
COLOURS = {"red": (200, 30, 30), "green": (20, 180, 60), "blue": (30, 40, 210)}


@pytest.fixture(scope="session")
def seeing(run, clip_folder, encoder):  # skips where there are no weights
    """Runs a command with an encoder of pictures."""
    return lambda *arguments, **more: run(
        *arguments, env={"NEARCLASS_IMAGE_ENCODER": f"local-dir:{clip_folder}"}, **more
    )


@pytest.fixture(scope="module")
def _folder(seeing, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "folder"
    folder.mkdir()
    lines = [json.dumps({"id": one.lower().replace(" ", "-"), "name": one}) for one in CLASSES]
    (folder / "classes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    assert seeing("classes", "import", "classes.jsonl", cwd=folder).code == 0
    return folder


@pytest.fixture
def folder(_folder, tmp_path):
    """A folder with a database of four classes and three pictures, to be changed at will."""
    return shutil.copytree(_folder, tmp_path / "folder")


def test_pictures_are_assigned_one_by_one_or_one_with_a_text(seeing, folder):
    two = seeing("assign", "--image", "red.png", "--image", "blue.png", cwd=folder)
    assert [(one["id"], set(one)) for one in two.rows] == [("1", ROW_KEYS), ("2", ROW_KEYS)]
    one = seeing("assign", "steel kettle", "--image", "red.png", cwd=folder)
    assert "+" in one.row["space"]
    assert {piece["space"] for piece in one.row["evidence"]} == set(one.row["space"].split("+"))


def test_which_texts_and_pictures_belong_together_is_not_guessed(seeing, folder):
    for given in (("a", "b", "--image", "red.png"), ("a", "--image", "red.png", "--image", "blue.png"), ()):
        assert seeing("assign", *given, cwd=folder).code == 2


def test_an_explanation_says_what_matched_in_which_space(seeing, folder):
    done = seeing("assign", "steel kettle", "--image", "red.png", "--explain", "-o", "table", cwd=folder)
    assert "% text (" in done.out
    assert "% picture (" in done.out
    assert "matched name: " in done.out
    assert "(clip_" in done.out


def test_a_picture_that_is_not_there_is_a_reject(seeing, folder):
    done = seeing("assign", "--image", "gone.png", "--image", "red.png", cwd=folder)
    assert (done.code, [row["id"] for row in done.rows]) == (3, ["2"])
    reject = json.loads((folder / "nearclass.rejects.jsonl").read_text())
    assert reject["code"] == "missing_picture"


def test_hostile_pictures_are_rejected_for_their_reasons_and_the_rest_is_answered(seeing, folder):
    spec = importlib.util.spec_from_file_location("hostile", HOSTILE)
    hostile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hostile)
    (folder / "in").mkdir()
    expected = hostile.make(folder / "in")
    refused = {name for name, code in expected.items() if code}
    assert len(refused) >= 60
    rows = [json.dumps({"id": str(at), "text": "a kettle", "image": name}) for at, name in enumerate(expected)]
    (folder / "in" / "items.jsonl").write_text("\n".join(rows), encoding="utf-8")
    limits = f"picture_max_mb = {hostile.LIMIT_BYTES / 1e6}\npicture_roots = [{json.dumps(str(folder / 'in'))}]\n"
    (folder / "nearclass.toml").write_text(limits, encoding="utf-8")
    done = seeing("assign", "--input", "in/items.jsonl", cwd=folder)
    assert done.code == 3
    rejects = [json.loads(line) for line in (folder / "nearclass.rejects.jsonl").read_text().splitlines()]
    assert len(done.rows) + len(rejects) == len(expected)
    names = list(expected)
    found = {names[int(one["row"]["id"])]: one["code"] for one in rejects if isinstance(one["row"], dict)}
    # A row cannot hold these as they are: an absent picture, a control character, half of a character.
    unwritable = {name for name in expected if not name.strip() or "\0" in name or not name.isprintable()}
    wanted = {name: code for name, code in expected.items() if code and name not in unwritable}
    assert len(wanted) >= 55
    assert {name: found.get(name) for name in wanted} == wanted


def test_search_takes_words_or_a_picture(seeing, folder):
    rows = [{"id": name, "title": f"{name} thing", "image": f"{name}.png"} for name in COLOURS]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert seeing("ingest", "items.jsonl", cwd=folder).row["ok"] == 3
    assert [row["id"] for row in seeing("search", "--image", "blue.png", "-k", "1", cwd=folder).rows] == ["blue"]
    words = seeing("search", "green thing", cwd=folder).rows
    assert sorted(row["id"] for row in words) == sorted(COLOURS)
    assert words[0]["id"] == "green"
    assert seeing("search", cwd=folder).code == 2


def test_labelled_pictures_are_evaluated_from_a_file_and_from_folders_of_classes(seeing, folder):
    rows = [{"id": name, "image": f"{name}.png", "label": "kettles"} for name in (*COLOURS, "gone")]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = seeing("evaluate", "--labels", "labels.jsonl", "--report", "report.html", cwd=folder)
    assert (done.code, done.row["n"], done.row["rejected"]) == (3, 3, 1)
    for class_id in ("kettles", "toasters"):
        place = folder / "sorted" / class_id
        place.mkdir(parents=True)
        Image.new("RGB", (40, 30), COLOURS["red"]).save(place / "one.jpg")
    done = seeing("evaluate", "--labels", "sorted", cwd=folder)
    assert (done.code, done.row["n"]) == (0, 2)
    assert done.row["accuracy"] == 0.5


def test_without_an_encoder_of_pictures_the_reject_names_the_setting(run, seeing, folder):
    lines = [json.dumps({"id": "k", "name": "Kettles"})]
    (folder / "blind").mkdir()
    (folder / "blind" / "classes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert run("classes", "import", "classes.jsonl", cwd=folder / "blind").code == 0
    done = run("assign", "--image", "../red.png", cwd=folder / "blind")
    assert done.code == 3
    reject = json.loads((folder / "blind" / "nearclass.rejects.jsonl").read_text())
    assert reject["code"] == "no_image_encoder"
    assert "NEARCLASS_IMAGE_ENCODER" in reject["message"]
