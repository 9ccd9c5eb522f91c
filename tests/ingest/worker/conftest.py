"""A catalogue in memory, versions and claims in memory, and a scheduler that decides which worker moves next."""

import asyncio
import json
import random
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import pytest
from greenlet import getcurrent, greenlet

from nearclass.errors import BrokerError
from nearclass.ingest.worker.applying import Applier, Site
from nearclass.ingest.worker.backfill import Backfill
from nearclass.ingest.worker.events import Event, EventKind
from nearclass.ingest.worker.limits import Limits, Streams
from nearclass.ingest.worker.link import Message
from nearclass.ingest.worker.outcomes import Failure
from nearclass.ingest.worker.run import WorkerRun
from nearclass.store.source_versions import Claims, Versions


class Killed(BaseException):
    """The worker's process is gone, from one moment to the next."""


class Schedule:
    """Lets one worker at a time make its next call, as ``pick`` says; some die.

    The workers are greenlets: a switch costs a microsecond, where that of threads costs a hundred.

    Attributes:
        pick: Of the workers that are not done, each with what it would touch and whether it would write there, the
            one whose turn it is; None where nobody is to go on.
        deaths: How probable it is that a worker dies at a call.
    """

    def __init__(self, pick=None, *, seed=0, deaths=0.0):
        self.random = random.Random(seed)
        self.pick = pick or (lambda alive: self.random.choice(list(alive)))
        self.deaths = deaths

    def step(self, what, *, writes=False):
        """Called before each call to the store; outside of a run there is nobody to wait for."""
        if (scheduler := getcurrent().parent) is None:
            return
        scheduler.switch((what, writes))
        if self.random.random() < self.deaths:
            raise Killed

    def run(self, *jobs):
        """Run jobs, each in a greenlet, to their ends or deaths; whether they came there."""
        workers = [greenlet(partial(self._guarded, job)) for job in jobs]
        wanted = [worker.switch() for worker in workers]  # up to its first call
        while alive := {number: wanted[number] for number, worker in enumerate(workers) if not worker.dead}:
            if (chosen := self.pick(alive)) is None:
                return False
            wanted[chosen] = workers[chosen].switch()
        return True

    def _guarded(self, job):
        with suppress(Killed):
            job()


class Orders:
    """Every order of the turns of several workers, one of all that come to the same.

    Two turns that touch different things, or that both read, come to the same in either order. Such orders are tried
    once (sleep sets: Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996, chapter 5).
    """

    def __init__(self):
        self._path = []
        self._place = 0

    def pick(self, alive):
        """Whose turn it is; None where all that can follow was tried elsewhere."""
        if self._place == len(self._path):
            node = SimpleNamespace(alive=alive, asleep=self._still_asleep(), chosen=None)
            if not self._choose(node):
                return None
            self._path.append(node)
        self._place += 1
        return self._path[self._place - 1].chosen

    def again(self):
        """Whether there is an order that was not tried; if so it is the next one."""
        self._place = 0
        while self._path:
            node = self._path[-1]
            node.asleep[node.chosen] = node.alive[node.chosen]
            if self._choose(node):
                return True
            self._path.pop()
        return False

    def _choose(self, node):
        node.chosen = next((worker for worker in node.alive if worker not in node.asleep), None)
        return node.chosen is not None

    def _still_asleep(self):
        """Workers whose turn was tried in the place of the last one, and would come to the same after it."""
        if not self._path:
            return {}
        last = self._path[-1]
        what, writes = last.alive[last.chosen]
        return {
            worker: (other, too) for worker, (other, too) in last.asleep.items() if what != other or not (writes or too)
        }


class MemoryVersions(Versions):
    def __init__(self, step):
        self.rows = {}
        self.step = step

    def known(self, targets):
        self.step("versions")
        return {target: self.rows[target] for target in targets if target in self.rows}

    def settle(self, stamps):
        self.step("versions", writes=True)
        self.rows |= {stamp.target: stamp for stamp in stamps}


class MemoryClaims(Claims):
    def __init__(self, step):
        self.rows = {}
        self.step = step

    def announce(self, claims):
        self.step("claims", writes=True)
        self.rows |= {claim.key: claim for claim in claims}

    def of(self, targets):
        self.step("claims")
        found = {}
        for claim in self.rows.values():
            if claim.target in targets:
                found.setdefault(claim.target, []).append(claim)
        return found

    def older(self, than_ms, *, limit=None, after=""):
        self.step("claims")
        found = [claim for key, claim in sorted(self.rows.items()) if claim.at_ms < than_ms and key > after]
        return found[:limit]

    def withdraw(self, claims):
        self.step("claims", writes=True)
        for claim in claims:
            self.rows.pop(claim.key, None)


class MemoryTarget:
    """Items by id: the title and the revision they were answered under. A title ``bad`` cannot be stored."""

    def __init__(self, rows, step, *, revision=1):
        self.rows = rows
        self.step = step
        self.revision = revision
        self.expected = []

    def expect(self, events):
        self.expected.append([event.id for event in events])

    def put(self, events):
        results = []
        for event in events:
            self.step("rows", writes=True)
            if event.values.get("title") == "bad":
                results.append(Failure("bad_title", "it is bad"))
            elif event.values.get("title") == "broken":
                results.append(Failure("failed", "the device is gone"))
            elif event.kind is EventKind.ITEM_DELETE:
                self.rows.pop(event.id, None)
                results.append(None)
            else:
                self.rows[event.id] = (event.values["title"], self.revision)
                results.append({"id": event.id, "title": event.values["title"]})
        return results

    def flush(self):
        pass

    def behind(self):
        self.step("rows")
        return any(revision < self.revision for _, revision in self.rows.values())

    def others(self, limit):
        self.step("rows")
        old = [name for name, (_, revision) in sorted(self.rows.items()) if revision < self.revision]
        return {f"key {name}": name for name in old[:limit]}

    def answer_anew(self, keys):
        names = [key.removeprefix("key ") for key in keys]
        self.step("rows")
        read = {name: self.rows[name] for name in names if name in self.rows}
        for name, (title, _) in read.items():
            self.step("rows", writes=True)
            self.rows[name] = (title, self.revision)
        return {f"key {name}": {"id": name} for name in read}


def nothing(what, *, writes=False):
    """No other worker."""


def upsert(name, version, title=None):
    return Event(EventKind.ITEM_UPSERT, name, version, {"title": title or f"{name} v{version}"})


def delete(name, version):
    return Event(EventKind.ITEM_DELETE, name, version)


class World:
    """One store, and any number of workers on it."""

    def __init__(self, step=nothing):
        self.step = step
        self.rows = {}
        self.versions = MemoryVersions(step)
        self.claims = MemoryClaims(step)
        self.now_ms = 1_000_000_000
        self.numbers = 0

    def worker(self, *, revision=1):
        self.numbers += 1
        target = MemoryTarget(self.rows, self.step, revision=revision)
        return Applier(Site(target, self.versions, self.claims, f"w{self.numbers}", now_ms=lambda: self.now_ms))

    @property
    def titles(self):
        return {name: title for name, (title, _) in self.rows.items()}


class MemoryLink:
    """A broker in memory: what is given to it is handed over by pages, what is written to it is there to look at."""

    def __init__(self, *bodies, page=3):
        self.todo = [Message(body, f"m{number}") for number, body in enumerate(bodies)]
        self.page = page
        self.streams = {}
        self.acked = []
        self.kept = []
        self.handed = 0
        self.away = 0
        self.calls = []

    async def start(self, take):
        self.feeding = asyncio.ensure_future(self.feed(take))

    async def feed(self, take):
        while self.todo:
            page, self.todo = self.todo[: self.page], self.todo[self.page :]
            await take(page)
            self.handed += len(page)

    async def publish(self, stream, bodies):
        self.fail()
        self.calls.append(("publish", stream))
        self.streams.setdefault(stream, []).extend(json.loads(body) for body in bodies)

    async def give_up(self, stream, letters):
        await self.publish(stream, [letter for _, letter in letters])
        await self.ack([message for message, _ in letters])

    async def ack(self, messages):
        self.fail()
        self.calls.append(("ack", len(messages)))
        self.acked += [message.name for message in messages]

    async def keep(self, messages):
        self.kept.append({message.name for message in messages})

    async def stop(self):
        self.feeding.cancel()

    def fail(self):
        if self.away > 0:
            self.away -= 1
            raise BrokerError("nobody is there")


def written(event):
    """An event as its source writes it."""
    return event.body.encode()


def work(link, applier, *, until, seconds=20.0, **limits):
    """Let a worker work until something is so; its status."""
    streams = Streams("in", "out", "dead")
    values = {"batch": 4, "flush_s": 0.02, "retry_s": 0.01, **limits}

    async def all_of_it():
        run = WorkerRun(link, applier, streams, limits=Limits(**values))
        working = asyncio.ensure_future(run.run())
        async with asyncio.timeout(seconds):
            while not until(run) and not working.done():  # noqa: ASYNC110 - any condition will do
                await asyncio.sleep(0.005)
            run.stop()
            await working
        return run.status

    return asyncio.run(all_of_it())


@pytest.fixture
def tools():
    return SimpleNamespace(
        World=World,
        Schedule=Schedule,
        Orders=Orders,
        Backfill=Backfill,
        Link=MemoryLink,
        upsert=upsert,
        delete=delete,
        written=written,
        work=work,
    )
