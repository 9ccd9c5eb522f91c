"""Merges and imports that are killed at random moments are whole or undone at the next open, and go on from there."""

import random
import shutil
from itertools import pairwise

import numpy as np
import pytest
import taxonomy_script
from prepared import Prepared
from thorough import times

from nearclass import ClassSpec

CHILD = """
import pyarrow, pymilvus
from taxonomy_script import changes, opened
def work(database):
    with opened(database) as catalog:
        print("open", flush=True)
        for done, change in enumerate(changes(), 1):
            change(catalog)
            print(done, flush=True)
"""


def contents(catalog):
    """Everything that a change of the classes writes, and what it means for items."""
    place = catalog._live.of(None).place
    evidence = {
        (row["class_id"], row["kind"], row["position"]): (row["text"], np.round(row["vector"], 5).tolist())
        for page in catalog.store.scan(place.evidence, fields=("class_id", "kind", "position", "text", "vector"))
        for row in page
    }
    marks = {document.body["mark"] for document in catalog._state.every("change")}
    assert catalog._state.every("change_open") == []
    assert {document.name.partition("/")[0] for document in catalog._state.every("change_before")} <= marks
    return {
        "classes": {spec.id: spec for spec in catalog.classes.taxonomy},
        "vectors": {one: np.round(vector, 5).tolist() for one, vector in catalog.class_vectors().items()},
        "evidence": evidence,
        "items": [(item.id, item.class_id, item.confirmed_class) for item in catalog.items().list()],
        "log": [(entry.revision, entry.command, entry.count) for entry in catalog.classes.log()],
        "revision": catalog.classes.taxonomy.revision,
        "best": [answer.candidates[0].class_id for answer in catalog.assign(["thing 1", "thing 2", "Class 3"])],
    }


@pytest.fixture(scope="module")
def processes():
    with Prepared(CHILD) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A database to begin with."""
    path = tmp_path_factory.mktemp("base") / "base.db"
    with taxonomy_script.opened(path) as catalog:
        taxonomy_script.begin(catalog)
    return path


@pytest.fixture(scope="module")
def states(base, tmp_path_factory):
    """What it holds after each change, from none on."""
    whole = shutil.copytree(base, tmp_path_factory.mktemp("whole") / "whole.db")
    with taxonomy_script.opened(whole) as catalog:
        found = [contents(catalog)]
        for change in taxonomy_script.changes():
            change(catalog)
            found.append(contents(catalog))
    assert all(one != other for one, other in pairwise(found))
    return found


def check_kills(processes, folder, base, states, kills, seed):
    shutil.copytree(base, folder / "timed.db")
    whole, _ = processes.run(folder / "timed.db")
    moments, ends = random.Random(seed), []
    for number in range(kills):
        database = folder / f"killed-{number}.db"
        shutil.copytree(base, database)
        after = (number + moments.random()) / kills * whole
        _, printed = processes.run(database, kill_after=after)
        said = int(printed[-1]) if printed else 0
        with taxonomy_script.opened(database) as catalog:
            found = contents(catalog)
            assert found in states[said : said + 2], f"kill {number}, after {after:.3f} s and {said} changes"
            done = states.index(found)
            for change in list(taxonomy_script.changes())[done:]:
                change(catalog)
            assert contents(catalog) == states[-1]
        shutil.rmtree(database)
        ends.append((said, done))
    return ends


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_merges_and_imports_that_are_killed_are_whole_or_undone(processes, tmp_path, base, states):
    ends = check_kills(processes, tmp_path, base, states, times(12, 26), seed=5)
    assert any(said < done for said, done in ends)  # some were completed by the next open


def test_evidence_of_a_class_that_goes_does_not_outlive_it(tmp_path, monkeypatch):
    from nearclass.store import Store

    class CutError(Exception):
        pass

    real = Store.delete

    def delete(store, name, where):
        real(store, name, where)
        raise CutError  # after the first of the two

    with taxonomy_script.opened(tmp_path / "cut.db") as catalog:
        catalog.import_classes([ClassSpec("a", "A"), ClassSpec("b", "B")])
        monkeypatch.setattr(Store, "delete", delete)
        with pytest.raises(CutError):
            catalog.classes.retire("a")
        monkeypatch.undo()
    with taxonomy_script.opened(tmp_path / "cut.db") as catalog:
        assert {class_id for class_id, *_ in contents(catalog)["evidence"]} == {"b"}
