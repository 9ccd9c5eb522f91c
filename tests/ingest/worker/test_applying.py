"""The newest version of each item stands: alone, among workers in any order, and when workers die."""

import random

import pytest

from nearclass.ingest.worker.applying import LEASE_MS


@pytest.fixture
def world(tools):
    return tools.World()


def test_an_older_version_never_overwrites_a_newer_one(world, tools):
    worker = world.worker()
    for version in (2, 1, 3, 2):
        worker.apply([tools.upsert("a", version)])
        worker.commit()
    assert world.titles == {"a": "a v3"}
    assert (worker.tally.applied, worker.tally.superseded) == (2, 2)


def test_a_late_upsert_does_not_bring_a_deleted_item_back(world, tools):
    worker = world.worker()
    worker.apply([tools.delete("a", 5)])
    worker.commit()
    worker.apply([tools.upsert("a", 4), tools.upsert("b", 1)])
    worker.commit()
    assert world.titles == {"b": "b v1"}
    worker.apply([tools.upsert("a", 6)])
    worker.commit()
    assert world.titles["a"] == "a v6"


def test_of_one_batch_the_newest_counts_whatever_its_place(world, tools):
    worker = world.worker()
    worker.apply([tools.upsert("a", 3), tools.delete("a", 4), tools.upsert("a", 2), tools.upsert("b", 1)])
    assert [row["id"] for row in worker.commit()] == ["b"]
    assert world.titles == {"b": "b v1"}
    assert (worker.tally.applied, worker.tally.superseded) == (2, 2)


def test_what_is_delivered_again_is_answered_again_and_changes_nothing(world, tools):
    first, second = world.worker(), world.worker()
    first.apply([tools.upsert("a", 1)])
    said = first.commit()
    second.apply([tools.upsert("a", 1), tools.upsert("a", 1)])
    assert second.commit() == said == [{"id": "a", "title": "a v1", "version": 1}]
    assert (second.tally.applied, second.tally.repeated) == (0, 2)


def test_where_the_newest_cannot_be_stored_the_next_one_is(world, tools):
    worker = world.worker()
    failures = worker.apply([tools.upsert("a", 1), tools.upsert("a", 3, "bad"), tools.upsert("a", 2)])
    assert {place: why.code for place, why in failures.items()} == {1: "bad_title"}
    worker.commit()
    assert world.titles == {"a": "a v2"}
    assert world.claims.rows == {}


def test_of_two_contents_of_one_version_all_workers_choose_the_same(tools):
    ends = set()
    for titles in (("x", "y"), ("y", "x")):
        world = tools.World()
        for title in titles:
            worker = world.worker()
            worker.apply([tools.upsert("a", 1, title)])
            worker.commit()
        ends.add(world.titles["a"])
    assert len(ends) == 1


def test_a_commit_settles_and_leaves_no_claim(world, tools):
    worker = world.worker()
    worker.apply([tools.upsert("a", 1), tools.upsert("b", 1)])
    assert len(world.claims.rows) == 2
    assert world.versions.rows == {}
    worker.commit()
    assert world.claims.rows == {}
    assert len(world.versions.rows) == 2
    assert worker.commit() == []


def test_what_a_dead_worker_claimed_is_gone_over_after_its_time(world, tools):
    dead, alive = world.worker(), world.worker()
    dead.apply([tools.upsert("a", 2)])
    world.rows["a"] = ("something older", 1)
    assert alive.sweep(10) == 0
    world.now_ms += LEASE_MS + 1
    assert alive.sweep(10) == 1
    alive.commit()
    assert world.titles == {"a": "a v2"}
    assert world.claims.rows == {}


def test_what_many_dead_workers_left_is_gone_over_a_part_at_a_time(world, tools):
    for number in range(5):  # each held a newer version of the same items than the one before
        world.worker().apply([tools.upsert(f"i{place}", number) for place in range(4)])
    world.rows.clear()
    world.now_ms += LEASE_MS + 1
    alive, parts = world.worker(), []
    while not parts or parts[-1]:
        parts.append(alive.sweep(6))
        alive.commit()
    assert max(parts) == 6
    assert world.titles == {f"i{place}": f"i{place} v4" for place in range(4)}
    assert world.claims.rows == {}


def test_claims_that_stay_do_not_keep_the_next_from_their_turn(world, tools):
    world.worker().apply([tools.upsert(f"i{place}", 1) for place in range(6)])
    world.now_ms += LEASE_MS + 1
    alive = world.worker()
    assert [alive.sweep(4), alive.sweep(4)] == [4, 2]  # nothing is committed in between, and so none withdrawn


def test_backfill_goes_by_pages_and_says_what_changed(world, tools):
    old, new = world.worker(revision=1), world.worker(revision=2)
    old.apply([tools.upsert(name, 7) for name in "abc"])
    old.commit()
    backfill = tools.Backfill(new)
    said = [row for _ in range(3) for row in backfill.some(2)]
    new.commit()
    assert [(row["id"], row["version"]) for row in said] == [("a", 7), ("b", 7), ("c", 7)]
    assert {revision for _, revision in world.rows.values()} == {2}
    assert backfill.some(2) == []
    assert world.claims.rows == {}


# Workers at once


def history(rng, names, length):
    """Events in the order of their source, and what is there after them."""
    from nearclass.ingest.worker.events import Event, EventKind

    versions, end, events = dict.fromkeys(names, 0), {}, []
    for _ in range(length):
        name = rng.choice(names)
        versions[name] += 1
        if rng.random() < 0.25:
            events.append(Event(EventKind.ITEM_DELETE, name, versions[name]))
            end.pop(name, None)
        else:
            title = f"{name} v{versions[name]}"
            events.append(Event(EventKind.ITEM_UPSERT, name, versions[name], {"title": title}))
            end[name] = title
    return events, end


PAIRS = {
    "an older and a newer version": (lambda tools: tools.upsert("a", 3), lambda tools: tools.upsert("a", 5)),
    "an older version and a later delete": (lambda tools: tools.upsert("a", 3), lambda tools: tools.delete("a", 5)),
    "a delete and a newer version": (lambda tools: tools.delete("a", 3), lambda tools: tools.upsert("a", 5)),
    "a new answer and a newer version": (None, lambda tools: tools.upsert("a", 5)),
    "a new answer and a delete": (None, lambda tools: tools.delete("a", 5)),
}


def settle_between(tools, pair, orders):
    """Two workers at one item, in the order that is next; what is stored after both, None for an order tried before."""
    schedule = tools.Schedule(orders.pick)
    world = tools.World(schedule.step)
    before = world.worker(revision=1)
    before.apply([tools.upsert("a", 2)])
    before.commit()

    def one(make):
        worker = world.worker(revision=2)
        if make is None:
            tools.Backfill(worker).some(10)
        else:
            worker.apply([make(tools)])
        worker.commit()

    ended = schedule.run(*(lambda make=make: one(make) for make in pair))
    return world.titles if ended else None


@pytest.mark.parametrize("name", PAIRS)
def test_two_workers_at_one_item_in_every_order(tools, name):
    newest = PAIRS[name][1](tools)
    wanted = {} if newest.kind.ends else {"a": newest.values["title"]}
    orders, tried = tools.Orders(), 0
    while not tried or orders.again():
        found = settle_between(tools, PAIRS[name], orders)
        assert found in (wanted, None)
        tried += found is not None
    assert tried > 100


@pytest.mark.parametrize(
    ("first", "second", "orders"),
    [
        ([("rows", True)] * 3, [("rows", True)] * 2, 10),
        ([("rows", True)] * 3, [("claims", True)] * 2, 1),
        ([("rows", False)] * 3, [("rows", False)] * 2, 1),
        ([("rows", False), ("claims", True)], [("rows", True), ("claims", False)], 4),
    ],
)
def test_of_orders_that_come_to_the_same_one_is_tried(tools, first, second, orders):
    found, mine, ended = tools.Orders(), [], 0
    schedule = tools.Schedule(found.pick)

    def job(number, turns):
        for what, writes in turns:
            schedule.step(what, writes=writes)
            mine.append(number)

    while not mine or found.again():
        mine.clear()
        ended += schedule.run(lambda: job(0, first), lambda: job(1, second))
    assert ended == orders


def one_world(tools, seed, *, deaths, workers=3):
    """Workers share a stream out of order and with duplicates; what dies leaves its events to the next round."""
    rng = random.Random(seed)
    names = ["a"] if seed % 2 else ["a", "b"]
    events, end = history(rng, names, 3 * len(names))
    schedule = tools.Schedule(seed=seed, deaths=deaths)
    world = tools.World(schedule.step)
    todo = events + rng.choices(events, k=2)
    rng.shuffle(todo)
    for round_number in range(30):
        shares = [todo[place::workers] for place in range(workers)]
        done = []

        def work(share, done=done, anew=round_number % 2):
            worker = world.worker(revision=1 + anew)
            if anew:
                tools.Backfill(worker).some(10)
            for start in range(0, len(share), 2):
                batch = share[start : start + 2]
                worker.apply(batch)
                worker.commit()
                done.extend(batch)
            tools.Backfill(world.worker(revision=2)).some(10)

        schedule.run(*(lambda share=share: work(share) for share in shares))
        left = [event for event in todo if not any(event is one for one in done)]
        todo = left
        if not todo:
            break
        schedule.deaths /= 2
    schedule.deaths = 0.0
    if not deaths:
        assert world.titles == end, f"seed {seed}, before anything is swept up"

    def last():
        world.now_ms += LEASE_MS + 1
        worker = world.worker(revision=2)
        worker.sweep(1000)
        worker.commit()

    schedule.run(last)
    return world, end


@pytest.mark.parametrize("start", range(0, 400, 200))
def test_workers_in_any_order_end_with_the_newest_of_each_item(tools, start):
    for seed in range(start, start + 200):
        world, end = one_world(tools, seed, deaths=0.0)
        assert world.titles == end, f"seed {seed}"
        assert world.claims.rows == {}, f"seed {seed}"


@pytest.mark.parametrize("start", range(0, 400, 200))
def test_workers_that_die_anywhere_lose_and_resurrect_nothing(tools, start):
    for seed in range(start, start + 200):
        world, end = one_world(tools, seed, deaths=0.05)
        assert world.titles == end, f"seed {seed}"
        assert world.claims.rows == {}, f"seed {seed}"
