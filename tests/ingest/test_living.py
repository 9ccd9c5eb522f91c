"""Random sequences of changes leave the same classes, history and answers as a catalogue of plain dictionaries."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from numbering import NumberingEncoder
from plain_classes import PlainCatalogue, RefusedError
from thorough import times

from nearclass import Catalog, ClassSpec, Item, Settings
from nearclass.errors import EmptyTaxonomyError, TaxonomyError
from nearclass.ingest.class_mapping import Lead
from nearclass.ingest.sources import RawRow
from nearclass.ingest.versions import read_version
from nearclass.schemas.records import ClassState

SPACE, DIM = "given", 6

NAMES = st.sampled_from(["Kettles", "kettles", "Jugs", "Mugs", "Pans", "Pots", "Cups"])
WHICH = st.integers(0, 30)
SEEDS = st.integers(0, 500)


def vector(seed):
    return tuple(np.random.default_rng(seed).normal(size=DIM).tolist())


class Living(RuleBasedStateMachine):
    """A real catalogue beside a plain one; both are told the same."""

    folder = None

    def __init__(self):
        super().__init__()
        self.path = self.folder / "living.db"
        self.encoder = NumberingEncoder()
        self.plain = PlainCatalogue()
        self.number = 0
        self.catalog = self.opened()

    def opened(self):
        return Catalog.open(settings=Settings(uri=str(self.path), author="anna"), encoder=self.encoder)

    def new_id(self):
        self.number += 1
        return f"c{self.number:02}"

    def pick(self, which):
        ids = sorted(self.plain.specs)
        return ids[which % len(ids)]

    def both(self, real, plain):
        """Tell both; a change that one refuses the other must refuse too."""
        try:
            plain()
        except RefusedError:
            with pytest.raises(TaxonomyError):
                real()
        else:
            real()
        self.same_classes()

    def same_classes(self):
        taxonomy = self.catalog.classes.taxonomy
        assert {spec.id: spec for spec in taxonomy} == self.plain.specs
        assert taxonomy.revision == self.plain.revision
        assert set(taxonomy.assignable()) == self.plain.assignable()

    # Classes

    @initialize(seeds=st.lists(SEEDS, min_size=3, max_size=3, unique=True))
    def begin(self, seeds):
        names = (("Home", None), ("Kettles", "c01"), ("Mugs", "c01"))
        specs = [
            ClassSpec(self.new_id(), name, parent, vector=vector(seed))
            for (name, parent), seed in zip(names, seeds, strict=True)
        ]
        self.both(lambda: self.catalog.import_classes(specs, space=SPACE), lambda: self.plain.take(specs))
        self.ingest([1, 2])

    @rule(name=NAMES, parent=st.none() | WHICH)
    def add(self, name, parent):
        class_id, above = self.new_id(), None if parent is None else self.pick(parent)
        self.both(
            lambda: self.catalog.classes.add(name, id=class_id, parent=above),
            lambda: self.plain.add(class_id, name, above),
        )

    @rule(
        which=WHICH,
        synonyms=st.lists(NAMES, max_size=2).map(tuple),
        assignable=st.sampled_from([None, None, True, False]),
    )
    def edit(self, which, synonyms, assignable):
        class_id, values = self.pick(which), {"synonyms": synonyms, "assignable": assignable}
        self.both(lambda: self.catalog.classes.edit(class_id, **values), lambda: self.plain.edit(class_id, **values))

    @rule(which=WHICH, name=NAMES)
    def rename(self, which, name):
        class_id = self.pick(which)
        self.both(
            lambda: self.catalog.classes.rename(class_id, name), lambda: self.plain.edit(class_id, "rename", name=name)
        )

    @rule(which=WHICH, under=st.none() | WHICH)
    def move(self, which, under):
        class_id, above = self.pick(which), None if under is None else self.pick(under)
        self.both(lambda: self.catalog.classes.move(class_id, above), lambda: self.plain.move(class_id, above))

    @rule(which=st.lists(WHICH, min_size=1, max_size=2), into=WHICH, evidence=st.booleans())
    def merge(self, which, into, evidence):
        ids, target = [self.pick(one) for one in which], self.pick(into)
        self.both(
            lambda: self.catalog.classes.merge(ids, target, evidence=evidence),
            lambda: self.plain.merge(ids, target, evidence=evidence),
        )

    @rule(which=WHICH, names=st.lists(NAMES, min_size=2, max_size=2), retire=st.booleans())
    def split(self, which, names, retire):
        class_id, parts = self.pick(which), [(self.new_id(), name) for name in names]
        rows = [{"id": part, "name": name} for part, name in parts]
        self.both(
            lambda: self.catalog.classes.split(class_id, rows, retire=retire),
            lambda: self.plain.split(class_id, parts, retire=retire),
        )

    @rule(which=WHICH)
    def retire(self, which):
        class_id = self.pick(which)
        plain = lambda: self.plain.set_state(class_id, ClassState.RETIRED, "retire")  # noqa: E731
        self.both(lambda: self.catalog.classes.retire(class_id), plain)

    @rule(which=WHICH)
    def restore(self, which):
        class_id = self.pick(which)
        plain = lambda: self.plain.set_state(class_id, ClassState.ACTIVE, "restore")  # noqa: E731
        self.both(lambda: self.catalog.classes.restore(class_id), plain)

    @rule(which=WHICH, seeds=st.tuples(SEEDS, SEEDS), name=NAMES)
    def import_with_vectors(self, which, seeds, name):
        old, new = self.plain.specs[self.pick(which)], self.new_id()
        specs = [
            ClassSpec(new, f"{name} {new}", self.plain.follow(old.id), vector=vector(seeds[0])),
            ClassSpec(
                old.id,
                old.name,
                old.parent_id,
                ("Described.",),
                vector=vector(seeds[1]),
                state=old.state,
                attributes=old.attributes,
            ),
        ]
        self.both(lambda: self.catalog.import_classes(specs, space=SPACE), lambda: self.plain.take(specs))

    @rule(which=WHICH)
    def import_version(self, which):
        old, new = self.pick(which), self.new_id()
        if not self.plain.live(old):
            return
        spec, taxonomy = self.plain.specs[old], self.catalog.classes.taxonomy
        row = {"id": new, "name": spec.name} | ({} if spec.parent_id is None else {"parent": spec.parent_id})
        place = RawRow(row, "new.jsonl", 1, 0)
        version = read_version([place], taxonomy, [Lead((old,), ((new,),), place)])
        assert (version.leads, version.rejects) == ({old: new}, ())
        self.both(
            lambda: self.catalog.import_classes(version.specs, base=taxonomy), lambda: self.plain.take_version(old, new)
        )

    @rule(back=st.integers(0, 6))
    def rollback(self, back):
        revision = max(0, self.plain.revision - back)
        self.both(lambda: self.catalog.classes.rollback(revision), lambda: self.plain.rollback(revision))

    @rule(back=st.integers(0, 8))
    def look_back(self, back):
        revision = max(0, self.plain.revision - back)
        assert {spec.id: spec for spec in self.catalog.classes.at(revision)} == self.plain.was[revision]

    @rule()
    def reopen(self):
        self.catalog.close()
        self.catalog = self.opened()
        self.same_classes()

    # Items

    @rule(seeds=st.lists(SEEDS, min_size=1, max_size=3, unique=True))
    def ingest(self, seeds):
        if self.plain.nearest(np.zeros(DIM, np.float32)) is None:
            return
        fresh = {f"i{seed}": vector(seed + 1000) for seed in seeds if f"i{seed}" not in self.plain.items}
        self.catalog.ingest([Item(one, vector=values) for one, values in fresh.items()], space=SPACE)
        self.plain.ingest(fresh)

    @precondition(lambda self: self.plain.items)
    @rule(item=WHICH, which=WHICH)
    def confirm(self, item, which):
        item_id, class_id = sorted(self.plain.items)[item % len(self.plain.items)], self.pick(which)
        self.catalog.items(SPACE).confirm([item_id], class_id)
        self.plain.confirmed[item_id] = self.plain.follow(class_id)

    @precondition(lambda self: self.plain.confirmed)
    @rule(item=WHICH)
    def unconfirm(self, item):
        item_id = sorted(self.plain.confirmed)[item % len(self.plain.confirmed)]
        self.catalog.items(SPACE).unconfirm([item_id])
        del self.plain.confirmed[item_id]

    @rule()
    def answers(self):
        """What is answered now, and what stored items say after they were answered anew."""
        items = self.catalog.items(SPACE)
        rows = {one.id: one for one in items.list()}
        confirmed = {one: self.plain.follow(class_id) for one, class_id in self.plain.confirmed.items()}
        assert {one: row.confirmed_class for one, row in rows.items()} == dict.fromkeys(self.plain.items) | confirmed
        asked = [Item(one, vector=tuple(values.tolist())) for one, values in self.plain.items.items()]
        if self.plain.nearest(np.zeros(DIM, np.float32)) is None:
            with pytest.raises(EmptyTaxonomyError):
                self.catalog.assign(asked, space=SPACE)
            return
        answers = {one.id: one for one in self.catalog.assign(asked, space=SPACE, explain=False)}
        for answer in answers.values():
            best, score = self.plain.nearest(self.plain.items[answer.id])
            assert answer.candidates[0].class_id == best
            assert answer.score == pytest.approx(score, abs=1e-5)
            assert answer.revision == self.plain.revision
        items.reassign()
        if self.plain.looked < self.plain.revision:
            for row in items.list():
                self.is_answered(row, rows[row.id], answers[row.id])
            self.plain.looked = self.plain.revision

    def is_answered(self, row, before, answer):
        """A stored item has the answer of now, unless it has the class that a person confirmed."""
        confirmed = row.confirmed_class
        if confirmed and before.class_id == confirmed != answer.class_id:
            assert row == before
        else:
            assert (row.class_id, row.decision) == (answer.class_id, answer.decision)
            assert row.score == pytest.approx(answer.score, abs=0.006)  # one that hardly moved is left
            assert row.revision <= self.plain.revision

    def teardown(self):
        try:
            if self.plain.items:
                self.answers()
            for revision, specs in self.plain.was.items():
                assert {spec.id: spec for spec in self.catalog.classes.at(revision)} == specs
            log = self.catalog.classes.log()
            assert [(entry.revision, entry.command) for entry in log] == self.plain.commands
            assert set(self.catalog.class_vectors(SPACE)) == self.plain.assignable() & self.plain.vectors.keys()
            if self.catalog._spaces.text_space():
                assert set(self.catalog.class_vectors()) == self.plain.assignable()
        finally:
            self.catalog.close()
            shutil.rmtree(self.path)


def run(folder, sequences, steps):
    machine = type("LivingHere", (Living,), {"folder": folder})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # to make a sequence shorter, databases would be opened for minutes
        ),
    )


def test_random_changes_leave_what_a_plain_catalogue_has(tmp_path):
    run(tmp_path, 5, 12)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_many_random_sequences_of_changes_never_diverge(tmp_path):
    run(tmp_path, times(20, 100), 20)
