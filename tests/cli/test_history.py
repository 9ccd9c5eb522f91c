"""What was, what is different, and a new version of a taxonomy, on the command line."""

import pytest

TABLETS = "electronics/computers/tablets"


@pytest.fixture
def changed(run, stocked):
    """A folder whose classes have three revisions."""
    assert run("classes", "rename", "tablets", "Slates", cwd=stocked).code == 0
    assert run("classes", "add", "E-readers", "--parent", "Computers", cwd=stocked).code == 0
    return stocked


def test_revisions_are_compared_with_each_other_and_with_now(run, changed):
    done = run("classes", "diff", "--from", "1", cwd=changed)
    assert [(row["changes"], row["id"]) for row in done.rows] == [
        (["renamed"], TABLETS),
        (["added"], "electronics/computers/e-readers"),
    ]
    assert (done.rows[0]["before"], done.rows[0]["after"]) == ({"name": "Tablets"}, {"name": "Slates"})
    assert done.err.strip() == "1 renamed, 1 added"
    assert [row["id"] for row in run("classes", "diff", "--from", "1", "--to", "2", cwd=changed).rows] == [TABLETS]
    back = run("classes", "diff", "--from", "3", "--to", "1", cwd=changed)
    assert [row["changes"] for row in back.rows] == [["renamed"], ["missing"]]
    table = run("classes", "diff", "--from", "1", "-o", "table", cwd=changed)
    assert "name: Tablets -> Slates" in " ".join(table.out.split())
    none = run("classes", "diff", "--from", "3", cwd=changed)
    assert (none.code, none.out, none.err.strip()) == (0, "", "no difference")


def test_classes_are_listed_shown_and_exported_as_they_were(run, changed):
    assert run("classes", "show", "Tablets", "--revision", "1", cwd=changed).row["revision"] == 1
    assert run("classes", "show", TABLETS, "--revision", "1", cwd=changed).row["name"] == "Tablets"
    assert run("classes", "show", TABLETS, cwd=changed).row["name"] == "Slates"
    counts = [len(run("classes", "list", *at, cwd=changed).rows) for at in ((), ("--revision", "2"))]
    assert counts == [65, 64]
    (changed / "was.jsonl").write_text(run("classes", "export", "--revision", "1", cwd=changed).out, encoding="utf-8")
    assert [row["changes"] for row in run("classes", "diff", "was.jsonl", cwd=changed).rows] == [
        ["renamed"],
        ["missing"],
    ]
    gone = run("classes", "list", "--revision", "9", cwd=changed)
    assert gone.code == 1
    assert "from 0 to 3" in gone.err


def test_the_log_of_one_class_has_its_changes_alone(run, changed):
    log = run("classes", "log", "--class", "Slates", cwd=changed)
    assert [row["command"] for row in log.rows] == ["rename", "import"]
    assert [row["command"] for row in run("classes", "log", "--class", "E-readers", cwd=changed).rows] == ["add"]
    assert run("classes", "log", "--class", "nothing", cwd=changed).code == 1


@pytest.mark.parametrize("wrong", [(), ("x.csv", "--from", "1"), ("--to", "1"), ("--from", "1", "--mapping", "m.csv")])
def test_a_diff_is_of_a_file_or_of_revisions(run, changed, wrong):
    assert run("classes", "diff", *wrong, cwd=changed).code == 2


def test_a_new_version_is_looked_at_tried_and_imported(run, stocked):
    rows = run("classes", "export", cwd=stocked).out.splitlines()
    kept = [row for row in rows if f'"{TABLETS}"' not in row and '"office/' not in row]
    new = '{"id":"pads","name":"Tablets","parent":"electronics/computers","description":"Flat computers."}'
    (stocked / "new.jsonl").write_text("\n".join([*kept, new]), encoding="utf-8")
    (stocked / "map.csv").write_text(f"old,new\n{TABLETS},pads\nfax,pads\n", encoding="utf-8")
    version = ("new.jsonl", "--mapping", "map.csv")
    told = {row["id"]: row["changes"] for row in run("classes", "diff", *version, cwd=stocked).rows}
    assert (told.pop(TABLETS), told.pop("pads")) == (["merged"], ["added"])
    missing = [one for one, changes in told.items() if changes == ["missing"]]
    assert len(missing) == len(told) > 5
    tried = run("classes", "import", *version, "--retire-missing", "--dry-run", cwd=stocked)
    assert tried.row["changed"] >= 1
    done = run("classes", "import", *version, cwd=stocked)
    assert done.code == 0
    found = {name: done.row[name] for name in ("added", "merged", "several", "unknown", "missing", "rejected")}
    assert found == {"added": 1, "merged": 1, "several": 0, "unknown": 1, "missing": len(missing), "rejected": 0}
    assert f"{len(missing)} classes are in neither file nor mapping" in done.err
    assert run("classes", "show", TABLETS, cwd=stocked).row["id"] == "pads"
    retired = run("classes", "import", *version, "--retire-missing", cwd=stocked)
    assert "neither" not in retired.err
    left = run("classes", "list", "--under", "Office & Stationery", cwd=stocked).rows
    assert [row["id"] for row in left] == ["office"]
    assert run("classes", "log", cwd=stocked).rows[0]["command"] == "import"
