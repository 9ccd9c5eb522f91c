"""Learning that is killed at a random moment leaves what was before or what is after, and can be done again."""

import json
import random
import shutil

import numpy as np
import pytest
from prepared import Prepared

from nearclass import Catalog, Item, Settings

KILLS = 4
TITLES = {
    "kettles": "jug with a spout",
    "toasters": "slots for slices",
    "laptops": "notebook 14 inch",
    "printers": "laser, duplex",
    "boots": "ankle high, lined",
}
CHILD = """
import json
import pyarrow, pymilvus, sklearn
from nearclass import Catalog, Item, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.ingest.labelled import Labelled
encoder = TextEncoder(describe(resolve("minilm")), precision="float32", threads=1)
encoder.encode(["warm up"], "item")
rows = [Labelled(Item(str(n), title=title), frozenset({label})) for n, (title, label) in enumerate(json.loads(arguments[0]))]
def work(database):
    with Catalog.open(settings=Settings(uri=database), encoder=encoder) as catalog:
        print("open", flush=True)
        print(catalog.learn(rows).version, flush=True)
"""
LABELS = [(f"{title} {number}", class_id) for class_id, title in TITLES.items() for number in range(12)]


def answers(database, encoder):
    """Class vectors and answers of a database, as whoever opens it next finds them."""
    with Catalog.open(settings=Settings(uri=str(database)), encoder=encoder) as catalog:
        found = catalog.assign(list(TITLES.values()), k=9)
        scores = [[(one.class_id, round(one.score, 3)) for one in answer.candidates] for answer in found]
        return catalog.learning.active_version(), scores


@pytest.mark.slow
def test_what_is_left_by_a_kill_is_whole(tmp_path, shop, encoder):
    base = tmp_path / "base.db"
    with Catalog.open(settings=Settings(uri=str(base)), encoder=encoder) as catalog:
        catalog.import_classes(shop)
        catalog.ingest([Item(f"i{number}", title=f"{title} no {number}") for number, (title, _) in enumerate(LABELS)])
    whole = tmp_path / "whole.db"
    shutil.copytree(base, whole)
    before = answers(base, encoder)
    with Prepared(CHILD, json.dumps(LABELS)) as processes:
        check_kills(processes, tmp_path, whole, before, encoder)


def check_kills(processes, folder, whole, before, encoder):
    base = folder / "base.db"
    seconds, _ = processes.run(whole)
    after = answers(whole, encoder)
    assert (before[0], after[0]) == (0, 1)
    assert before[1] != after[1]
    seen = set()
    rng = random.Random(7)
    for number in range(KILLS):
        database = folder / f"killed-{number}.db"
        shutil.copytree(base, database)
        processes.run(database, kill_after=seconds * rng.uniform(0.2, 1.0))
        found = answers(database, encoder)
        seen.add(found[0])
        assert found in (before, after)
        processes.run(database)
        version, scores = answers(database, encoder)
        assert version >= 1
        for mine, theirs in zip(scores, after[1], strict=True):
            assert [one[0] for one in mine][:1] == [one[0] for one in theirs][:1]
            np.testing.assert_allclose(sorted(one[1] for one in mine), sorted(one[1] for one in theirs), atol=0.05)
    assert seen
