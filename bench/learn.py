"""Learning: time and peak memory of ``nearclass learn`` with many stored items, beside bare reading of their vectors.

The items are titles of a real shop, each several times with a number and a little noise on its vector, so that a
hundred thousand can be stored without embedding them all; the classes and their texts are the real ones.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import common
from common import Options, Table

if TYPE_CHECKING:
    from nearclass.encoders.base import Encoded, Encoder
    from nearclass.schemas.records import Role
    from nearclass.schemas.spaces import Space

SIZES = (10_000, 100_000)
QUICK_SIZES = (500,)
LABELS = 4000
NOISE = 0.15
"""Length of the noise on a vector of length 1: near the distance between two titles of one product line."""


def measure(options: Options) -> Iterator[Table]:
    """One table: without labels and with, at every size."""
    folder = options.folder(common.BIGBASKET)
    rows: list[list[common.Cell]] = []
    with common.scratch() as scratch:
        for n in QUICK_SIZES if options.quick else options.more.sizes:
            uri = scratch / f"learn-{n}.db"
            reading = _stock(uri, folder, n)
            labels = scratch / "labels.jsonl"
            common.first_lines(folder / "items.jsonl", labels, min(LABELS, n))
            for how, more in (("no labels", ()), (f"{min(LABELS, n):,} labels", ("--labels", str(labels)))):
                command = common.nearclass(uri, "learn", "--dry-run", *more, "-o", "json")
                child = common.run_child(command, scratch)
                found = json.loads(child.output)
                rows.append([n, found["classes"], how, child.seconds, found["seconds"], reading, child.peak_mib])
    yield Table(
        "nearclass learn --dry-run, embedded",
        ("items", "classes", "with", "s in all", "s of learning", "s of bare reading", "peak RSS, MiB"),
        rows,
        [
            "In all: the process from start to end, the embedded engine's start and the encoder included.",
            "Bare reading: one scan of the stored vectors.",
            "Labels are embedded as they are read, which is part of learning here.",
        ],
    )


def _stock(uri: Path, folder: Path, n: int) -> float:
    """Store classes and items; seconds of reading all vectors back."""
    from nearclass import Catalog, Item, Settings
    from nearclass.ingest.sources import open_sources
    from nearclass.ingest.taxonomy import read_classes

    titles = common.texts_of(folder / "items.jsonl")
    with Catalog.open(settings=Settings(uri=str(uri)), encoder=_Repeating(common.make_encoder(), titles)) as catalog:
        source = next(iter(open_sources([str(folder / "classes.jsonl")])))
        catalog.import_classes(read_classes(source.rows()).specs)
        for start in range(0, n, 10_000):
            numbers = range(start, min(n, start + 10_000))
            catalog.ingest(
                [Item(f"item-{number}", title=f"{titles[number % len(titles)]} #{number}") for number in numbers]
            )
        place = catalog.items().stored._live.place  # noqa: SLF001 - what is timed is below the public face
        started = time.perf_counter()
        for _ in catalog.store.scan(place.items, fields=("vector",)):
            pass
        return time.perf_counter() - started


class _Repeating:
    """The real encoder for class texts; for a title with a number the vector of the title, and a little noise."""

    def __init__(self, encoder: "Encoder", titles: Sequence[str]) -> None:
        self._encoder = encoder
        self._titles = list(titles)
        self._place = {title: row for row, title in enumerate(self._titles)}
        self._vectors: object = None

    @property
    def space(self) -> "Space":
        """That of the real encoder."""
        return self._encoder.space

    def encode(self, texts: Sequence[str], role: "Role") -> "Encoded":
        """Vectors of the texts."""
        import numpy as np

        from nearclass.encoders.base import Encoded
        from nearclass.schemas.records import Role

        if role is not Role.ITEM or not all("#" in text for text in texts):
            return self._encoder.encode(texts, role)
        if self._vectors is None:
            self._vectors = self._encoder.encode(self._titles, Role.ITEM).vectors
        vectors = np.asarray(self._vectors)[[self._place[text.rpartition(" #")[0]] for text in texts]]
        noise = np.random.default_rng(len(texts)).standard_normal(vectors.shape, np.float32)
        vectors = vectors + NOISE * noise / np.sqrt(vectors.shape[1])
        return Encoded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.zeros(len(texts), bool))


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items (default 10000 100000)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
