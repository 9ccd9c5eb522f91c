"""Work shared out by Ray on one machine, beside the plain way: the same files, after start-up, and are the rows equal.

Every run is a process of its own, on a copy of a database that holds the classes and no item. The plain one loads its
model before the clock starts; of the other one its start-up is told apart: Ray and its actors with their models.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import common
import numpy as np
from common import Options, SkippedError, Table

ROUNDS = 3
BUDGET_S = 1500.0
SIZES = (40_000, 16)
QUICK = (400, 4)
WAYS = ("plain", "ray")
NUMBERS = ("score", "confidence", "margin")


def measure(options: Options) -> Iterator[Table]:
    """One table: both ways in turns."""
    try:
        import ray  # noqa: F401
    except ImportError:
        raise SkippedError("Ray is not installed: pip install 'nearclass[ray]'") from None
    source = options.folder(common.BIGBASKET)
    rows, files = QUICK if options.quick else (options.more.n, options.more.files)
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    with common.scratch() as folder:
        classes = prepare(folder / "empty.db", source / "classes.jsonl")
        rows = cut(source / "items.jsonl", folder / "shards", rows, files)
        started = time.perf_counter()
        for done in range(1, (1 if options.quick else ROUNDS) + 1):
            for way in WAYS:
                found[way].append(run(folder, way, options.more.actors))
            if (time.perf_counter() - started) / done * (done + 1) > BUDGET_S:
                break
        digests = {one["digest"] for way in WAYS for one in found[way]}
        apart = difference(folder / "round.plain.npz", folder / "round.ray.npz")
    same = f"equal, numbers within {apart:.0e}" if len(digests) == 1 else "not equal"
    rates = {way: [rows / (one["seconds"] - one["start_up"]) for one in found[way]] for way in WAYS}
    yield Table(
        f"{rows:,} bigbasket items in {files} files, {classes} classes",
        (
            "way",
            "rows/s after start-up",
            "in plain rates",
            "start-up s",
            "s in all",
            "rounds",
            "spread",
            "rows and vectors",
        ),
        [
            [
                way,
                common.median(rates[way]),
                common.ratio(rates[way], rates["plain"]),
                common.median([one["start_up"] for one in found[way]]),
                common.median([one["seconds"] for one in found[way]]),
                len(found[way]),
                common.spread(rates[way]),
                same if way == "ray" else "",
            ]
            for way in WAYS
        ],
        [
            "From the start to everything durable, in the embedded engine; the end of Ray is not counted.",
            "Start-up: Ray itself, its actors and their models; that of the plain way is not counted.",
            "Rows: every field but the time of writing; numbers are those of vectors, scores and margins.",
        ],
    )


def prepare(uri: Path, classes: Path) -> int:
    """Make the database with the classes; how many can be answered."""
    from nearclass import Catalog
    from nearclass.ingest.class_files import open_classes
    from nearclass.settings import Settings

    with Catalog.open(settings=Settings(uri=str(uri)), encoder=common.make_encoder()) as catalog:
        catalog.import_classes(open_classes(str(classes), catalog.classes.taxonomy).specs)
        return len(catalog.classes.taxonomy.assignable())


def cut(source: Path, folder: Path, rows: int, files: int) -> int:
    """The first rows of a file in so many files, as often as needed under other ids; how many rows there are."""
    folder.mkdir()
    with source.open(encoding="utf-8") as stream:
        items = [json.loads(line) for _, line in zip(range(rows), stream, strict=False)]
    made = [{**items[n % len(items)], "id": f"{n // len(items)}/{items[n % len(items)]['id']}"} for n in range(rows)]
    for number in range(files):
        part = made[number * rows // files : (number + 1) * rows // files]
        (folder / f"{number:03}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in part), encoding="utf-8")
    return rows


def run(folder: Path, way: str, actors: int | None) -> dict:
    """One process, and what it says of itself."""
    database = folder / "round.db"
    shutil.rmtree(database, ignore_errors=True)
    shutil.copytree(folder / "empty.db", database)
    line = [sys.executable, __file__, "--case", way, str(database), str(folder / "shards"), str(actors or 0)]
    return json.loads(common.run_child(line, folder).output.splitlines()[-1])


def case(way: str, database: str, shards: str, actors: int) -> None:
    """What such a process does."""
    from nearclass import Catalog
    from nearclass.distribution import Sharing
    from nearclass.ingest.distributed.ray_engine import RayEngine
    from nearclass.settings import Settings

    said: list[tuple[float, str]] = []
    with Catalog.open(settings=Settings(uri=database)) as catalog:
        sharing = None
        if way == "ray":
            sharing = Sharing(
                RayEngine(actors=actors or None), on_note=lambda text: said.append((time.perf_counter(), text))
            )
        else:
            catalog.warm_up()
        started = time.perf_counter()
        counts = catalog.ingest([shards], sharing=sharing)
        ended = time.perf_counter()
        assert counts.ok == counts.read, counts
        start_up = 0.0
        for at, text in said:
            if text.startswith("start-up"):  # all is durable; what follows is the end of Ray
                ended, start_up = at, float(text.split()[1])
        seconds = ended - started
        print(
            json.dumps(
                {
                    "seconds": seconds,
                    "start_up": start_up,
                    "digest": contents(catalog, Path(database).with_suffix(f".{way}.npz")),
                }
            )
        )


def contents(catalog, target: Path) -> str:
    """Digest of every stored row without the time and the numbers; these and the vectors go to a file."""
    from nearclass.schemas.collections import items_spec
    from nearclass.store.spaces import SpaceCollections

    names: Sequence[str] = sorted(set(items_spec(1).field_names) - {"updated_at", *NUMBERS})
    seen, numbers, vectors = hashlib.sha256(), [], []
    (space,) = [one for one in catalog.spaces if one.kind == "text"]
    collection = SpaceCollections.of(catalog.settings.catalog, space).items
    for page in catalog.store.scan(collection, fields=("key", "vector", *NUMBERS, *names)):
        seen.update(json.dumps([[row["key"], [row[name] for name in names]] for row in page], sort_keys=True).encode())
        numbers += [[row[name] for name in NUMBERS] for row in page]
        vectors += [row["vector"] for row in page]
    np.savez(target, numbers=np.asarray(numbers), vectors=np.stack(vectors))
    return seen.hexdigest()


def difference(one: Path, other: Path) -> float:
    """Largest difference of any number of any vector and answer."""
    with np.load(one) as left, np.load(other) as right:
        return max(float(np.abs(left[name] - right[name]).max()) for name in ("vectors", "numbers"))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=SIZES[0], metavar="N", help=f"items, default {SIZES[0]}")
    parser.add_argument("--files", type=int, default=SIZES[1], metavar="N", help=f"default {SIZES[1]}")
    parser.add_argument("--actors", type=int, metavar="N", help="of Ray, by default by the cores")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        case(*sys.argv[2:5], int(sys.argv[5]))
    else:
        common.main(__doc__, measure, add_options)
