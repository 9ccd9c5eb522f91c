"""An ingest that is killed at a random moment and run again ends like one that was not."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from prepared import Prepared
from thorough import times

from nearclass import Catalog, Settings
from nearclass.schemas.collections import items_spec

ROWS = 3000
SPACE = "resnet"

# Small chunks, so that a kill falls between, before and after many of them.
CHILD = """
import pyarrow, pymilvus
from nearclass import Catalog, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.ingest import intake, run
intake.CHUNK_ROWS, run._CHECKPOINT_ROWS = 50, 300
encoder = TextEncoder(describe(resolve("minilm")), precision="float32", threads=1)
encoder.encode(["warm up"], "item")
def work(database, source, space, rejects):
    with Catalog.open(settings=Settings(uri=database), encoder=encoder) as catalog:
        print("open", flush=True)
        counts = catalog.ingest([source], space=space or None, rejects=rejects)
        print(counts.read, counts.ok, counts.unchanged, counts.rejected, flush=True)
"""


@pytest.fixture(scope="module")
def processes(real_encoder):  # skips where there are no weights
    with Prepared(CHILD) as prepared:
        yield prepared


def contents(database, space):
    """Every stored item without the times; vectors rounded where threads may add up in another order."""
    with Catalog.open(settings=Settings(uri=str(database))) as catalog:
        place = catalog._live.of(space or None).place
        fields = ("key", "vector", *(set(items_spec(1).field_names) - {"updated_at"}))
        rows = [row for page in catalog.store.scan(place.items, fields=fields) for row in page]
        assert catalog.store.count(place.items) == len(rows)
        assert not catalog._state.every("checkpoint")
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys))
    kept = {row["key"]: row for row in rows}
    for row in kept.values():
        row["vector"] = np.round(row["vector"], 5).tolist()
        row["score"], row["margin"] = round(row["score"], 4), round(row["margin"], 4)
    return kept


def rejects(database):
    path = database.with_suffix(".rejects")
    return path.read_bytes() if path.exists() else b""


@pytest.fixture
def prepared(tmp_path, shop, encoder):
    """A database with classes in words and as vectors, and two files of items with a bad row here and there."""
    rng = np.random.default_rng(5)
    with Catalog.open(settings=Settings(uri=str(tmp_path / "base.db")), encoder=encoder) as catalog:
        catalog.import_classes(shop)
        specs = [replace(spec, vector=tuple(rng.normal(size=24))) for spec in shop]
        catalog.import_vectors(specs, SPACE)
    vectors = [
        {"id": f"v{n}", "vector": rng.normal(size=24).round(4).tolist(), "rank": n} if n % 97 else {"id": f"v{n}"}
        for n in range(ROWS)
    ]
    words = ["steel kettle", "gaming laptop", "leather boots", "garden hose", "running shoes", "toaster", "printer"]
    texts = [{"id": f"t{n}", "title": f"{words[n % 7]} {n}"} if n % 97 else {"title": "no id"} for n in range(900)]
    for name, rows in (("vectors", vectors), ("texts", texts)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def check_rounds(processes, folder, source, space, rounds, seed):
    def ingest(database, kill_after=None):
        """For how long it worked, and the counts that it printed, if any."""
        more = (source, space, database.with_suffix(".rejects"))
        seconds, printed = processes.run(database, *more, kill_after=kill_after)
        return seconds, printed[0].split() if printed else []

    reference = folder / "reference.db"
    shutil.copytree(folder / "base.db", reference)
    whole, counts = ingest(reference)
    wanted, wanted_rejects = contents(reference, space), rejects(reference)
    assert wanted
    assert wanted_rejects
    moments = random.Random(seed)
    for number in range(rounds):
        database = folder / f"round{number}.db"
        shutil.copytree(folder / "base.db", database)
        after = moments.uniform(0, whole)
        ingest(database, kill_after=after)
        _, again = ingest(database)
        assert contents(database, space) == wanted, f"round {number}, killed after {after:.3f} s"
        assert rejects(database) == wanted_rejects
        assert (again[0], again[3]) == (counts[0], counts[3])
        assert int(again[1]) + int(again[2]) + int(again[3]) == int(again[0])
        shutil.rmtree(database)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_kills_at_random_moments_lose_and_double_nothing(processes, prepared):
    check_rounds(processes, prepared, prepared / "vectors.jsonl", SPACE, rounds=times(10, 30), seed=20261121)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_while_texts_are_embedded_lose_and_double_nothing(processes, prepared):
    check_rounds(processes, prepared, prepared / "texts.jsonl", "", rounds=4, seed=7)
