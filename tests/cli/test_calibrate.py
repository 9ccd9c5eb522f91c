"""nearclass calibrate: confidences and thresholds that hold for every answer from then on."""

import json

import pytest

from nearclass import ClassSpec
from nearclass.cli.app import run as run_here
from nearclass.ingest.labelled import Labelled
from nearclass.schemas.records import Item
from nearclass.schemas.text import item_text
from nearclass.store.calibration import read_calibration

WORDS = {
    "kettles": ("kettle", "water boiler", "tea kettle", "kettle for tea"),
    "toasters": ("toaster", "bread toaster", "toaster for two slices", "retro toaster"),
    "laptops": ("laptop", "notebook computer", "portable laptop", "gaming laptop"),
    "boots": ("boots", "winter boots", "ankle boots", "hiking boots"),
    "hoses": ("hose", "garden hose", "hose to water plants", "long hose"),
}
KINDS = ("red", "blue", "small", "large", "cheap", "new", "light", "steel", "black", "white", "strong", "modern")


def labelled():
    """240 items whose class is plain, and a few that are labelled wrongly."""
    rows = [
        Labelled(Item(f"{class_id}-{word}-{kind}", title=f"{kind} {word}"), frozenset({class_id}))
        for class_id, words in WORDS.items()
        for word in words
        for kind in KINDS
    ]
    return [*rows, *(Labelled(Item(f"odd-{kind}", title=f"{kind} kettle"), frozenset({"boots"})) for kind in KINDS[:3])]


def write(path, rows):
    lines = [json.dumps({"id": row.item.id, "title": row.item.title, "label": min(row.truth)}) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def labels(tmp_path):
    write(tmp_path / "labels.jsonl", labelled())
    return "labels.jsonl"


@pytest.fixture
def command(catalog, run, tmp_path):
    catalog.close()
    return lambda *arguments: run("--uri", "shop.db", *arguments, cwd=tmp_path)


def test_answers_have_a_confidence_after_calibrating_and_none_before(command, labels):
    before = command("assign", "a blue kettle", "-o", "jsonl").row
    assert before["confidence"] is None
    done = command("calibrate", "--labels", labels, "--precision", "0.9", "-o", "json")
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["n"], row["target"], row["confidence_level"], row["pooled"]) == (243, 0.9, 0.9, True)
    assert row["precision"] >= 0.9
    assert 0 <= row["coverage_low"] <= row["coverage"] <= row["coverage_high"] <= 1
    assert row["thresholds"][-1]["threshold"] > 0
    after = command("assign", "a blue kettle", "--explain", "-o", "jsonl").row
    assert (after["decision"], after["class_id"]) == ("assigned", "kettles")
    assert 0.5 < after["confidence"] <= 1
    assert sum(one["confidence"] for one in after["candidates"]) <= 1
    assert "calibrated on 243 labels for a precision of 0.9" in after["rule"]


def test_the_table_says_what_to_expect(command, labels):
    done = command("calibrate", "--labels", labels, "--precision", "0.9", "-o", "table")
    assert "Thresholds by branch" in done.out
    assert "of the items will be assigned" in done.err
    assert "one threshold for all" in done.err


def test_too_few_labels_are_refused_and_nothing_changes(command, labels, tmp_path):
    write(tmp_path / "few.jsonl", labelled()[::12])
    done = command("calibrate", "--labels", "few.jsonl", "--precision", "0.9")
    assert done.code == 1
    assert "21 labelled rows are too few" in done.err
    assert "give at least" in done.err
    assert command("assign", "a blue kettle", "-o", "jsonl").row["confidence"] is None


def test_a_precision_that_is_no_share_is_a_usage_error(command, labels):
    assert command("calibrate", "--labels", labels, "--precision", "95").code == 2


def test_bad_rows_are_rejected_and_the_others_used(command, labels, tmp_path):
    with (tmp_path / labels).open("a", encoding="utf-8") as file:
        file.write('\n{"id": "x", "title": "thing", "label": "no such class"}\n')
    done = command("calibrate", "--labels", labels, "--precision", "0.9", "-o", "json")
    assert (done.code, json.loads(done.out)["rejected"]) == (3, 1)


def test_texts_that_were_learnt_from_are_left_out(catalog):
    rows = labelled()
    learnt = {item_text(row.item) for row in rows if row.item.id.startswith("hoses")}
    report = catalog.calibrate(rows, precision=0.8, exclude=learnt)
    assert (report.n, report.excluded) == (195, 48)


def test_a_calibration_is_kept_for_its_learner_only_and_survives_a_change_of_the_classes(catalog, open_catalog):
    report = catalog.calibrate(labelled(), precision=0.8)
    name = catalog.encoder.space.name
    assert read_calibration(catalog._state, name, 0) == report.calibration
    assert read_calibration(catalog._state, name, 1) is None
    catalog.import_classes([ClassSpec("lamps", "Lamps", "home")])
    (answer,) = catalog.assign("a blue kettle")
    assert answer.confidence is not None
    catalog.close()
    with open_catalog() as again:
        assert again.assign("a blue kettle")[0].confidence is not None


def test_help_says_what_calibrating_promises(capsys):
    run_here(["calibrate", "--help"])
    assert "90 % confidence" in " ".join(capsys.readouterr().out.split())
