"""Ingesting: a JSONL file into an embedded database, beside the bare embedding of the same texts.

Each round starts from a copy of a database that holds the classes and no item. Ingesting ends when all is durable.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import common
from common import Options, Table

if TYPE_CHECKING:
    from nearclass.encoders.text import TextEncoder

ROUNDS = 3
BUDGET_S = 280.0
QUICK_ITEMS = 150
NAMES = {
    "bare": "bare embedding",
    "first": "ingest, first run",
    "second": "ingest again, nothing changed",
    "read": "reading and mapping alone",
}


def measure(options: Options) -> Iterator[Table]:
    """One table: the four tasks in turns."""
    source = options.folder(common.BIGBASKET)
    with common.scratch() as folder:
        items = folder / "items.jsonl"
        n = common.first_lines(source / "items.jsonl", items, QUICK_ITEMS if options.quick else options.more.n)
        encoder = common.make_encoder()
        texts = common.texts_of(items)
        classes = _prepare(folder / "empty.db", source / "classes.jsonl", encoder)
        trip = _Trip(folder, items, encoder)
        tasks = {"bare": _bare(encoder, texts), "first": trip.first, "second": trip.second, "read": trip.read}
        encoder.encode(texts[:256], _item_role())
        seconds = common.in_turns(tasks, 1 if options.quick else ROUNDS, BUDGET_S)
    yield Table(
        f"Ingesting {n:,} bigbasket items, {classes} classes, {encoder.running}",
        ("what", "rows/s", "s", "time in bare embeddings", "rounds", "spread"),
        [
            [
                label,
                n / common.median(seconds[name]),
                common.median(seconds[name]),
                common.ratio(seconds[name], seconds["bare"]),
                len(seconds[name]),
                common.spread(seconds[name]),
            ]
            for name, label in NAMES.items()
        ],
        ["First run: read, map, embed, assign, write, flush. Embedded engine, in the same process."],
    )


def _item_role():
    from nearclass.schemas.records import Role

    return Role.ITEM


def _bare(encoder: "TextEncoder", texts: list[str]) -> Callable[[], float]:
    return common.timed(lambda: encoder.encode(texts, _item_role()))


def _prepare(uri: Path, classes: Path, encoder: "TextEncoder") -> int:
    """Make the database with the classes; how many can be answered."""
    from nearclass import Catalog
    from nearclass.ingest.class_files import open_classes
    from nearclass.settings import Settings

    with Catalog.open(settings=Settings(uri=str(uri)), encoder=encoder) as catalog:
        catalog.import_classes(open_classes(str(classes), catalog.classes.taxonomy).specs)
        return len(catalog.classes.taxonomy.assignable())


class _Trip:
    """The runs of one round: the second finds what the first has written."""

    def __init__(self, folder: Path, items: Path, encoder: "TextEncoder") -> None:
        self._folder = folder
        self._items = items
        self._encoder = encoder

    def first(self) -> float:
        """Everything is new."""
        shutil.rmtree(self._folder / "round.db", ignore_errors=True)
        shutil.copytree(self._folder / "empty.db", self._folder / "round.db")
        return self._ingest("ok")

    def second(self) -> float:
        """Nothing is."""
        return self._ingest("unchanged")

    def read(self) -> float:
        """The file alone."""
        from nearclass.ingest.labelled import mapped_items
        from nearclass.ingest.sources import open_sources

        return common.timed(lambda: sum(1 for _ in mapped_items(open_sources([str(self._items)]))))()

    def _ingest(self, expected: str) -> float:
        from nearclass import Catalog
        from nearclass.settings import Settings

        settings = Settings(uri=str(self._folder / "round.db"))
        with Catalog.open(settings=settings, encoder=self._encoder) as catalog:
            started = time.perf_counter()
            counts = catalog.ingest([str(self._items)], rejects=self._folder / "rejects.jsonl")
            seconds = time.perf_counter() - started
        if getattr(counts, expected) != counts.read:
            raise SystemExit(f"not every row was {expected}: {counts}")
        return seconds


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=12_413, help="items (default 12413, all)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
