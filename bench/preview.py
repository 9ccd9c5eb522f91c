"""One class more: what it would move before it is made, and how soon it is live, in an open catalogue and as a command."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import common
from common import Options, Table
from labelled import stock

if TYPE_CHECKING:
    from nearclass import Catalog

SIZES = (12_413, 100_000)
QUICK_SIZES = (300,)
ROUNDS = 5
QUICK_ROUNDS = 1
QUICK_CLASSES = 300

DESCRIPTION = "Drinks made of oats, in place of milk."
COLUMNS = ("what", "s, median", "s, least", "rounds")


def measure(options: Options) -> Iterator[Table]:
    """A table for each number of items, one for a large taxonomy, one of whole processes."""
    folder = options.folder(common.BIGBASKET)
    rounds = QUICK_ROUNDS if options.quick else options.more.rounds
    with common.scratch() as scratch:
        sizes = QUICK_SIZES if options.quick else options.more.sizes
        for n in sizes:
            with stock.stocked(scratch / f"items-{n}.db", folder, n) as catalog:
                yield _open_catalogue(catalog, n, rounds)
        yield _large(options, scratch, rounds)
        yield _processes(scratch, folder, scratch / f"items-{sizes[0]}.db", sizes[0], rounds)


def _open_catalogue(catalog: "Catalog", n: int, rounds: int) -> Table:
    """Each change is made in a draft first, then for real; every round adds another class."""
    seconds: dict[str, list[float]] = {name: [] for name in ("preview", "class added", "items answered anew")}
    moved: list[int] = []
    for number in range(rounds + 1):
        found, foreseen = _add_one(catalog, number)
        if number:  # the first one warms up
            for name, value in zip(seconds, found, strict=True):
                seconds[name].append(value)
            moved.append(foreseen)
    classes = len(catalog.classes.taxonomy.assignable())
    return Table(
        f"One class more than {classes - rounds - 1:,}, {n:,} stored items, open catalogue",
        COLUMNS,
        [[name, common.median(taken), min(taken), len(taken)] for name, taken in seconds.items()],
        [
            f"The preview says what the change then does; it moved {min(moved)} to {max(moved)} items.",
            "Class added: from the call until it can be answered. Items answered anew: judged, and rewritten where they differ.",
        ],
    )


def _add_one(catalog: "Catalog", number: int) -> tuple[tuple[float, float, float], int]:
    name, before = f"Oat drinks {number}", catalog.classes.taxonomy
    started = time.perf_counter()
    draft = catalog.draft()
    draft.classes.add(name, descriptions=[DESCRIPTION], synonyms=[f"oat milk {number}"])
    foreseen = draft.preview(before)
    previewed = time.perf_counter()
    catalog.classes.add(name, descriptions=[DESCRIPTION], synonyms=[f"oat milk {number}"])
    catalog.assign("oat milk")
    added = time.perf_counter()
    found = catalog.reassign(before)
    ended = time.perf_counter()
    if found != foreseen:
        sys.exit(f"the preview was {foreseen}, and the change did {found}")
    return (previewed - started, added - previewed, ended - added), found.changed


def _large(options: Options, scratch: Path, rounds: int) -> Table:
    """Classes added to a large taxonomy without items."""
    from nearclass import Catalog, Settings
    from nearclass.ingest.class_files import open_classes

    classes = scratch / "large.jsonl"
    n = QUICK_CLASSES if options.quick else 1 << 60
    common.first_lines(options.folder(common.SHOPIFY) / "classes.jsonl", classes, n)
    seconds: list[float] = []
    with Catalog.open(settings=Settings(uri=str(scratch / "large.db"))) as catalog:
        catalog.import_classes(open_classes(str(classes), catalog.classes.taxonomy).specs)
        there = len(catalog.classes.taxonomy)
        for number in range(rounds + 1):
            started = time.perf_counter()
            catalog.classes.add(f"Oat drinks {number}", descriptions=[DESCRIPTION])
            catalog.assign("oat milk")
            seconds.append(time.perf_counter() - started)
    rows: list[Sequence[common.Cell]] = [
        ["class added", common.median(seconds[1:]), min(seconds[1:]), rounds],
        ["the first one", seconds[0], seconds[0], 1],
    ]
    return Table(f"One class more than {there:,}, no items, open catalogue", COLUMNS, rows)


def _processes(scratch: Path, folder: Path, uri: Path, n: int, rounds: int) -> Table:
    """The command as a process, from start to end, with items and without; and what imports alone cost."""
    empty = scratch / "empty.db"
    common.run_child(common.nearclass(empty, "classes", "import", str(folder / "classes.jsonl")), scratch)
    numbers = iter(range(10_000))

    def add(database: Path, *more: str) -> float:
        name = f"Oat drinks, process {next(numbers)}"
        line = common.nearclass(database, "classes", "add", name, "-d", DESCRIPTION, "-o", "json", *more)
        child = common.run_child(line, scratch)
        json.loads(child.output)
        return child.seconds

    imports = "import torch, sentence_transformers"
    tasks = {
        "classes add, no items": lambda: add(empty),
        f"classes add --no-reassign, {n:,} items": lambda: add(uri, "--no-reassign"),
        f"classes add, {n:,} items answered anew": lambda: add(uri),
        f"classes add --dry-run, {n:,} items": lambda: add(uri, "--dry-run"),
        f"python -c '{imports}'": lambda: common.run_child([sys.executable, "-c", imports], scratch).seconds,
    }
    common.in_turns(tasks, 1)
    seconds = common.in_turns(tasks, rounds)
    return Table(
        "Whole processes, 597 classes",
        COLUMNS,
        [[name, common.median(taken), min(taken), len(taken)] for name, taken in seconds.items()],
        ["After one run that does not count."],
    )


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items (default 12413 100000)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"of each figure (default {ROUNDS})")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
