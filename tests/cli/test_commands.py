"""The contracts of the command: rows, formats and exit codes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

ROW_KEYS = {
    "id", "decision", "class_id", "path", "score", "confidence", "margin", "candidates", "evidence", "truncated",
    "space", "revision",
}  # fmt: skip
FIGURES = {
    "n", "n_oos", "classes", "accuracy", "top5", "macro_f1", "hierarchical_f1", "coverage", "precision", "ece",
    "oos_auroc", "seen", "unseen", "harmonic", "items_per_s",
}  # fmt: skip


def test_assign_gives_the_contracted_row_for_each_line_of_standard_input(run, stocked):
    done = run("assign", "--input", "-", "-k", 3, cwd=stocked, stdin="steel kettle 1.7 l\n\ngaming laptop\n")
    assert done.code == 0
    assert [set(row) for row in done.rows] == [ROW_KEYS, ROW_KEYS]
    first = done.row
    assert (first["decision"], first["path"][-1], first["confidence"]) == ("assigned", "Kettles", None)
    assert [set(candidate) for candidate in first["candidates"]] == [{"class_id", "path", "score", "confidence"}] * 3
    assert set(first["evidence"][0]) == {"class_id", "kind", "text", "similarity", "space"}


def test_assign_takes_texts_and_explains_itself(run, stocked):
    done = run("assign", "steel kettle", "used car", "--explain", "-o", "table", cwd=stocked)
    assert done.code == 0
    assert "uncalibrated" in done.out
    assert "matched name: Kettles" in done.out


def test_assign_rejects_bad_rows_and_answers_the_others(run, stocked, tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(
        '{"id": "a", "title": "kettle"}\n{"id": "b", "title": " "}\n{oops\n{"id": "c", "title": "laptop"}\n'
    )
    done = run("assign", "--input", path, "--rejects", tmp_path / "r.jsonl", cwd=stocked)
    assert done.code == 3
    assert [row["id"] for row in done.rows] == ["a", "c"]
    codes = [json.loads(line)["code"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert codes == ["no_content", "bad_json"]


def test_search_finds_items_by_what_they_are(run, stocked):
    done = run("search", "something to boil water", "-k", 3, cwd=stocked)
    assert done.code == 0
    assert len(done.rows) == 3
    assert done.rows[0]["similarity"] >= done.rows[2]["similarity"]


def test_evaluate_prints_the_contracted_figures(run, stocked):
    done = run("evaluate", "--labels", "items.jsonl", "--report", "e.html", "-o", "json", cwd=stocked)
    assert done.code == 0
    figures = json.loads(done.out)
    assert set(figures) >= FIGURES
    assert figures["n"] == 40
    assert figures["ece"] is None
    assert 0 < figures["accuracy"] <= figures["top5"] <= 1
    assert "<html" in (stocked / "e.html").read_text(encoding="utf-8")


def test_evaluate_compares_encoders_and_leaves_the_catalogue_as_it_is(run, stocked, tmp_path):
    before = run("config", "show", cwd=stocked).out, run("items", "list", cwd=stocked).out
    nowhere = str(tmp_path / "nowhere")
    done = run("evaluate", "--labels", "items.jsonl", "--encoders", f"{nowhere}, minilm", "-o", "json", cwd=stocked)
    assert done.code == 0
    rows = json.loads(done.out)
    assert [(row["encoder"], row["variant"]) for row in rows] == [
        (nowhere, ""),
        ("minilm", "zero-shot"),
        ("minilm", "adapted"),
        ("minilm", "5 labels a class"),
        ("minilm", "adapted, 5 labels a class"),
    ]
    assert "neither a preset" in rows[0]["error"]
    assert {"accuracy", "top5", "macro_f1", "dim", "size_mb", "texts_per_s", "languages"} <= set(rows[1])
    assert rows[1]["n"] == rows[2]["n"] <= 40
    assert before == (run("config", "show", cwd=stocked).out, run("items", "list", cwd=stocked).out)


def test_evaluate_says_where_no_encoder_could_be_used(run, stocked, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    done = run("evaluate", "--labels", "items.jsonl", "--encoders", nowhere, "-o", "csv", cwd=stocked)
    assert done.code == 1
    assert "neither a preset" in next(csv.DictReader(io.StringIO(done.out)))["error"]
    assert "none of the encoders could be used" in done.err


@pytest.mark.parametrize("more", [("--report", "e.html"), ("--space", "given")])
def test_evaluate_does_not_mix_a_comparison_with_something_else(run, stocked, more):
    done = run("evaluate", "--labels", "items.jsonl", "--encoders", "minilm", *more, cwd=stocked)
    assert done.code == 2
    assert not (stocked / "e.html").exists()
    assert run("evaluate", "--labels", "items.jsonl", "--encoders", " ,", cwd=stocked).code == 2


def test_a_class_is_added_shown_edited_retired_and_restored(run, stocked):
    added = run("classes", "add", "E-readers", "--parent", "Computers", "-d", "To read e-books on.", cwd=stocked)
    assert added.code == 0
    class_id = added.row["id"]
    assert added.row["moved"]["items"] == 40
    assert run("assign", "e-book reader", cwd=stocked).row["class_id"] == class_id
    edited = run("classes", "edit", class_id, "--synonym", "book reader", cwd=stocked)
    assert edited.row["synonyms"] == ["book reader"]
    assert run("classes", "retire", class_id, cwd=stocked).row["state"] == "retired"
    assert run("assign", "e-book reader", cwd=stocked).row["class_id"] != class_id
    assert class_id not in {row["id"] for row in run("classes", "list", cwd=stocked).rows}
    assert run("classes", "restore", class_id, cwd=stocked).row["state"] == "active"
    shown = run("classes", "show", "E-readers", cwd=stocked).row
    assert shown["path"] == ["Electronics", "Computers", "E-readers"]


def test_exported_classes_can_be_imported_elsewhere(run, stocked, tmp_path):
    (tmp_path / "classes.jsonl").write_text(run("classes", "export", cwd=stocked).out, encoding="utf-8")
    again = run("classes", "import", "classes.jsonl", cwd=tmp_path)
    assert (again.code, again.row["rejected"]) == (0, 0)
    assert run("classes", "export", cwd=tmp_path).out == (tmp_path / "classes.jsonl").read_text(encoding="utf-8")


def test_items_are_listed_shown_confirmed_exported_and_deleted(run, stocked):
    rows = run("items", "list", "--limit", 5, cwd=stocked)
    assert len(rows.rows) == 5
    assert "5 of" in rows.err
    item_id = rows.row["id"]
    assert run("items", "confirm", item_id, "--class", "Kettles", cwd=stocked).code == 0
    assert run("items", "show", item_id, cwd=stocked).row["confirmed_class"].endswith("kettles")
    assert run("items", "unconfirm", item_id, cwd=stocked).code == 0
    exported = run("items", "export", "-o", "csv", cwd=stocked)
    assert len(list(csv.DictReader(io.StringIO(exported.out)))) == 40
    assert "deleted: 1 of 1" in run("items", "delete", item_id, cwd=stocked).err
    assert run("items", "show", item_id, cwd=stocked).code == 1


def test_a_spreadsheet_does_not_run_what_a_seller_wrote(run, stocked):
    run("ingest", "-", cwd=stocked, stdin='{"id": "evil", "title": "=HYPERLINK(\\"http://x\\")"}\n')
    exported = run("items", "export", "-o", "csv", "--where", "id=evil", cwd=stocked)
    assert "'=HYPERLINK" in exported.out


def test_ingest_counts_rejects_and_says_so_with_its_exit_code(run, stocked, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id":"x","title":"ok"}\n{"id":"","title":"no id"}\n{"id":"y"}\n')
    done = run("ingest", path, "--rejects", tmp_path / "r.jsonl", cwd=stocked)
    assert done.code == 3
    assert (done.row["read"], done.row["ok"], done.row["rejected"]) == (3, 1, 2)
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 2


def test_usage_errors_exit_2(run, tmp_path):
    assert run("assign", "--nonsense", cwd=tmp_path).code == 2
    assert run("assign", cwd=tmp_path).code == 2
    assert run("frobnicate", cwd=tmp_path).code == 2
    misspelt = run("config", "show", cwd=tmp_path, env={"NEARCLASS_UIR": "x"})
    assert misspelt.code == 2
    assert "NEARCLASS_URI" in misspelt.err


def test_the_exit_code_of_a_process_is_that_of_the_command(run_process, stocked):
    assert run_process("frobnicate", cwd=stocked).code == 2
    missing = run_process("ingest", "nowhere.csv", cwd=stocked)
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith("error: ")
    # What embeds, as a process of its own, is tested with a catalogue that two processes share.
    done = run_process("classes", "list", cwd=stocked)
    assert (done.code, done.err, len(done.rows)) == (0, "", 64)


@pytest.fixture
def interruptible():
    """Commands hear SIGINT, also where the tests themselves are run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_a_command_with_130_and_without_a_traceback(stocked):
    command = [sys.executable, "-m", "nearclass", "ingest", "-"]
    with subprocess.Popen(
        command, cwd=stocked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # More than a pipe holds: it returns when this is read.
        process.stdin.write('{"id": "1", "title": "' + 200_000 * "a")
        process.stdin.flush()
        time.sleep(0.5)  # until it waits for the rest of the line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted" in err
    assert "Traceback" not in err


def test_a_reader_of_a_pipe_that_has_enough_is_told_nothing(stocked):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "nearclass", "classes", "list"]
        done = subprocess.run(command, cwd=stocked, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""


def test_a_mismatching_encoder_exits_4(run, stocked):
    done = run("classes", "list", cwd=stocked, env={"NEARCLASS_CLASS_PROMPT": "category: "})
    assert done.code == 4
    assert "class_prompt" in done.err


def test_a_store_that_is_not_there_exits_5(run_process, tmp_path):
    done = run_process("--uri", "http://127.0.0.1:1", "classes", "list", cwd=tmp_path)
    assert done.code == 5
    assert "127.0.0.1:1" in done.err


def test_a_database_held_by_another_process_exits_5_and_names_it(run, stocked):
    hold = "import sys; from nearclass.store import Store; Store.open(sys.argv[1]); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(stocked / "nearclass.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    done = run("classes", "list", cwd=stocked)
    holder.communicate(b"\n")
    assert done.code == 5
    assert str(holder.pid) in done.err
    assert run("classes", "list", cwd=stocked).code == 0


def test_a_missing_file_exits_1_and_is_named(run, stocked):
    done = run("ingest", "nowhere.csv", cwd=stocked)
    assert done.code == 1
    assert "nowhere.csv" in done.err


def test_assigning_without_classes_exits_1_and_says_how_to_add_one(run, tmp_path):
    done = run("assign", "kettle", cwd=tmp_path)
    assert done.code == 1
    assert "classes add" in done.err


def test_config_show_masks_secrets_and_names_origins(run, tmp_path):
    (tmp_path / "nearclass.toml").write_text('catalog = "shop"\n')
    done = run("--uri", "x.db", "config", "show", cwd=tmp_path, env={"NEARCLASS_TOKEN": "s3cret"})
    rows = {row["name"]: row for row in done.rows}
    assert rows["token"]["value"] == "**********"
    assert "s3cret" not in done.out + done.err
    assert rows["catalog"]["origin"].startswith("file")
    assert rows["uri"]["origin"] == "flag"
    assert rows["device"]["origin"] == "default"


@pytest.mark.parametrize("kind", ["google", "shopify"])
def test_published_taxonomies_are_imported_as_they_are(run, tmp_path, kind):
    google = "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n3237 - Animals > Live Animals\n2 - Garden\n"
    shopify = "# Shopify Product Taxonomy - Categories: 2024-07\n" + "".join(
        f"gid://shopify/TaxonomyCategory/{one}\n" for one in ("ap   : Animals", "ap-1 : Animals > Live Animals")
    )
    (tmp_path / "taxonomy.txt").write_text(google if kind == "google" else shopify)
    done = run("classes", "import", "taxonomy.txt", cwd=tmp_path)
    assert (done.code, done.row["rejected"]) == (0, 0)
    ids = {row["id"] for row in run("classes", "list", cwd=tmp_path).rows}
    assert {"3237", "2"} <= ids if kind == "google" else {"ap", "ap-1"} <= ids


@pytest.mark.parametrize(
    "arguments", [["--help"], ["classes", "import", "--help"], ["ingest", "--help"], ["--version"]]
)
def test_help_needs_neither_torch_nor_milvus(arguments):
    code = (
        "import sys\nfrom nearclass.cli.app import run\n"
        "try:\n    run(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pymilvus', 'milvus_lite', 'sentence_transformers', 'numpy', 'pyarrow', 'pydantic'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
