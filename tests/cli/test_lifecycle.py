"""The commands that change several classes at once, and the log."""


def test_a_taxonomy_lives_on_the_command_line(run, stocked):
    tablets = "electronics/computers/tablets"
    renamed = run("classes", "rename", "tablets", "Slates", "--by", "anna", "-m", "as the shop says", cwd=stocked)
    assert (renamed.row["id"], renamed.row["path"][-1]) == (tablets, "Slates")
    assert renamed.row["moved"]["items"] == 40
    assert run("classes", "move", "Slates", "--top", cwd=stocked).row["path"] == ["Slates"]
    assert run("classes", "move", "Slates", "--under", "Computers", cwd=stocked).row["path"][-2] == "Computers"
    parts = ("E-readers: To read books on.", '{"name": "Drawing tablets"}')
    split = run("classes", "split", "Slates", "--into", *parts, cwd=stocked)
    assert split.row["added"] == [f"{tablets}/e-readers", f"{tablets}/drawing-tablets"]
    merged = run("classes", "merge", "E-readers", "Drawing tablets", "--into", "Laptops", cwd=stocked)
    assert merged.row["merged"] == split.row["added"]
    assert run("classes", "show", "E-readers", cwd=stocked).row["name"] == "Laptops"
    log = run("classes", "log", "-n", "5", cwd=stocked)
    assert [row["command"] for row in log.rows] == ["merge", "split", "move", "move", "rename"]
    assert (log.rows[-1]["by"], log.rows[-1]["message"]) == ("anna", "as the shop says")
    assert "5 of 6" in log.err


def test_each_part_of_a_split_may_have_its_own_into(run, stocked):
    parts = ("--into", "E-readers: To read books on.", "--into", "Slates: Flat computers.")
    made = run("classes", "split", "tablets", *parts, cwd=stocked)
    assert [one.rpartition("/")[2] for one in made.row["added"]] == ["e-readers", "slates"]


def test_options_that_do_not_fit_are_refused_with_what_to_give(run, stocked):
    assert run("classes", "move", "tablets", cwd=stocked).code == 2
    assert run("classes", "split", "tablets", "--into", "{x", "B", cwd=stocked).code == 2
    assert run("classes", "split", "tablets", "--into", "B", cwd=stocked).code == 1


def test_a_dry_run_says_what_would_move_and_changes_nothing(run, stocked):
    before = run("classes", "export", cwd=stocked).out
    line = ("classes", "add", "E-readers", "--parent", "Computers", "-d", "To read e-books on.")
    tried = run(*line, "--dry-run", cwd=stocked)
    assert (tried.row["items"], tried.row["change"]["name"]) == (40, "E-readers")
    assert "nothing was changed" in tried.err
    table = run("classes", "retire", "Electronics", "--dry-run", "-o", "table", cwd=stocked)
    assert "Items whose answer changes" in table.out
    assert "Classes that lose most" in table.out
    assert run("classes", "export", cwd=stocked).out == before
    done = run(*line, cwd=stocked)
    assert done.row["moved"] == {name: value for name, value in tried.row.items() if name != "change"}
    assert f"{done.row['moved']['changed']} of 40 stored items have another answer now" in done.err
    assert run("items", "reassign", cwd=stocked).rows == []


def test_items_are_left_for_later_where_that_is_asked_for(run, stocked):
    done = run("classes", "retire", "Electronics", "--no-reassign", cwd=stocked)
    assert done.row["moved"] is None
    assert "40 stored items were assigned before this change; `nearclass items reassign`" in done.err
    assert run("items", "reassign", cwd=stocked).rows
    table = run("classes", "restore", "Electronics", "-o", "table", cwd=stocked)
    assert "Items whose answer changes" in table.out


def test_a_confirmed_item_stays_and_is_named(run, stocked):
    item = next(row for row in run("items", "list", "--limit", "40", cwd=stocked).rows if row["decision"] == "assigned")
    run("items", "confirm", item["id"], "--class", item["class_id"], cwd=stocked)
    done = run("classes", "retire", item["class_id"], cwd=stocked)
    assert done.row["moved"]["conflicts"] == [item["id"]]
    assert "1 confirmed items would be answered otherwise, and stay" in done.err
    assert run("items", "show", item["id"], cwd=stocked).row["class_id"] == item["class_id"]


def test_a_dry_run_of_an_import_counts_and_changes_nothing(run, stocked):
    (stocked / "more.csv").write_text("name,path\nKayaks,Sports > Kayaks\n,\n", encoding="utf-8")
    tried = run("classes", "import", "more.csv", "--dry-run", cwd=stocked)
    assert tried.row["change"]["added"] >= 1
    assert tried.row["items"] == 40
    assert "Kayaks" not in run("classes", "list", cwd=stocked).out
