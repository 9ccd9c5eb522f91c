"""nearclass learn: what it says, what it keeps, and the way back."""

import json

import pytest

TITLES = {
    "kettles": ("cordless jug 1.7 l", "steel jug with filter", "travel jug 0.5 l", "glass jug"),
    "toasters": ("two slices, wide slots", "four slices, steel", "slots for bagels", "slices and a crumb tray"),
    "laptops": ("14 inch notebook", "gaming notebook", "15.6 inch notebook", "light notebook 1 kg"),
    "printers": ("laser, duplex, A4", "ink jet, colour, A4", "A3 ink jet photo", "thermal labels, A6"),
    "boots": ("ankle high, lined", "waterproof, ankle high", "leather, ankle high", "rubber, ankle high"),
}


@pytest.fixture
def command(catalog, run, tmp_path):
    catalog.close()
    rows = [
        {"id": f"{class_id}-{number}", "title": title, "label": class_id}
        for class_id, titles in TITLES.items()
        for number, title in enumerate(titles)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "items.jsonl").write_text(
        "\n".join(json.dumps({"id": row["id"], "title": row["title"]}) for row in rows), encoding="utf-8"
    )

    def command(*arguments):
        return run("--uri", "shop.db", *arguments, cwd=tmp_path)

    assert command("ingest", "items.jsonl").code == 0
    return command


def test_learning_stores_a_version_and_names_the_way_back(command):
    done = command("learn", "--labels", "labels.jsonl", "-o", "table")
    assert done.code == 0, done.err
    assert "version 1 is in use; `nearclass learn --rollback 0` goes back" in done.err
    assert "next: nearclass items reassign" in done.err


def test_a_dry_run_prints_the_same_moves_and_stores_nothing(command):
    dry = json.loads(command("learn", "--labels", "labels.jsonl", "--dry-run", "-o", "json").out)
    assert dry["version"] is None
    assert command("learn", "--versions", "-o", "jsonl").out == ""
    done = json.loads(command("learn", "--labels", "labels.jsonl", "-o", "json").out)
    assert (done["version"], done["moves"]) == (1, dry["moves"])


def test_versions_are_listed_with_the_one_in_use(command):
    command("learn", "--labels", "labels.jsonl")
    command("learn", "--rollback", "0")
    rows = command("learn", "--versions", "-o", "jsonl").rows
    assert [(row["version"], row["active"], row["labels"]) for row in rows] == [(1, False, 20)]
    command("learn", "--rollback", "1")
    assert command("learn", "--versions", "-o", "jsonl").row["active"] is True


def test_a_version_that_does_not_exist_is_an_error_that_names_those_there_are(command):
    done = command("learn", "--rollback", "4")
    assert (done.code, "no version 4" in done.err, "Stored versions: none" in done.err) == (1, True, True)


@pytest.mark.parametrize(
    "arguments", [("--versions", "--rollback", "1"), ("--rollback", "1", "--dry-run"), ("--versions", "--labels", "x")]
)
def test_listing_and_going_back_are_asked_for_alone(command, arguments):
    assert command("learn", *arguments).code == 2


def test_a_label_that_names_no_class_is_rejected_and_the_others_are_learnt(command, tmp_path):
    lines = (tmp_path / "labels.jsonl").read_text(
        encoding="utf-8"
    ) + '\n{"id": "x", "title": "y", "label": "nowhere"}\n'
    (tmp_path / "labels.jsonl").write_text(lines, encoding="utf-8")
    done = command("learn", "--labels", "labels.jsonl", "-o", "json")
    assert done.code == 3
    assert json.loads(done.out)["labels"] == 20
    assert "unknown_label" in (tmp_path / "nearclass.rejects.jsonl").read_text(encoding="utf-8")


def test_an_empty_catalogue_has_nothing_to_learn_and_says_what_to_do(run, tmp_path):
    done = run("--uri", "empty.db", "learn", cwd=tmp_path)
    assert (done.code, "classes" in done.err) == (1, True)


def test_calibrating_leaves_out_what_was_learnt_from(command):
    command("learn", "--labels", "labels.jsonl")
    done = command("calibrate", "--labels", "labels.jsonl", "--precision", "0.9")
    assert done.code == 1
    assert "20" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--encoder", "made"), "--encoder needs labels"),
        (("--encoder", "made", "--labels", "labels.jsonl", "--dry-run"), "--encoder goes neither with --dry-run"),
        (("--encoder", "made", "--versions"), "--encoder goes neither with --dry-run nor with --versions"),
        (("--encoder", "made", "--rollback", "0"), "--encoder goes neither with --dry-run nor with --versions"),
    ],
)
def test_options_that_do_not_go_with_training_an_encoder_are_refused(run, tmp_path, arguments, said):
    done = run("learn", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "made").exists()


@pytest.fixture
def tiny_command(run, tmp_path, tiny_model):
    """Runs commands on a catalogue whose encoder is small and knows nothing, with 80 labels in a file."""
    env = {
        "NEARCLASS_TEXT_ENCODER": str(tiny_model),
        "NEARCLASS_DEVICE": "cpu",
        "NEARCLASS_THREADS": "1",
        "COLUMNS": "200",
    }
    names = list(TITLES)
    rows = [{"id": f"{n}-{i}", "title": f"{n[:3]} {i}", "label": n} for n in names for i in range(16)]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "classes.jsonl").write_text("\n".join(json.dumps({"id": n, "name": n}) for n in names), encoding="utf-8")  # fmt: skip

    def command(*arguments):
        return run("--uri", "tiny.db", *arguments, cwd=tmp_path, env=env)

    assert command("classes", "import", "classes.jsonl").code == 0
    return command


def test_an_encoder_that_is_not_better_is_not_kept(tiny_command, tmp_path):
    done = tiny_command("learn", "--encoder", "made", "--labels", "labels.jsonl", "-o", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["kept"], found["folder"], found["held_out"]) == (False, None, 20)
    assert "not kept: not better" in done.err
    assert not (tmp_path / "made").exists()


def test_an_encoder_that_is_kept_stands_beside_the_other_one(tiny_command, tmp_path, monkeypatch):
    monkeypatch.setattr("nearclass.tuning._CHANCE", 1.0)
    done = tiny_command("learn", "--encoder", "made", "--labels", "labels.jsonl", "-o", "table")
    assert "accuracy_after" in done.out
    made = str(tmp_path / "made")
    assert "next: nearclass evaluate --encoders " in done.err
    assert f",{made} --labels FILE" in done.err
    assert f"nearclass reembed plan --encoder {made}" in done.err
    compared = tiny_command("evaluate", "--encoders", "made", "--labels", "labels.jsonl", "-o", "table")
    assert "made (fine-tuned)" in compared.out
    assert "60 rows are not judged, for any encoder" in compared.err
    again = tiny_command("learn", "--encoder", "made", "--labels", "labels.jsonl")
    assert again.code == 2
    assert "is not an empty folder" in again.err


def test_too_few_labels_train_no_encoder(command, tmp_path):
    done = command("learn", "--encoder", "made", "--labels", "labels.jsonl")
    assert done.code == 2
    assert "20 labels of 5 classes: 5 can be held out" in done.err
    assert not (tmp_path / "made").exists()
