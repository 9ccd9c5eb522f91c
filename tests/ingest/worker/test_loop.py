"""The worker's loop: what is acknowledged, when, and what happens to what cannot be stored."""

import json

import pytest

from nearclass.errors import NearclassError, StoreError, StoreUnavailableError, StoreWriteError
from nearclass.ingest.worker.applying import LEASE_MS
from nearclass.ingest.worker.letters import original


@pytest.fixture
def world(tools):
    return tools.World()


def all_acked(link, count):
    return lambda _run: len(link.acked) >= count


def test_everything_is_stored_answered_and_acknowledged(world, tools):
    events = [tools.upsert(f"i{number}", 1) for number in range(20)]
    link = tools.Link(*map(tools.written, events))
    status = tools.work(link, world.worker(), until=all_acked(link, 20))
    assert len(world.titles) == len(link.streams["out"]) == 20
    assert sorted(link.acked) == sorted(f"m{number}" for number in range(20))
    assert (status.received, status.acknowledged, status.in_hand, status.published) == (20, 20, 0, 20)
    assert link.kept


def test_nothing_is_acknowledged_before_it_is_durable_and_its_answer_is_written(world, tools, monkeypatch):
    link = tools.Link(tools.written(tools.upsert("a", 1)))
    worker = world.worker()
    settle = world.versions.settle
    monkeypatch.setattr(
        world.versions, "settle", lambda stamps: (link.calls.append(("settle", len(stamps))), settle(stamps))
    )
    tools.work(link, worker, until=all_acked(link, 1))
    assert link.calls == [("settle", 1), ("publish", "out"), ("ack", 1)]


def test_a_message_that_is_no_event_is_a_dead_letter_at_once(world, tools):
    link = tools.Link(b"garbage", b"\xff\xfe", tools.written(tools.upsert("a", 1)))
    status = tools.work(link, world.worker(), until=all_acked(link, 3))
    assert world.titles == {"a": "a v1"}
    assert status.dead == {"bad_json": 2}
    letters = link.streams["dead"]
    assert [(one["code"], one["stream"], one["name"], one["tries"]) for one in letters] == [
        ("bad_json", "in", "m0", 1),
        ("bad_json", "in", "m1", 1),
    ]
    assert [original(json.dumps(one).encode()) for one in letters] == [b"garbage", b"\xff\xfe"]


def test_an_event_that_cannot_be_stored_is_tried_and_then_a_dead_letter_and_the_others_go_on(world, tools):
    bodies = [tools.upsert("a", 1), tools.upsert("b", 1, "bad"), tools.upsert("c", 1)]
    link = tools.Link(*map(tools.written, bodies))
    status = tools.work(link, world.worker(), until=all_acked(link, 3), tries=3)
    assert set(world.titles) == {"a", "c"}
    (letter,) = link.streams["dead"]
    assert (letter["code"], letter["tries"], status.retried) == ("bad_title", 3, 2)
    assert link.acked[-1] == "m1"


def test_a_store_that_is_away_kills_no_event(world, tools, monkeypatch):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(6)))
    worker, failed = world.worker(), []
    known = world.versions.known

    def away(targets):
        if len(failed) < 3:
            failed.append(1)
            raise StoreUnavailableError("nobody listens")
        return known(targets)

    monkeypatch.setattr(world.versions, "known", away)
    seen = set()

    def done(run):
        seen.add((run.status.doing, run.status.trouble))
        return len(link.acked) == 6

    status = tools.work(link, worker, until=done)
    assert len(world.titles) == 6
    assert "dead" not in link.streams
    assert ("waiting", "nobody listens") in seen
    assert (status.waits["store"], status.trouble) == (3, "")


def test_a_broker_that_is_away_gets_the_answers_and_the_acknowledgement_later(world, tools):
    link = tools.Link(tools.written(tools.upsert("a", 1)))
    link.away = 3
    tools.work(link, world.worker(), until=all_acked(link, 1))
    assert [row["id"] for row in link.streams["out"]] == ["a"]


@pytest.mark.parametrize(("error", "calls"), [(StoreError("refused"), 1), (StoreWriteError("the disk is full"), 5)])
def test_a_store_that_stays_broken_ends_the_worker_and_acknowledges_nothing(world, tools, monkeypatch, error, calls):
    monkeypatch.setattr("nearclass.ingest.worker.patience.LONGEST_WAIT_S", 0.01)
    link, tried = tools.Link(tools.written(tools.upsert("a", 1))), []

    def broken(_stamps):
        tried.append(1)
        raise error

    monkeypatch.setattr(world.versions, "settle", broken)
    with pytest.raises(StoreError, match=error.message):
        tools.work(link, world.worker(), until=lambda _run: False)
    assert (link.acked, len(tried)) == ([], calls)


def test_where_work_is_slow_reading_stops(world, tools, monkeypatch):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(200)), page=10)
    most = []

    def away(_targets):
        raise StoreUnavailableError("nobody listens")

    monkeypatch.setattr(world.versions, "known", away)

    def full(run):
        most.append(run.status.in_hand)
        return len(most) > 60

    with pytest.raises(StoreUnavailableError):
        tools.work(link, world.worker(), until=full, batch=16)
    assert max(most) <= 16 + (2 * 16 - 1 + 10) + 10  # at work, in the queue, waiting for room
    assert link.acked == []


def test_what_waits_for_room_is_kept_from_other_workers_too(world, tools, monkeypatch):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(200)), page=10)

    def away(_targets):
        raise StoreUnavailableError("nobody listens")

    monkeypatch.setattr(world.versions, "known", away)
    seen = []

    def full(_run):
        seen.append((link.handed, link.kept[-1] if link.kept else set()))
        return len(link.kept) > 5

    with pytest.raises(StoreUnavailableError):
        tools.work(link, world.worker(), until=full, batch=16, reclaim_s=0.04)
    handed, kept = seen[-1]
    assert kept == {f"m{number}" for number in range(handed + 10)}  # the last page waits


def test_long_events_make_a_batch_shorter_and_are_not_taken_far_ahead(world, tools, monkeypatch):
    monkeypatch.setattr("nearclass.ingest.worker.run._TEXTS_BYTES", 1000)
    events = [tools.upsert(f"i{number}", 1, "x" * 400) for number in range(60)]
    link = tools.Link(*map(tools.written, events), page=2)
    worker, batches, held = world.worker(), [], []
    apply = worker.apply
    worker.apply = lambda some, coming=(): batches.append(len(some)) or apply(some, coming)

    def done(run):
        held.append(run.status.in_hand)
        return len(link.acked) == 60

    tools.work(link, worker, until=done, batch=50, flush_s=0)
    assert max(batches) == 3  # the third makes it full
    assert max(held) <= 3 + (4 + 2) + 2  # at work, in the queue with the page that makes it full, waiting for room
    assert len(world.titles) == 60


def test_what_dead_workers_left_is_gone_over_by_batches(world, tools):
    dead = world.worker()
    dead.apply([tools.upsert(f"i{number}", 1) for number in range(30)])
    world.rows.clear()
    world.now_ms += LEASE_MS + 1
    asked = []
    older = world.claims.older
    world.claims.older = lambda than_ms, *, limit, after: (
        asked.append(limit) or older(than_ms, limit=limit, after=after)
    )
    tools.work(tools.Link(), world.worker(), until=lambda _run: not world.claims.rows, seconds=60)
    assert len(world.titles) == 30
    assert asked[:8] == [4] * 8


def test_what_was_read_and_not_begun_when_it_is_told_to_stop_stays_for_others(world, tools):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(100)), page=5)
    tools.work(link, world.worker(), until=lambda run: run.status.received >= 5)
    assert len(link.acked) == len(world.titles) < 100


def test_old_answers_are_given_anew_between_batches(world, tools):
    old = world.worker(revision=1)
    old.apply([tools.upsert(f"old{number}", 1) for number in range(10)])
    old.commit()
    link = tools.Link(*(tools.written(tools.upsert(f"new{number}", 1)) for number in range(12)))
    status = tools.work(
        link, world.worker(revision=2), until=lambda run: run.status.tally.backfilled >= 10 and len(link.acked) == 12
    )
    assert status.tally.backfilled == 10
    assert {revision for _, revision in world.rows.values()} == {2}
    assert len(link.streams["out"]) == 22


def test_where_every_new_event_breaks_the_worker_ends_and_gives_none_up(world, tools):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1, "broken")) for number in range(8)), page=8)
    with pytest.raises(NearclassError, match="none of 8 events could be stored: the device is gone"):
        tools.work(link, world.worker(), until=lambda _run: False, batch=8)
    assert (link.acked, link.streams) == ([], {})


def test_a_few_events_that_break_are_given_up(world, tools):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1, "broken")) for number in range(7)))
    status = tools.work(link, world.worker(), until=all_acked(link, 7), batch=8)
    assert status.dead == {"failed": 7}


def test_what_may_have_ended_workers_is_taken_last_and_alone_and_given_up_after_many_times(world, tools, monkeypatch):
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(6)), page=6)
    for place, deliveries in ((0, 6), (2, 20), (4, 21)):
        link.todo[place].deliveries = deliveries
    status = tools.work(link, world.worker(), until=all_acked(link, 6), batch=6, flush_s=60)
    assert {one["code"]: one["name"] for one in link.streams["dead"]} == {"never_finished": "m4"}
    assert set(world.titles) == {"i0", "i1", "i2", "i3", "i5"}
    assert link.acked[:3] == ["m1", "m3", "m5"]
    assert [count for what, count in link.calls if what == "ack"] == [3, 1, 1, 1]
    assert status.dead == {"never_finished": 1}


def test_while_a_batch_is_written_the_next_one_that_is_here_is_expected(world, tools):
    worker = world.worker()
    link = tools.Link(*(tools.written(tools.upsert(f"i{number}", 1)) for number in range(8)), b"poison", page=9)
    tools.work(link, worker, until=all_acked(link, 9))
    first, second = [f"i{number}" for number in range(4)], [f"i{number}" for number in range(4, 8)]
    assert worker.site.target.expected[:3] == [first, second, second]
