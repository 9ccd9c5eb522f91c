"""Runs over files: the sums, the rejects, the mapping, and taking up where a run was cut off."""

import json

import pytest

from nearclass.errors import NearclassError
from nearclass.ingest import intake
from nearclass.ingest import run as run_module

TITLES = [
    "steel kettle",
    "gaming laptop",
    "leather boots",
    "garden hose 20 m",
    "trail running shoes",
    "bread toaster",
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def many(count):
    return [{"id": f"i{n}", "title": f"{TITLES[n % len(TITLES)]} {n}"} for n in range(count)]


def test_ok_unchanged_and_rejected_sum_to_the_rows_read(catalog, tmp_path):
    catalog.ingest([write_jsonl(tmp_path / "a.jsonl", many(3))])
    path = tmp_path / "b.jsonl"
    rows = [
        *map(json.dumps, many(5)),
        "{broken",
        json.dumps({"id": "", "title": "no id"}),
        json.dumps({"id": "y"}),
    ]
    path.write_text("\n".join([*rows, json.dumps({"id": "i4", "title": "newer"})]))
    counts = catalog.ingest([str(path)], rejects=tmp_path / "r.jsonl")
    assert counts.read == 9
    assert counts.ok + counts.unchanged + counts.rejected == counts.read
    assert (counts.unchanged, counts.rejected, counts.duplicates) == (3, 3, 1)
    rejects = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [one["code"] for one in rejects] == ["bad_json", "missing_id", "no_content"]
    assert [one["line"] for one in rejects] == [6, 7, 8]
    assert rejects[2]["row"] == {"id": "y"}


def test_columns_are_mapped_by_flag_and_remembered_for_the_source(catalog, tmp_path):
    path = tmp_path / "feed.csv"
    path.write_text("code,product,colour\n1,steel kettle,red\n")
    catalog.ingest([str(path)], flags=["id=code", "title=product"])
    path.write_text("code,product,colour\n1,steel kettle,blue\n2,leather boots,brown\n")
    counts = catalog.ingest([str(path)])
    assert counts.ok == 2
    assert catalog.items().get("2").attributes == {"colour": "brown"}


def test_labels_are_kept_and_count_as_confirmed_only_when_said(catalog, tmp_path):
    rows = [
        {"id": "1", "title": "steel kettle", "label": "boots"},
        {"id": "2", "title": "x y", "label": "nowhere"},
    ]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    catalog.ingest([path])
    assert catalog.items().get("1").attributes == {"label": "boots"}
    assert catalog.items().get("1").confirmed_class is None
    counts = catalog.ingest([path], labels_are_confirmed=True, rejects=tmp_path / "r.jsonl")
    assert catalog.items().get("1").confirmed_class == "boots"
    assert counts.rejected == 1
    assert json.loads((tmp_path / "r.jsonl").read_text())["code"] == "unknown_label"


class Cut(Exception):
    """The run is cut off here."""


@pytest.fixture
def short_checkpoints(monkeypatch):
    monkeypatch.setattr(intake, "CHUNK_ROWS", 10)
    monkeypatch.setattr(run_module, "_CHECKPOINT_ROWS", 20)


def cut_after(catalog, monkeypatch, chunks):
    """Let the writer fail at a chunk, as a kill would."""
    from nearclass.ingest.items import ItemWriter

    real, calls = ItemWriter.write, []

    def write(self, items, confirmed=None, **options):
        if len(calls) == chunks:
            raise Cut
        calls.append(len(items))
        return real(self, items, confirmed, **options)

    monkeypatch.setattr(ItemWriter, "write", write)
    return calls


@pytest.mark.usefixtures("short_checkpoints")
def test_a_run_that_was_cut_off_goes_on_at_its_checkpoint(catalog, tmp_path, monkeypatch):
    rows = many(95)
    rows[33] = {"title": "no id"}
    rows[71] = {"id": "only"}
    path, rejects = write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "r.jsonl"
    with monkeypatch.context() as patch:
        cut_after(catalog, patch, 5)
        with pytest.raises(Cut):
            catalog.ingest([path], rejects=rejects)
    calls = []
    with monkeypatch.context() as patch:
        calls = cut_after(catalog, patch, 1000)
        counts = catalog.ingest([path], rejects=rejects)
    assert sum(calls) < 60, "rows before the checkpoint were written again"
    assert (counts.read, counts.rejected) == (95, 2)
    assert counts.ok + counts.unchanged + counts.rejected == 95
    assert catalog.items().count() == 93
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [34, 72]


@pytest.mark.usefixtures("short_checkpoints")
def test_a_checkpoint_of_another_file_is_not_used(catalog, tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", many(60))
    with monkeypatch.context() as patch:
        cut_after(catalog, patch, 4)
        with pytest.raises(Cut):
            catalog.ingest([path])
    write_jsonl(tmp_path / "a.jsonl", [{"id": f"new{n}", "title": TITLES[n % 6]} for n in range(60)])
    counts = catalog.ingest([path])
    assert (counts.read, counts.ok) == (60, 60)
    assert catalog.items().count(where=["id=new0"]) == 1


@pytest.mark.usefixtures("short_checkpoints")
def test_several_files_go_on_in_the_one_that_was_cut(catalog, tmp_path, monkeypatch):
    paths = [write_jsonl(tmp_path / f"{n}.jsonl", many(50 + n)[n:]) for n in range(3)]
    with monkeypatch.context() as patch:
        cut_after(catalog, patch, 8)
        with pytest.raises(Cut):
            catalog.ingest(paths)
    counts = catalog.ingest(paths)
    assert counts.read == 150
    assert counts.ok + counts.unchanged == 150
    assert catalog.items().count() == 52


def test_a_missing_file_is_named_before_anything_is_written(catalog, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", many(3))
    with pytest.raises(NearclassError, match="nowhere.jsonl"):
        catalog.ingest([path, str(tmp_path / "nowhere.jsonl")])
    assert catalog.items().count() == 0
