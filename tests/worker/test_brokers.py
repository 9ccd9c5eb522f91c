"""A worker process on each real broker: what goes in, what stands in the store, what comes out."""

import asyncio
import json
import signal
import time
from collections import Counter
from functools import partial

import pytest

from nearclass.ingest.worker.brokers import open_link


@pytest.mark.parametrize("broker", ["redis", "nats", pytest.param("rabbit", marks=pytest.mark.slow)], indirect=True)
def test_events_in_any_order_end_as_the_newest_says_and_bad_ones_are_dead_letters(site):
    good = [site.item(f"i{number}", 1, "boots" if number % 2 else "kettles") for number in range(30)]
    late = [site.item("i3", 4, "spades"), site.item("i3", 3), site.gone("i4", 9), site.item("i4", 8)]
    bad = [
        b"garbage",
        json.dumps({"event": "item.upsert", "id": "x", "version": 1, "item": {"vector": [1.0]}}).encode(),
    ]
    site.send(*good, *late, *bad, *good[:10])
    worker = site.start()
    site.done(worker)
    began = time.monotonic()
    code, counts = worker.end()
    assert code == 0
    assert time.monotonic() - began < 30
    found = site.stored()
    assert set(found) == {f"i{number}" for number in range(30)} - {"i4"}
    assert found["i3"] == ("i3 v4", "spades")
    assert found["i5"] == ("i5 v1", "boots")
    assert counts["received"] == 46
    assert {one["code"] for one in site.dead()} == {"bad_json", "bad_vector"}
    answers = {row["id"]: row for row in site.answers()}
    assert answers["i3"]["class_id"] == "spades"
    assert answers["i3"]["version"] == 4
    assert set(answers) >= set(found)
    assert set(answers["i5"]) == {
        "id", "decision", "class_id", "path", "score", "confidence", "margin", "candidates", "evidence", "truncated",
        "space", "revision", "version",
    }  # fmt: skip


def test_a_worker_that_is_killed_leaves_its_events_to_the_next(site):
    site.send(*(site.item(f"i{number}", 1) for number in range(200)))
    # It flushes only the first batch, so that most is not acknowledged when it dies.
    first = site.start("--flush-s", "600", "--batch", "50")
    site.wait_for(lambda: 'became="applied"} 200' in first.get("/metrics")[1], "everything is written")
    first.end(signal.SIGKILL)
    second = site.start()
    site.wait_for(lambda: "received_total 0.0" not in second.get("/metrics")[1], "the events come again", 90)
    site.done(second)
    code, counts = second.end()
    assert code == 0
    assert counts["received"] >= 100
    assert set(site.stored()) == {f"i{number}" for number in range(200)}
    assert {row["id"] for row in site.answers()} == set(site.stored())


@pytest.mark.slow
def test_a_broker_that_restarts_is_waited_for_and_health_says_how_it_goes(site):
    site.send(*(site.item(f"i{number}", 1) for number in range(50)))
    worker = site.start()
    site.done(worker)
    assert [worker.get(f"/{page}")[0] for page in ("readyz", "healthz", "nothing")] == [200, 200, 404]
    site.broker.kill()
    time.sleep(1)
    site.broker.start()
    site.send(*(site.item(f"i{number}", 2) for number in range(50, 100)))
    site.wait_for(lambda: "received_total 50.0" not in worker.get("/metrics")[1], "it reads again", 90)
    site.done(worker)
    assert worker.end()[0] == 0
    assert len(site.stored()) == 100


@pytest.mark.slow
def test_dead_letters_go_back_and_are_stored_once_nothing_is_wrong_any_more(site):
    orphan = {"event": "class.upsert", "id": "steel", "version": 1, "class": {"name": "Steel", "parent": "tools"}}
    site.send(json.dumps(orphan).encode(), b"garbage")
    worker = site.start("--tries", "2")
    worker.url()
    site.wait_for(lambda: len(site.dead()) == 2, "there are dead letters")
    parent = {"event": "class.upsert", "id": "tools", "version": 1, "class": {"name": "Tools", "assignable": False}}
    site.send(json.dumps(parent).encode())
    site.done(worker)
    again = site.start("--replay-dead-letters")
    out, err = again.process.communicate(timeout=60)
    assert json.loads(out) == {"replayed": 2, "no_dead_letters": 0}, err
    site.wait_for(lambda: 'applied"} 2' in worker.get("/metrics")[1], "the class is stored")
    site.done(worker)
    worker.end()
    from nearclass import Catalog, Settings

    with Catalog.open(settings=Settings(uri=str(site.database))) as catalog:
        assert catalog.classes.taxonomy.path("steel") == ("Tools", "Steel")


@pytest.mark.parametrize("broker", ["redis", pytest.param("nats", marks=pytest.mark.slow)], indirect=True)
def test_a_message_that_is_delivered_twice_has_one_dead_letter(site):
    site.send(b"poison", b"another")
    dead = f"{site.stream}.dead"

    async def all_of_it():
        delivered = asyncio.Queue()
        links = [
            open_link(site.broker.url, site.stream, group="g", consumer=name, batch=10, reclaim_s=1.0, others=[dead])
            for name in ("first", "second")
        ]

        async def take(link, messages):
            for message in messages:
                await delivered.put((link, message))

        try:
            for link in links:
                await link.start(partial(take, link))
            # Nobody gives a sign of life of the messages, so that they come again, to one or the other.
            found = []
            async with asyncio.timeout(30):
                while min(Counter([b"poison", b"another", *(message.body for _, message in found)]).values()) < 3:
                    found.append(await delivered.get())
            for link, message in found:
                await link.give_up(dead, [(message, b"letter of " + message.body)])
        finally:
            for link in links:
                await link.stop()

    asyncio.run(all_of_it())
    assert sorted(site.broker.read(dead)) == [b"letter of another", b"letter of poison"]
    assert site.broker.left(site.stream, "g") == 0


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["redis"], indirect=True)
def test_a_message_of_faststream_itself_is_understood(site):
    from faststream.redis import RedisBroker

    async def publish():
        async with RedisBroker(site.broker.url) as broker:
            await broker.publish(json.loads(site.item("a", 1)), stream=site.stream)

    asyncio.run(publish())
    worker = site.start()
    site.done(worker)
    worker.end()
    assert set(site.stored()) == {"a"}
