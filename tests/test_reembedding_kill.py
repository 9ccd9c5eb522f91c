"""A move to another encoder that is killed at a random moment is completed or undone, and never mixed."""

import random
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from prepared import Prepared
from remembering import RememberingEncoder
from thorough import times

from nearclass import Catalog, Item, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.store import Store
from nearclass.store.spaces import SpaceCollections, Spaces
from nearclass.store.state import State

WORDS = ("steel kettle", "gaming laptop", "leather boots", "garden hose", "running shoes", "toaster", "printer")
ITEMS = [Item(f"i{n}", title=f"{WORDS[n % 7]} {n}") for n in range(240)]
QUESTIONS = ["a kettle for tea", "boots of leather", "a notebook", "water the garden"]

# Small pages, so that a kill falls between, before and after many of them.
WRITES = ("upsert", "delete", "create", "point", "release", "drop")

CHILD = f"""
WRITES = {WRITES}
from nearclass import Catalog, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.ingest import answering, item_copies, reembed
from nearclass.store import Store
item_copies.CHUNK_ROWS = reembed.CHUNK_ROWS = answering._PAGE = 20
item_copies._FLUSH_ROWS = 60
encoders = [TextEncoder(describe(resolve(name)), device="cpu", precision="float32", threads=1) for name in arguments]
for encoder in encoders:
    encoder.encode(["warm up"], "item")
def told(method):
    def call(*args, **kwargs):
        result = method(*args, **kwargs)
        print(method.__name__, flush=True)
        return result
    return call
def work(database, step):
    with Catalog.open(settings=Settings(uri=database)) as catalog:
        for encoder in encoders:
            catalog._encoders.know(encoder)
        move = catalog.reembedding
        print("open", flush=True)
        for name in WRITES:
            setattr(Store, name, told(getattr(Store, name)))
        move.run(encoders[1]) if step == "run" else getattr(move, step)()
"""


@pytest.fixture(scope="module")
def other(tiny_model):
    return RememberingEncoder(describe(resolve(str(tiny_model))), device="cpu", precision="float32")


class Bench:
    """Databases before each step, and what a catalogue holds in either space."""

    def __init__(self, folder, encoder, other, shop, items=240, processes=None):
        self.folder, self.processes = folder, processes
        self.items = ITEMS[:items]
        self.encoders = {one.space.name: one for one in (encoder, other)}
        self.old, self.new = encoder.space.name, other.space.name
        base = folder / "run.db"
        with Catalog.open(settings=Settings(uri=str(base)), encoder=encoder) as catalog:
            catalog.import_classes(shop)
            catalog.ingest(self.items)
            catalog.items().confirm(["i0"], "kettles")
        self.writes = {}
        whole = self.after("run")
        with self.open(whole) as catalog:  # what a swap has to catch up
            catalog.ingest([Item("late", title="a late kettle"), Item("i1", title="a tablet")])
            catalog.items().delete(["i2"])
            catalog.classes.add("Gloves", id="gloves", parent="garden", descriptions=["Gloves for the garden."])
            catalog.reassign()
        shutil.copytree(whole, folder / "swap.db")
        self.truth = {("run", self.old): self.seen(base), ("swap", self.old): self.seen(whole)}
        swapped = self.after("swap")
        self.truth["swap", self.new] = self.seen(swapped)
        with self.open(swapped) as catalog:
            catalog.ingest([Item("later", title="a later printer")])
            catalog.items().delete(["i3"])
        shutil.copytree(swapped, folder / "rollback.db")
        self.truth["rollback", self.new] = self.seen(swapped)
        self.truth["rollback", self.old] = self.seen(self.after("rollback"))

    def after(self, step):
        database = self.folder / f"after-{step}.db"
        shutil.copytree(self.folder / f"{step}.db", database)
        if self.processes:
            self.writes[step] = len(self.processes.run(database, step)[1])
        else:
            with self.open(database) as catalog, counted(None) as writes:
                self.do(catalog, step)
            self.writes[step] = len(writes)
        return database

    def do(self, catalog, step):
        move = catalog.reembedding
        move.run(self.encoders[self.new]) if step == "run" else getattr(move, step)()

    def open(self, database):
        with Store.open(str(database)) as store:
            serving = Spaces(State(store, "default")).texts().serving
        catalog = Catalog.open(settings=Settings(uri=str(database)), encoder=self.encoders[serving])
        for encoder in self.encoders.values():
            catalog._encoders.know(encoder)
        return catalog

    def seen(self, database):
        with self.open(database) as catalog:
            return self.held(catalog)

    def held(self, catalog):
        """Answers, all of one space, and stored items of the space that serves."""
        space = catalog._spaces.text_space()
        answers = catalog.assign(QUESTIONS)
        assert {one.space for one in answers} == {space.name}
        assert {piece.space for one in answers for piece in one.evidence} == {space.name}
        place = SpaceCollections.of("default", space)
        fields = ("item_id", "title", "row_hash", "confirmed_class", "class_id", "decision", "score", "vector")
        rows = [row for page in catalog.store.scan(place.items, fields=fields) for row in page]
        items = {row["item_id"]: (*(row[name] for name in fields[1:6]), round(row["score"], 2)) for row in rows}
        assert len(items) == len(rows) == catalog.store.count(place.items)
        mean = np.mean([row["vector"] for row in sorted(rows, key=lambda row: row["item_id"])], axis=0)
        scores = [[(one.class_id, round(one.score, 3)) for one in answer.candidates] for answer in answers]
        return space.name, scores, items, np.round(mean, 4).tolist()


class CutError(BaseException):
    """As if the process had died."""


@contextmanager
def counted(most):
    """Every write to a store from now on; after so many, nothing is written any more."""
    writes = []

    def wrapped(method):
        def call(*args, **kwargs):
            if most is not None and len(writes) >= most:
                raise CutError
            writes.append(method.__name__)
            return method(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(Store, name, wrapped(getattr(Store, name)))
        yield writes


@pytest.fixture(scope="module")
def bench(tmp_path_factory, real_encoder, other, tiny_model):
    from .conftest import SHOP

    with Prepared(CHILD, "minilm", tiny_model) as processes:
        yield Bench(tmp_path_factory.mktemp("moves"), real_encoder, other, SHOP, processes=processes)


@pytest.fixture(scope="module")
def small(tmp_path_factory, real_encoder, other):
    from .conftest import SHOP

    return Bench(tmp_path_factory.mktemp("small"), real_encoder, other, SHOP, 12)


def check(bench, step, rounds, seed):
    """Kill a step at random moments, spread over its writes; then complete it, or every second time undo it.

    The last kill is after the last write, or just before it: the switch comes late, and would be missed by most.
    """
    moments, seen = random.Random(seed), set()
    for number in range(rounds):
        database = bench.folder / f"{step}-{number}.db"
        shutil.copytree(bench.folder / f"{step}.db", database)
        after = int((number + moments.random()) / rounds * bench.writes[step])
        if number == rounds - 1:
            after = bench.writes[step] - (0 if bench.processes else 1)
        if bench.processes:
            bench.processes.run(database, step, lines=after, kill_after=moments.uniform(0, 0.02))
        else:
            with bench.open(database) as catalog, counted(after), pytest.raises(CutError):
                bench.do(catalog, step)
        where = f"{step}, round {number}, killed after {after} of {bench.writes[step]} writes"
        with bench.open(database) as catalog:
            move = catalog.reembedding
            found = bench.held(catalog)
            seen.add((found[0], move.status().step))
            assert found == bench.truth[step, found[0]], where
            if step == "rollback":
                if found[0] == bench.new:
                    move.rollback()
                assert bench.held(catalog) == bench.truth[step, bench.old], where
            elif number % 2:
                if move.status().step != "none":
                    move.rollback()
                assert bench.held(catalog) == bench.truth[step, bench.old], where
            else:
                if step == "run":
                    move.run(bench.encoders[bench.new])
                    move.swap()
                    assert bench.held(catalog)[0] == bench.new, where
                    assert set(bench.held(catalog)[2]) == {one.id for one in bench.items}, where
                else:
                    move.swap()
                    assert bench.held(catalog) == bench.truth[step, bench.new], where
                move.drop()
                assert [space.name for space in catalog._spaces.stored()] == [bench.new], where
        shutil.rmtree(database)
    return seen


def test_a_move_cut_off_before_any_write_is_completed_or_undone(small):
    check(small, "run", 4, 11)
    seen = check(small, "swap", 4, 12)
    assert seen
    check(small, "rollback", 2, 13)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_kills_at_random_moments_complete_or_undo_and_never_mix(bench):
    """With those of merges and imports, fifty where it is thorough."""
    seen = check(bench, "run", times(4, 10), 1)
    assert {step for _, step in seen} >= {"filling"}
    seen = check(bench, "swap", times(6, 10), 2)
    assert len({space for space, _ in seen}) == 2, "no kill fell on each side of the switch"
    check(bench, "rollback", times(2, 4), 3)
