"""nearclass items: the review list, confirmations from files, exports that come back as the same items."""

import csv
import io
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import rich_click as click

from nearclass.cli.exporting import write_parquet

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1", "＠1"]


@pytest.fixture
def command(stocked, run):
    return lambda *arguments, **options: run(*arguments, cwd=stocked, **options)


def test_the_list_for_review_begins_with_the_most_doubtful(command):
    rows = command("items", "list", "--sort", "margin", "--limit", "5").rows
    margins = [row["margin"] for row in command("items", "list", "--limit", "100").rows]
    assert [row["margin"] for row in rows] == sorted(margins)[:5]
    last = command("items", "list", "--sort", "margin", "--reverse", "--limit", "1").row
    assert last["margin"] == max(margins)
    shown = command("items", "list", "--decision", "novel", "--sort", "score").rows
    assert {row["decision"] for row in shown} == {"novel"}
    assert [row["score"] for row in shown] == sorted(row["score"] for row in shown)


def test_each_item_comes_with_the_classes_it_may_be(command):
    row = command("items", "list", "--limit", "1").row
    assert [one["score"] for one in row["candidates"]] == sorted(
        (one["score"] for one in row["candidates"]), reverse=True
    )
    assert len(row["candidates"]) == 3
    assert row["candidates"][0]["score"] == pytest.approx(row["score"], abs=1e-5)
    table = command("items", "list", "--limit", "1", "-k", "1", "-o", "table").out
    assert row["candidates"][0]["path"][-1].split()[0] in table
    assert command("items", "list", "--limit", "1", "-k", "0").row["candidates"] == []
    assert command("items", "list", "--reverse").code == 2


def test_candidates_are_those_of_now_and_write_nothing(command):
    title = command("items", "show", "sku-1001").row["title"]
    assert command("classes", "add", "Calibrated displays", "-d", title).code == 0
    before = command("items", "show", "sku-1001").row
    listed = command("items", "list", "--where", "id=sku-1001").row
    assert listed["candidates"][0]["path"] == ["Calibrated displays"]
    assert command("items", "show", "sku-1001").row == before


def test_a_file_confirms_each_item_as_its_label(command, stocked):
    rows = [
        ("sku-1001", "Monitors"), ("sku-1003", "electronics/computers/tablets"), ("sku-1005", ""),
        ("sku-1007", "No such class"), ("nothere", "Monitors"), ("", "Monitors"),
    ]  # fmt: skip
    text = "id,label\n" + "".join(f"{item},{label}\n" for item, label in rows)
    (stocked / "decided.csv").write_text(text)
    done = command("items", "confirm", "--input", "decided.csv")
    assert done.code == 3, done.err
    assert "confirmed: 2 items" in done.err
    assert command("items", "show", "sku-1001").row["confirmed_class"] == "electronics/computers/monitors"
    assert command("items", "show", "sku-1003").row["confirmed_class"] == "electronics/computers/tablets"
    assert command("items", "show", "sku-1005").row["confirmed_class"] is None
    rejects = [json.loads(line) for line in (stocked / "nearclass.rejects.jsonl").read_text().splitlines()]
    assert sorted(row["code"] for row in rejects) == ["missing_id", "unknown_item", "unknown_label"]
    back = command("items", "unconfirm", "--input", "-", stdin="sku-1001\nsku-1003\n")
    assert (back.code, "no longer confirmed: 2 items" in back.err) == (0, True)
    assert command("items", "show", "sku-1001").row["confirmed_class"] is None


def test_ids_of_standard_input_are_confirmed_as_one_class(command):
    done = command("items", "confirm", "--class", "Monitors", "--input", "-", stdin="sku-1001\nsku-1003\n")
    assert (done.code, "confirmed: 2 items" in done.err) == (0, True)
    where = command("items", "list", "--where", "confirmed=electronics/computers/monitors").rows
    assert {row["id"] for row in where} == {"sku-1001", "sku-1003"}


@pytest.mark.parametrize(
    "arguments",
    [("confirm",), ("confirm", "sku-1001"), ("confirm", "sku-1001", "--class", "x", "--input", "-"), ("unconfirm",)],
    ids=["nothing", "no class", "both", "nothing to take back"],
)
def test_what_does_not_go_together_is_usage(command, arguments):
    assert command("items", *arguments).code == 2


@pytest.mark.parametrize("output", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_an_export_comes_back_as_the_same_items(command, stocked, output):
    assert command("items", "confirm", "sku-1001", "--class", "Monitors").code == 0
    export = ("items", "export", "-o", output, "--raw")
    if output == "parquet":
        (stocked / "out.parquet").write_bytes(_bytes(export, stocked))
        assert pq.read_table(stocked / "out.parquet")["nearclass_confirmed"].to_pylist().count(None) == 39
    else:
        (stocked / f"out.{output}").write_text(command(*export).out, encoding="utf-8", newline="")
    again = command("ingest", f"out.{output}").row
    assert (again["read"], again["unchanged"], again["rejected"]) == (40, 40, 0)


def test_an_export_brings_confirmations_into_another_catalogue(command, stocked):
    assert command("items", "confirm", "sku-1001", "--class", "Monitors").code == 0
    (stocked / "out.jsonl").write_text(command("items", "export", "--where", "id=sku-1001").out, encoding="utf-8")
    assert (
        command("--catalog", "other", "classes", "add", "Monitors", "--id", "electronics/computers/monitors").code == 0
    )
    mapped = ("ingest", "out.jsonl", "--map", "label=nearclass_confirmed", "--labels-are-confirmed")
    assert command("--catalog", "other", *mapped).row["ok"] == 1
    shown = command("--catalog", "other", "items", "show", "sku-1001").row
    assert shown["confirmed_class"] == "electronics/computers/monitors"
    assert shown["attributes"] == command("items", "show", "sku-1001").row["attributes"]


def _bytes(arguments, folder):
    """Standard output of the command, as bytes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEARCLASS_")}
    line = [sys.executable, "-m", "nearclass", *arguments]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, check=True).stdout


def test_no_cell_of_an_export_is_a_formula_unless_raw(command, stocked):
    rows = [{"id": f"f{n}", "title": f"kettle {n}", "@note": text, "nested": [text]} for n, text in enumerate(FORMULAS)]
    rows.append({"id": "=id", "title": "=HYPERLINK(1)", "n": -5})
    (stocked / "evil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert command("ingest", "evil.jsonl").row["ok"] == len(rows)
    for output, delimiter in (("csv", ","), ("tsv", "\t")):
        safe = command("items", "export", "-o", output).out
        table = list(csv.reader(io.StringIO(safe, newline=""), delimiter=delimiter))
        begun = [cell for line in table for cell in line if cell.startswith(tuple(one[0] for one in FORMULAS))]
        assert begun == ["-5"]  # a number is none
        assert "'@note" in table[0]
        raw = command("items", "export", "-o", output, "--raw").out
        cells = {cell for line in csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter) for cell in line}
        assert {"=1+1", "@SUM(A1)", "=id", "@note"} <= cells


def test_given_vectors_are_exported_where_they_are_the_content(command, stocked):
    classes = [{"id": "a", "name": "A", "vector": [1, 0, 0]}, {"id": "b", "name": "B", "vector": [0, 1, 0]}]
    (stocked / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in classes))
    (stocked / "v.jsonl").write_text(json.dumps({"id": "v", "vector": [0.6, 0.8, 0]}) + "\n")
    given = ("--space", "resnet")
    assert command("--catalog", "v", "classes", "import", "c.jsonl", *given).code == 0
    assert command("--catalog", "v", "ingest", "v.jsonl", *given).row["ok"] == 1
    (stocked / "out.csv").write_text(command("--catalog", "v", "items", "export", *given, "-o", "csv").out)
    assert command("--catalog", "v", "ingest", "out.csv", *given).row["unchanged"] == 1


def test_classes_come_back_from_csv_with_every_list(command, stocked):
    texts = ["-d", "one, two", "-d", "three | four", "--synonym", "=SUM(1)"]
    assert command("classes", "add", "Odd", *texts).code == 0
    assert "'=SUM(1)" in command("classes", "export", "-o", "csv").out
    for output in ("csv", "tsv"):
        (stocked / f"c.{output}").write_text(command("classes", "export", "-o", output, "--raw").out, newline="")
        done = command("classes", "import", f"c.{output}").row
        assert (done["changed"], done["added"], done["unchanged"]) == (0, 0, 65)


def test_parquet_is_not_written_to_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(click.UsageError, match="no text for a terminal"):
        write_parquet([{"id": "1"}], {"id": frozenset()})
