"""Several workers on one server, with kills of whatever there is."""

import json
import random
import time
from functools import partial
from types import SimpleNamespace

import pytest
from thorough import times

from nearclass import Catalog, Settings
from nearclass.ingest.worker.applying import LEASE_MS, Applier, Site
from nearclass.ingest.worker.target import CatalogTarget
from nearclass.store.source_versions import Claims, Versions
from nearclass.worker import _put_classes


@pytest.fixture
def server(tmp_path, tools):
    folder = tmp_path / "server"
    folder.mkdir()
    found = tools.brokers.MilvusLite(folder)
    found.start()
    tools.fill(found.url)
    yield found
    found.close()


@pytest.fixture
def crowd(server, tmp_path, start, tools):
    """A server, Redis, and workers."""
    folder = tmp_path / "redis"
    folder.mkdir()
    redis = tools.brokers.Redis(folder)
    redis.start()

    def left():
        return redis.left(tools.STREAM, tools.GROUP)

    yield SimpleNamespace(
        redis=redis,
        server=server,
        start=lambda *options, **kwargs: start(server.url, redis, *options, **kwargs),
        send=lambda bodies: redis.send(tools.STREAM, bodies),
        left=left,
        done=lambda seconds=120: tools.brokers.wait_for(lambda: left() == 0, "every message is acknowledged", seconds),
        dead=lambda: [json.loads(one) for one in redis.read(f"{tools.STREAM}.dead")],
        stored=lambda: tools.stored(server.url),
    )
    redis.close()


def history(tools, rng, count, names):
    """Events in the order of their source, and what is there after them: title and class by id."""
    versions, end, events = dict.fromkeys(names, 0), {}, []
    for _ in range(count):
        name, near = rng.choice(names), rng.choice(list(tools.CORNERS))
        versions[name] += 1
        if rng.random() < 0.2:
            events.append(tools.gone(name, versions[name]))
            end.pop(name, None)
        else:
            events.append(tools.item(name, versions[name], near))
            end[name] = (f"{name} v{versions[name]}", near)
    return events, end


@pytest.mark.slow
def test_two_workers_share_a_stream_and_agree(crowd, tools):
    rng = random.Random(1)
    events, end = history(tools, rng, 400, [f"i{number}" for number in range(40)])
    rng.shuffle(events)
    workers = [crowd.start("--batch", "16") for _ in range(2)]
    for worker in workers:
        worker.url()
    crowd.send(events + events[:50])
    crowd.done()
    counts = [worker.end() for worker in workers]
    assert [code for code, _ in counts] == [0, 0]
    assert min(count["received"] for _, count in counts) > 0
    assert sum(count["received"] for _, count in counts) == 450
    assert crowd.stored() == end


@pytest.mark.slow
def test_a_store_that_dies_is_waited_for_and_kills_no_event(crowd, tools):
    worker = crowd.start()
    worker.url()
    crowd.send([tools.item(f"i{number}", 1) for number in range(50)])
    crowd.done()
    crowd.server.kill()
    crowd.send([tools.item(f"i{number}", 1) for number in range(50, 100)])
    tools.brokers.wait_for(lambda: worker.get("/readyz")[0] == 503, "it says that it waits")
    assert "nobody" in worker.get("/readyz")[1] or "trouble" in worker.get("/readyz")[1]
    assert crowd.left() == 50
    crowd.server.start()
    crowd.done()
    assert worker.get("/readyz")[0] == 200
    assert crowd.dead() == []
    assert worker.end()[0] == 0
    assert len(crowd.stored()) == 100


@pytest.mark.slow
def test_a_worker_whose_group_is_deleted_ends_rather_than_wait_for_ever(crowd, tools):
    worker = crowd.start("--reclaim-s", "2")
    crowd.send([tools.item("a", 1)])
    worker.url()
    crowd.done()
    with crowd.redis.client() as client:
        client.flushall()
    assert worker.process.wait(30) == 1
    assert "is not read any more" in worker.process.stderr.read()


def gone_over(url):
    """The claims that are left when their time has passed and another worker has gone over those of dead ones."""
    later = time.time_ns() // 1_000_000 + LEASE_MS + 60_000
    with Catalog.open(settings=Settings(uri=url)) as catalog, catalog.writing() as writer:
        put = partial(_put_classes, catalog, None)
        target = CatalogTarget(writer, lambda: catalog.items().stored, catalog.classes, put)
        claims = Claims(catalog.store, "default")
        after = Applier(Site(target, Versions(catalog.store, "default"), claims, "after", now_ms=lambda: later))
        for _ in range(30):
            if not after.sweep(100):
                break
            after.commit()
        return claims.older(2**62)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_broker_and_store_that_are_killed_at_random_lose_and_double_nothing(crowd, tools):
    rng = random.Random(5)
    names = [f"i{number}" for number in range(300)]
    events, end = history(tools, rng, times(1500, 3000), names)
    poison = [b"poison %d" % number for number in range(times(15, 30))]
    todo = events + rng.choices(events, k=300) + poison
    rng.shuffle(todo)
    workers = [crowd.start("--batch", "32") for _ in range(3)]
    kills = 0
    for start in range(0, len(todo), 150):
        crowd.send(todo[start : start + 150])
        time.sleep(rng.uniform(0.1, 0.6))
        place = rng.randrange(3)
        workers[place].process.kill()
        workers[place].close()
        workers[place] = crowd.start("--batch", "32")
        kills += 1
        if start % 600 == 0:
            victim = rng.choice([crowd.redis, crowd.server])
            victim.kill()
            victim.start()
    assert kills > times(8, 15)
    crowd.done(400)
    for worker in workers:
        worker.end()
    assert crowd.stored() == end
    assert {one["body"].encode() for one in crowd.dead()} == set(poison)
    assert gone_over(crowd.server.url) == []
    assert crowd.stored() == end
