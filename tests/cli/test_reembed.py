"""nearclass reembed: what it says at each step, and where it leads next."""

import json

import pytest


@pytest.fixture
def command(stocked, run):
    def command(*arguments, env=None):
        return run(*arguments, cwd=stocked, env=env)

    return command


def test_a_catalogue_is_taken_to_another_encoder_and_back(command, tiny_model):
    plan = command("reembed", "plan", "--encoder", tiny_model)
    assert plan.code == 0, plan.err
    assert (plan.row["items"], plan.row["classes"], plan.row["new_dim"]) == (40, 44, 32)
    assert "next: nearclass reembed run --encoder" in plan.err
    assert command("reembed", "swap").code == 2
    done = command("reembed", "run", "--encoder", tiny_model, "--labels", "items.jsonl", "-o", "json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["items"], report["accuracy"]["n"]) == (40, 40)
    assert report["accuracy"]["old"] > report["accuracy"]["new"]
    assert sum(one["items"] for one in report["agreement"]["branches"]) == 40
    assert "next: nearclass reembed swap" in done.err
    assert command("reembed", "status").row["step"] == "filled"
    swapped = command("reembed", "swap")
    assert (swapped.row["step"], swapped.row["serving"]) == ("swapped", report["new"])
    assert command("assign", "a monitor").row["space"] == report["new"]
    refused = command("assign", "a monitor", env={"NEARCLASS_TEXT_ENCODER": "minilm"})
    assert refused.code == 4
    assert "move to the other: nearclass reembed plan --encoder minilm" in refused.err
    back = command("reembed", "rollback", env={"NEARCLASS_TEXT_ENCODER": "minilm"})
    assert (back.code, back.row["serving"]) == (0, report["old"])
    assert command("assign", "a monitor").row["space"] == report["old"]
    assert command("reembed", "rollback").row["step"] == "none"


def test_tables_for_people_and_the_old_space_freed_at_once(command, tiny_model):
    done = command("reembed", "run", "--encoder", tiny_model, "--labels", "items.jsonl", "-o", "table")
    assert done.code == 0, done.err
    for words in ("Same answer, by branch", "Items with another answer", "calibrated", "mended"):
        assert words in done.out
    swapped = command("reembed", "swap", "--drop-old")
    assert (swapped.row["step"], swapped.row["other"]) == ("none", "")
    assert command("reembed", "drop").code == 2


def test_what_cannot_be_done_says_what_can(command):
    assert "has no space of pictures yet" in command("reembed", "plan", "--encoder", "clip-b32").err
    assert "Begin one: nearclass reembed run --encoder NAME" in command("reembed", "run").err
    assert command("reembed", "run", "--encoder", "minilm", "--space", "rgb").code == 2
    assert command("reembed", "run", "--encoder", "minilm").code == 2


def test_a_catalogue_is_taken_to_another_database_and_embedded_anew_there(command, tiny_model):
    done = command("reembed", "run", "--to", "far/other.db", "--encoder", tiny_model)
    assert done.code == 0, done.err
    moved, report = done.rows
    assert moved["rows"][f"items of {report['old']}"] == report["items"] == 40
    assert "next: nearclass --uri far/other.db reembed swap" in done.err
    assert command("--uri", "far/other.db", "reembed", "swap").row["serving"] == report["new"]
    assert command("--uri", "far/other.db", "assign", "a monitor").row["space"] == report["new"]
    assert command("assign", "a monitor").row["space"] == report["old"]
    assert command("reembed", "status").row["step"] == "none"
    assert command("reembed", "run", "--to-catalog", "second").code == 2
