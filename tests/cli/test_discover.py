"""nearclass discover: what it prints, and the class that comes of it."""

import json

import pytest

TITLES = {
    "match": ["did the team win the football match", "who won the football match last night", "football match tickets",
              "the football match was cancelled", "who scored in the football match"],
    "known": ["steel kettle 1.7 l", "gaming laptop 16 GB", "rubber boots", "garden spade", "laser printer A4"],
}  # fmt: skip


@pytest.fixture
def command(catalog, run, tmp_path):
    catalog.close()
    rows = [
        {"id": f"{kind}-{at}", "title": title} for kind, titles in TITLES.items() for at, title in enumerate(titles)
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def command(*arguments):
        return run("--uri", "shop.db", *arguments, cwd=tmp_path)

    assert command("ingest", "items.jsonl").code == 0
    return command


def test_proposals_are_rows_with_everything_that_is_known_of_them(command):
    done = command("discover", "--min-size", "4")
    assert done.code == 0, done.err
    assert set(done.row) == {
        "number", "name", "size", "cohesion", "terms", "nearest", "nearest_id", "similarity", "parent", "parent_id",
        "examples",
    }  # fmt: skip
    assert done.row["name"] == "Football match"
    assert "discover --accept NUMBER --name NAME" in done.err


def test_the_table_has_one_line_for_each_with_an_example(command):
    done = command("discover", "--min-size", "4", "-o", "csv")
    lines = done.out.splitlines()
    assert lines[0] == "number,name,size,cohesion,nearest,similarity,parent,example"
    assert lines[1].startswith("1,Football match,")
    assert "football" in command("discover", "--min-size", "4", "-o", "table").out


def test_accepting_makes_the_class_and_says_what_moved(command):
    command("discover", "--min-size", "4")
    done = command("discover", "--accept", "1", "--name", "Matches", "--parent", "garden", "--id", "matches")
    assert done.code == 0, done.err
    assert (done.row["id"], done.row["path"]) == ("matches", ["Garden", "Matches"])
    assert done.row["assigned"] >= 4
    assert command("assign", "the football match was exciting").row["class_id"] == "matches"
    again = command("discover", "--accept", "1", "--name", "Matches")
    assert (again.code, "no proposal 1" in again.err) == (1, True)


def test_nothing_to_propose_is_said(command):
    done = command("discover", "--min-size", "50")
    assert (done.code, done.out) == (0, "")
    assert "no group of items is large enough" in done.err


@pytest.mark.parametrize(
    "arguments",
    [("--accept", "1"), ("--name", "Matches"), ("--accept", "1", "--name", "K", "--review"), ("--min-size", "1"),
     ("--accept", "1", "--name", "K", "--min-size", "4")],
)  # fmt: skip
def test_options_that_do_not_fit_together_are_refused(command, arguments):
    assert command("discover", *arguments).code == 2
