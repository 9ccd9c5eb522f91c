"""Merges and imports that are killed at random moments are whole or undone at the next open, and go on from there."""

import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import taxonomy_script

from nearclass import ClassSpec

SCRIPT = Path(taxonomy_script.__file__)


def run(database, *, kill_after=None):
    """Run the script, killed after so many seconds of work; how long it worked, and how many changes it said it made."""
    with subprocess.Popen([sys.executable, str(SCRIPT), str(database)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "open\n"
        started = time.monotonic()
        if kill_after is not None:
            time.sleep(kill_after)
            child.send_signal(signal.SIGKILL)
        said = child.stdout.read().split()
        child.wait(120)
        assert kill_after is not None or child.returncode == 0
        return time.monotonic() - started, int(said[-1]) if said else 0


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


@pytest.fixture
def states(tmp_path):
    """A database to begin with, and what it holds after each change, from none on."""
    with taxonomy_script.opened(tmp_path / "base.db") as catalog:
        taxonomy_script.begin(catalog)
    shutil.copytree(tmp_path / "base.db", tmp_path / "whole.db")
    with taxonomy_script.opened(tmp_path / "whole.db") as catalog:
        found = [contents(catalog)]
        for change in taxonomy_script.changes():
            change(catalog)
            found.append(contents(catalog))
    assert all(one != other for one, other in pairwise(found))
    return found


def check_kills(folder, states, kills, seed):
    shutil.copytree(folder / "base.db", folder / "timed.db")
    whole, _ = run(folder / "timed.db")
    moments, ends = random.Random(seed), []
    for number in range(kills):
        database = folder / f"killed-{number}.db"
        shutil.copytree(folder / "base.db", database)
        after = moments.uniform(0, whole)
        _, said = run(database, kill_after=after)
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


def test_merges_and_imports_that_are_killed_are_whole_or_undone(tmp_path, states):
    check_kills(tmp_path, states, 3, seed=20261121)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_many_kills_of_merges_and_imports_leave_nothing_mixed(tmp_path, states):
    ends = check_kills(tmp_path, states, 26, seed=5)
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
