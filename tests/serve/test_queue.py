"""What waits for reviewers: the order, who sees what, and what is found by typing."""

from types import SimpleNamespace

import pytest

from nearclass.schemas.records import ClassSpec, Decision
from nearclass.schemas.taxonomy import Taxonomy
from nearclass.serve.finding import Finder
from nearclass.serve.queue import Queue, Waiting, ordered


def row(item_id, decision="review", margin=0.01, score=0.5):
    return SimpleNamespace(id=item_id, title=item_id, decision=decision, margin=margin, score=score)


class Reader:
    """Items as the reader of a catalogue gives them, for the two conditions that are asked."""

    def __init__(self, stored):
        self.stored = stored

    def first(self, sort, limit, *, where):
        wanted = [one for one in self.stored if one.decision == where.parts[0].value]
        return sorted(wanted, key=lambda one: getattr(one, sort) or 9.0)[:limit]

    def count(self, where):
        return sum(one.decision == where.parts[0].value for one in self.stored)


@pytest.fixture
def made():
    """A queue over items that a test may change, and its clock."""

    def make(*rows):
        stored, clock = list(rows), [0.0]
        catalog = SimpleNamespace(items=lambda: SimpleNamespace(reader=Reader(stored)))
        state = SimpleNamespace(every=lambda _: [])
        queue = Queue(catalog, state, lambda call: call(), clock=lambda: clock[0])
        return queue, stored, clock

    return make


def ids(found):
    return [one.id for one in found]


def test_uncertain_and_novel_items_take_turns_the_closest_call_and_the_strangest_first():
    waiting = [
        Waiting("wide", "", Decision.REVIEW, 0.5, 0.2),
        Waiting("alone", "", Decision.REVIEW, 0.5, None),
        Waiting("close", "", Decision.REVIEW, 0.5, 0.001),
        Waiting("near", "", Decision.NOVEL, 0.3, 0.1),
        Waiting("far", "", Decision.NOVEL, 0.1, 0.1),
    ]
    assert ids(ordered(waiting)) == ["close", "far", "wide", "near", "alone"]


def test_two_reviewers_never_get_the_same_item_until_one_has_been_away_for_long(made):
    queue, _, clock = made(row("a", margin=0.1), row("b", margin=0.2))
    assert ids(queue.next("ann")) == ["a"]
    assert ids(queue.next("bob")) == ["b"]
    assert ids(queue.next("ann")) == ["a"]
    assert ids(queue.next("cy")) == []
    clock[0] += 1000
    assert ids(queue.next("cy")) == ["a"]


def test_what_was_skipped_comes_last_and_is_open_to_others_at_once(made):
    queue, _, _ = made(row("a", margin=0.1), row("b", margin=0.2), row("c", margin=0.3))
    queue.next("ann")
    queue.skip("ann", "a")
    assert ids(queue.next("bob")) == ["a"]
    queue.take_out(["a"])
    queue.skip("ann", "b")
    assert ids(queue.next("ann", count=3)) == ["c", "b"]


def test_what_was_decided_stays_away_though_an_older_reading_still_has_it(made):
    queue, stored, clock = made(row("a", margin=0.1), row("b", margin=0.2))
    assert queue.counts() == {"all": 2, "uncertain": 2, "novel": 0}
    clock[0] = 1.0
    queue.take_out(["a"])
    assert ids(queue.next("ann")) == ["b"]
    assert queue.counts()["all"] == 1
    del stored[0]
    clock[0] = 1000.0
    queue.next("ann")  # old figures, read anew behind
    stored.append(row("a", margin=0.05))  # answered otherwise since: it waits again
    clock[0] = 2000.0
    queue.next("ann")
    assert ids(queue.next("ann")) == ["a"]


def test_what_is_taken_back_is_shown_to_that_reviewer_next(made):
    queue, _, _ = made(row("a", margin=0.1), row("b", margin=0.2))
    queue.next("ann")
    queue.take_out(["a"])
    queue.next("ann")
    queue.put_back("ann", ["a"])
    assert ids(queue.next("ann")) == ["a"]
    assert ids(queue.next("bob")) == ["b"]


def test_a_kind_shows_just_that(made):
    queue, _, _ = made(row("a"), row("n", "novel", None), row("b"))
    assert ids(queue.next("ann", "novel", 5)) == ["n"]
    assert ids(queue.next("ann", "uncertain", 5)) == ["a", "b"]
    assert queue.next("ann", "novel")[0].margin is None


TREE = Taxonomy(
    [
        ClassSpec("k", "Kitchen"),
        ClassSpec("k/p", "Pots & Pans", "k"),
        ClassSpec("k/c", "Crème brûlée dishes", "k", synonyms=("ramekins",)),
        ClassSpec("g", "Garden"),
        ClassSpec("g/p", "Pots", "g"),
        ClassSpec("g/f", "Flower pots", "g"),
        ClassSpec("g/o", "Old pots", "g", state="retired"),
    ]
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pots", ["g/p", "k/p", "g/f"]),
        ("POTS  garden", ["g/p", "g/f"]),
        ("garden > pots", ["g/p", "g/f"]),
        ("creme bru", ["k/c"]),
        ("ramek", ["k/c"]),
        ("old", []),
        ("", []),
        ("<script>", []),
    ],
)
def test_classes_are_found_by_parts_of_their_names_paths_and_synonyms(typed, expected):
    from dataclasses import replace

    from nearclass.schemas.records import ClassState

    specs = [replace(one, state=ClassState(one.state)) for one in TREE]
    assert Finder(Taxonomy(specs)).find(typed, 10) == expected
