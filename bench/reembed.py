"""Moving to another encoder: the rate of filling the new space beside bare embedding, and how long the swap takes.

The old space has vectors of no meaning, made in no time, so that only the move is timed. The items are titles of a real
shop, the classes are its own, and the new encoder is the real one.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import common
from common import Options, Table
from labelled.meaningless import Meaningless

SIZE = 5_000
QUICK_SIZE = 200
LATE = 0.02
"""Share of the items that are ingested between the run and the swap."""


def measure(options: Options) -> Iterator[Table]:
    """Two tables: filling and switching."""
    from nearclass import Catalog, Item, Settings
    from nearclass.ingest.reembed import Pace
    from nearclass.ingest.sources import open_sources
    from nearclass.ingest.taxonomy import read_classes
    from nearclass.schemas.records import Role

    folder = options.folder(common.BIGBASKET)
    titles = common.texts_of(folder / "items.jsonl", QUICK_SIZE if options.quick else options.more.size)
    n = len(titles)
    late = [Item(f"late-{number}", title=f"{titles[number]} new") for number in range(max(1, int(n * LATE)))]
    new, old = common.make_encoder(), Meaningless()
    with common.scratch() as scratch:
        uri = str(scratch / "reembed.db")
        with Catalog.open(settings=Settings(uri=uri), encoder=old) as catalog:
            source = next(iter(open_sources([str(folder / "classes.jsonl")])))
            catalog.import_classes(read_classes(source.rows()).specs)
            catalog.ingest([Item(f"item-{number}", title=title) for number, title in enumerate(titles)])
            new.encode(titles[:1], Role.ITEM)
            move = catalog.reembedding
            catalog._spaces.add(new.space)  # noqa: SLF001 - what is timed is below the public face
            filling = move._filling(catalog._spaces.text_space(), new.space, new)  # noqa: SLF001
            # In turns with half of the items each, since a machine is not equally quick all the time.
            bare = _seconds(lambda: new.encode(titles[: n // 2], Role.ITEM))
            fill = _seconds(lambda: filling.fill(Pace()))
            bare += _seconds(lambda: new.encode(titles[n // 2 :], Role.ITEM))
            classes = _seconds(filling.bring_classes)
            rest = _seconds(lambda: move.run(new))
            again = _seconds(move.run)
            yield Table(
                "Filling the space of another encoder, embedded",
                ("items", "bare embedding, items/s", "filling, items/s", "share", "classes, s", "answers and report, s", "again, s"),
                [[n, n / bare, n / fill, bare / fill, classes, rest, again]],
                [
                    "Bare embedding: the same texts by the same encoder, one half before and one after.",
                    "Filling: reading, embedding and writing until durable, items that nothing was known of.",
                    "Answers and report: every item answered in the new space, and compared with its old answer.",
                    "Again: a second run, with nothing to do but to look.",
                ],
            )  # fmt: skip
            rows = [["nothing new", 0, _seconds(move.swap)], ["going back", 0, _seconds(move.rollback)]]
            catalog.ingest(late)
            rows.append(["items ingested since", len(late), _seconds(move.swap)])
            rows.append(["going back", 0, _seconds(move.rollback)])
            yield Table(
                "Swapping, embedded",
                ("with", "items to catch up", "s"),
                rows,
                [f"{n:,} items; questions are answered all the time."],
            )


def _seconds(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=SIZE, metavar="N", help=f"items (default {SIZE})")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
