"""Reports: what they show, that they stand alone, and that nothing in them can run."""

import re
from pathlib import Path

import pytest

from nearclass.errors import UsageError
from nearclass.ingest.labelled import Labelled
from nearclass.learn.evaluate import Judged, evaluate
from nearclass.reports.evaluation import view_of, write_evaluation
from nearclass.schemas.records import Assignment, Candidate, ClassSpec, Decision, Item
from nearclass.schemas.taxonomy import Taxonomy

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"
TREE = Taxonomy(
    [
        ClassSpec("home", "Home"),
        ClassSpec("kettles", "Kettles", "home"),
        ClassSpec("pans", f"Pans {HOSTILE}", "home"),
        ClassSpec("pens", "Pens"),
    ],
    revision=7,
)


def answered(item_id: str, *class_ids: str, decision: Decision = Decision.ASSIGNED) -> Assignment:
    """An answer with these candidates, best first."""
    candidates = tuple(
        Candidate(class_id, TREE.path(class_id), 0.9 - 0.1 * rank) for rank, class_id in enumerate(class_ids)
    )
    given = class_ids[0] if decision is Decision.ASSIGNED else "home"
    class_id = None if decision in {Decision.REVIEW, Decision.NOVEL} else given
    return Assignment(
        id=item_id,
        decision=decision,
        class_id=class_id,
        path=TREE.path(class_id) if class_id else (),
        score=0.9,
        confidence=None,
        margin=0.1,
        candidates=candidates,
        evidence=(),
        truncated=False,
        space="tiny",
        revision=7,
        rule=f"best score 0.9 {HOSTILE}; uncalibrated, label-free default: {HOSTILE}",
        fit=0.9,
    )


def judged_rows() -> tuple[list[Judged], list[Labelled]]:
    """Six items: two right, two wrong, one under a right parent, one stranger."""
    rows = [
        (answered("1", "kettles", "pans"), {"kettles"}),
        (answered("2", "pens", "pans"), {"pens"}),
        (answered("3", "kettles", "pans"), {"pans"}),
        (answered("4", "kettles", "pens"), {"pans"}),
        (answered("5", "pans", "kettles", decision=Decision.ANCESTOR), {"kettles"}),
        (answered("6", "pens", "pans", decision=Decision.NOVEL), set()),
    ]
    judged = [Judged(answer, frozenset(truth)) for answer, truth in rows]
    labelled = [Labelled(Item(one.answer.id, title=f"item {HOSTILE}"), one.truth) for one in judged]
    return judged, labelled


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The report of the six items."""
    judged, labelled = judged_rows()
    figures = evaluate(judged, TREE, classes=3, items_per_s=10.0)
    write_evaluation(tmp_path / "report.html", figures, judged, labelled, TREE)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_names_and_titles_with_markup_are_inert(page: str) -> None:
    """Everything from outside is escaped, and changes of direction are left out."""
    assert page.count("<script") == 1  # our own
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page


def test_the_page_forbids_everything_but_its_own_stylesheet_and_script(page: str) -> None:
    """The policy names the digests of the two that are in the page."""
    import base64
    import hashlib

    digests = []
    for tag in ("style", "script"):
        found = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert found
        digests.append(base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode())
    style, script = digests
    assert f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'" in page
    assert "style=" not in page
    assert not re.search(r"<[^>]* on\w+=", page)


def test_the_page_refers_to_nothing_outside_itself(page: str) -> None:
    """No address and no other file; links stay on the page and lead somewhere."""
    assert not re.search(r"https?:|<[^>]* src=|@import|url\((?!#)", page)
    links = re.findall(r'<[^>]* href="([^"]*)"', page)
    assert links
    assert all(link.startswith("#") and f'id="{link[1:]}"' in page for link in links)


def test_the_most_confused_pair_comes_first_with_its_items() -> None:
    """Two pans were answered as kettles."""
    judged, labelled = judged_rows()
    view = view_of(evaluate(judged, TREE, classes=3, items_per_s=10.0), judged, labelled, TREE)
    first = view.confusions[0]
    assert (first.truth[-1][:4], first.answer[-1], first.count) == ("Pans", "Kettles", 2)
    assert len(first.examples) == 2


def test_the_worst_class_comes_first_and_figures_without_ground_are_left_open() -> None:
    """Pans are never answered rightly."""
    judged, labelled = judged_rows()
    view = view_of(evaluate(judged, TREE, classes=3, items_per_s=10.0), judged, labelled, TREE)
    assert [row.path[-1][:4] for row in view.classes] == ["Pans", "Kett", "Pens"]
    assert view.classes[0].f1 == 0


def test_each_decision_is_judged_by_what_it_promises() -> None:
    """An ancestor is right above a right class, novel is right out of scope."""
    judged, labelled = judged_rows()
    view = view_of(evaluate(judged, TREE, classes=3, items_per_s=10.0), judged, labelled, TREE)
    counts = {one.name: (one.count, one.right) for one in view.decided}
    assert counts == {"assigned": (4, 2), "ancestor": (1, 1), "review": (0, None), "novel": (1, 1)}


def test_a_report_without_an_item_in_scope_says_so(tmp_path: Path) -> None:
    """There is no accuracy then."""
    judged, labelled = judged_rows()
    figures = evaluate(judged[-1:], TREE, classes=3, items_per_s=10.0)
    write_evaluation(tmp_path / "report.html", figures, judged[-1:], labelled[-1:], TREE)
    assert "there is no accuracy" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """The message names the file."""
    judged, labelled = judged_rows()
    figures = evaluate(judged, TREE, classes=3, items_per_s=10.0)
    with pytest.raises(UsageError, match=r"cannot write the report .*nowhere"):
        write_evaluation(tmp_path / "nowhere" / "report.html", figures, judged, labelled, TREE)
