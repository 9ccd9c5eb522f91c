"""Drawings of a report: what is in them, and where."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearclass.ingest.labelled import Labelled
from nearclass.learn.evaluate import Judged, evaluate
from nearclass.reports import charts
from nearclass.reports.evaluation import view_of, write_evaluation
from nearclass.reports.plot import Axis, axis_from, line
from nearclass.schemas.records import Assignment, Candidate, ClassSpec, Decision, Item
from nearclass.schemas.taxonomy import Taxonomy

LONG = "Unbrokenname" * 20


def many(count, *, confident=False, classes=5, oos=0):
    """Answers that are right the more often the surer they are, and the taxonomy of their classes."""
    rng = np.random.default_rng(1)
    ids = [f"class-{place:04}" for place in range(classes)]
    tree = Taxonomy([ClassSpec(one, f"{LONG} {one}") for one in ids], revision=3)
    judged = []
    for place in range(count):
        score, best = round(float(rng.random()), 3), ids[place % classes]
        right = best if rng.random() < score else ids[(place + 1) % classes]
        truth = frozenset() if place < oos else frozenset({right})
        candidates = tuple(
            Candidate(one, (one,), score - 0.1 * rank, (score - 0.1 * rank) if confident else None)
            for rank, one in enumerate((best, ids[(place + 2) % classes]))
        )
        if confident:
            candidates = tuple(replace(one, confidence=max(0.0, one.confidence)) for one in candidates)
        decision = Decision.ASSIGNED if score > 0.3 else Decision.NOVEL
        given = best if decision is Decision.ASSIGNED else None
        judged.append(
            Judged(
                Assignment(
                    id=str(place), decision=decision, class_id=given, path=(), score=score,
                    confidence=candidates[0].confidence, margin=0.1, candidates=candidates, evidence=(),
                    truncated=False, space="tiny", revision=3, rule="r; basis", fit=score,
                ),
                truth,
            )
        )  # fmt: skip
    return judged, tree


def labelled_of(judged):
    return [Labelled(Item(one.answer.id, title=LONG), one.truth) for one in judged]


def test_the_decisions_in_use_are_marked_where_they_are():
    judged, _ = many(200)
    chart = charts.answering(judged)
    first = chart.plot.marks[0]
    assigned = [one for one in judged if one.answer.decision is Decision.ASSIGNED]
    coverage, precision = len(assigned) / 200, sum(one.right for one in assigned) / len(assigned)
    assert (first.letter, first.shape) == ("A", "disc")
    assert first.x == pytest.approx(chart.plot.x(coverage), abs=0.1)
    assert first.y == pytest.approx(chart.plot.y(precision), abs=0.1)


def test_lines_and_letters_can_be_told_apart_without_colour():
    judged, _ = many(200, confident=True)
    chart = charts.answering(judged)
    assert chart.signals == ["confidence", "margin", "fit"]
    assert len({one.stroke for one in chart.plot.lines}) == 3
    assert [one.letter for one in chart.plot.marks] == ["A", "B", "C", "D"]
    assert all(one.text for one in chart.plot.marks)


def test_without_confidences_no_line_and_no_diagram_pretends_to_them():
    judged, _ = many(200)
    assert charts.answering(judged).signals == ["margin", "fit"]
    assert charts.confidence(judged) is None


def test_a_round_precision_that_no_threshold_has_is_left_open():
    judged, _ = many(200)
    wrong = [Judged(one.answer, frozenset({"class-9"})) for one in judged]
    assert {(one.threshold, one.coverage) for one in charts.answering(wrong).targets} == {(None, None)}


def test_a_few_lucky_answers_make_no_precision():
    judged, _ = many(200)
    ranked = sorted(judged, key=lambda one: -one.answer.score)
    lucky = [
        Judged(one.answer, frozenset({one.answer.candidates[0].class_id if place < 10 else "class-9"}))
        for place, one in enumerate(ranked)
    ]
    targets = [one for one in charts.answering(lucky).targets if one.signal == "fit"]
    assert [one.coverage for one in targets] == [None] * 4


@pytest.mark.parametrize("count", [1, 2, 19, 21])
def test_few_answers_can_be_drawn(count):
    judged, _ = many(count, confident=True)
    assert charts.answering(judged).plot.lines
    assert charts.confidence(judged).bins


def test_nothing_is_drawn_of_nothing():
    assert charts.answering([]) is None
    assert charts.confidence([]) is None
    assert charts.scope([]) is None


def test_scope_needs_items_on_both_sides():
    assert charts.scope(many(50)[0]) is None
    assert charts.scope(many(50, oos=50)[0]) is None
    chart = charts.scope(many(50, oos=10)[0])
    assert [one.true_novel for one in chart.caught] == [0.5, 0.8, 0.9, 1.0]


def test_a_line_of_many_points_is_thinned_and_keeps_its_ends():
    points = [(place / 5000, place / 5000) for place in range(5001)]
    path = line("all", points, Axis(""), Axis(""), "solid").path
    assert path.count("L") < 300
    assert path.startswith("M56.0 330.0")
    assert path.endswith("L626.0 14.0")


@pytest.mark.parametrize(
    ("lowest", "low", "ticks"), [(0.0, 0.0, 6), (0.35, 0.2, 5), (0.61, 0.6, 5), (0.97, 0.8, 5), (1.0, 0.8, 5)]
)
def test_an_axis_begins_below_what_it_shows(lowest, low, ticks):
    axis = axis_from("", lowest)
    assert (axis.low, len(axis.ticks), axis.ticks[-1]) == (low, ticks, 1.0)


def test_classes_that_overlap_say_how_many_items_they_take_from_each_other():
    judged, tree = many(100)
    vectors = {one: np.eye(5, dtype=np.float32)[place] for place, one in enumerate(tree.ids())}
    vectors["class-0001"] = np.array([1, 1, 0, 0, 0], np.float32)
    figures = evaluate(judged, tree, classes=5, items_per_s=1.0)
    view = view_of(figures, judged, labelled_of(judged), tree, vectors)
    first = view.alike[0]
    assert (first.first, first.second) == (tree.path("class-0000"), tree.path("class-0001"))
    pair = {"class-0000", "class-0001"}
    assert first.confused == sum(
        not one.right and {one.answer.candidates[0].class_id, *one.truth} == pair for one in judged
    )
    assert first.confused > 0


def test_each_class_names_what_is_answered_in_its_place_most_often():
    judged, tree = many(100)
    figures = evaluate(judged, tree, classes=5, items_per_s=1.0)
    view = view_of(figures, judged, labelled_of(judged), tree)
    row = next(row for row in view.classes if row.path == tree.path("class-0001"))
    assert row.instead == tree.path("class-0000")
    assert row.instead_count == sum(
        one.truth == {"class-0001"} and one.answer.candidates[0].class_id == "class-0000" for one in judged
    )


def write(path, judged, tree):
    figures = evaluate(judged, tree, classes=len(tree), items_per_s=1.0)
    write_evaluation(path, figures, judged, labelled_of(judged), tree)
    return path.read_text(encoding="utf-8")


def test_every_drawing_has_a_title_and_words(tmp_path: Path):
    page = write(tmp_path / "e.html", *many(300, confident=True, oos=40))
    drawings = re.findall(r'<svg [^>]*role="img" aria-labelledby="([\w-]+) ([\w-]+)">', page)
    assert len(drawings) == 3
    for title, words in drawings:
        assert re.search(rf'<title id="{title}">[^<]+</title>', page)
        assert re.search(rf'<desc id="{words}">[^<]+</desc>', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", page.lower())


def test_an_uncalibrated_report_says_how_to_get_confidences(tmp_path: Path):
    page = write(tmp_path / "e.html", *many(50))
    assert "nearclass calibrate" in page
    assert "oos: true" in page


def test_six_hundred_classes_stand_in_a_field_of_their_own(tmp_path: Path):
    page = write(tmp_path / "e.html", *many(2400, classes=600))
    assert page.count('data-label="Answered" data-value=') == 600
    assert 'class="tall" role="region" aria-label="Class by class" tabindex="0"' in page
    assert 'class="tall"' not in write(tmp_path / "f.html", *many(100))


def test_the_calibration_error_is_that_of_every_answer_with_a_confidence():
    judged, tree = many(300, confident=True, oos=100)
    figures = evaluate(judged, tree, classes=5, items_per_s=1.0)
    chart = charts.confidence(judged)
    gaps = sum(abs(one.right - one.n * one.confidence) for one in chart.bins) / 300
    assert figures.ece == pytest.approx(gaps)
    assert sum(one.n for one in chart.bins) == 300
