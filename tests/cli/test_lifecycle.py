"""The commands that change several classes at once, and the log."""


def test_a_taxonomy_lives_on_the_command_line(run, stocked):
    tablets = "electronics/computers/tablets"
    renamed = run("classes", "rename", "tablets", "Slates", "--by", "anna", "-m", "as the shop says", cwd=stocked)
    assert (renamed.row["id"], renamed.row["path"][-1]) == (tablets, "Slates")
    assert "items reassign" in renamed.err
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


def test_options_that_do_not_fit_are_refused_with_what_to_give(run, stocked):
    assert run("classes", "move", "tablets", cwd=stocked).code == 2
    assert run("classes", "split", "tablets", "--into", "{x", "B", cwd=stocked).code == 2
    assert run("classes", "split", "tablets", "--into", "B", cwd=stocked).code == 1
