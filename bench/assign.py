"""Assigning: the whole pipeline beside the bare embedding of the same texts, and as a whole process.

The pipeline is what ``nearclass assign --input FILE`` does: read and map the rows, embed, search, decide, look up the
evidence, and write JSONL (to a null device). Embedding alone is one call with all texts in memory, of the peer's encoder
and of ours.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import common
from common import OURS, PEER, Options, Table

if TYPE_CHECKING:
    from nearclass import Catalog
    from nearclass.encoders.text import TextEncoder

ROUNDS = 5
BUDGET_S = 110.0
QUICK_ITEMS = 150
QUICK_CLASSES = 1000
TAXONOMIES = {"bigbasket": common.BIGBASKET, "shopify": common.SHOPIFY}
"""Name of the catalogue, and the folder of its classes."""


def measure(options: Options) -> Iterator[Table]:
    """Two tables: in this process, and as a process of its own."""
    source = options.folder(common.BIGBASKET) / "items.jsonl"
    files = {
        name: options.data / folder / "classes.jsonl"
        for name, folder in TAXONOMIES.items()
        if (options.data / folder).is_dir()
    }
    with common.scratch() as folder:
        if options.more.every_class:
            files = {name: _all_answerable(path, folder / f"{name}-all.jsonl") for name, path in files.items()}
        if options.quick:
            files = {name: _beginning(path, folder / f"{name}.jsonl") for name, path in files.items()}
        items = folder / "items.jsonl"
        n = common.first_lines(source, items, QUICK_ITEMS if options.quick else options.more.n)
        yield _in_process(folder / "bench.db", files, items, 1 if options.quick else ROUNDS)
        yield _as_process(folder, list(files), items, n, 1 if options.quick else 3)


def _all_answerable(classes: Path, copy: Path) -> Path:
    """The same classes, those that only group others made to be answered too."""
    with classes.open(encoding="utf-8") as lines, copy.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps({**json.loads(line), "assignable": True}) + "\n" for line in lines)
    return copy


def _beginning(classes: Path, copy: Path) -> Path:
    """The first of many classes, parents before children."""
    common.first_lines(classes, copy, QUICK_CLASSES)
    return copy


def _in_process(uri: Path, files: dict[str, Path], items: Path, rounds: int) -> Table:
    from nearclass.schemas.records import Role
    from nearclass.settings import Settings
    from nearclass.store import Store

    encoder = common.make_encoder()
    texts = common.texts_of(items)
    rows: list[list[common.Cell]] = []
    store = Store.open(str(uri))
    try:
        catalogs = _catalogs(store, Settings(uri=str(uri)), encoder, files)
        peer = common.make_peer()
        tasks = {
            PEER: common.timed(lambda: common.encode_by_peer(peer, texts)),
            OURS: common.timed(lambda: encoder.encode(texts, Role.ITEM)),
        }
        bare = set(tasks)
        for name, catalog in catalogs.items():
            tasks[name] = common.timed(lambda catalog=catalog: _pipeline(catalog, items))
        encoder.encode(texts[:64], Role.ITEM)
        common.encode_by_peer(peer, texts[:64])
        for catalog in catalogs.values():  # the mirrors are read at the first question
            catalog.assign(texts[:64])
        seconds = common.in_turns(tasks, rounds, BUDGET_S)
        for name, taken in seconds.items():
            classes, search = ("", "") if name in bare else _described(catalogs[name])
            rows.append(
                [
                    name if name in bare else "pipeline",
                    classes,
                    search,
                    len(texts) / common.median(taken),
                    common.ratio(seconds[PEER], taken),
                    common.ratio(seconds[OURS], taken),
                    1000 * (common.median(taken) - common.median(seconds[OURS])) / len(texts),
                    len(taken),
                    common.spread(taken),
                ]
            )
    finally:
        store.close()
    columns = (
        "what",
        "classes",
        "class_search",
        "rows/s",
        "of the peer",
        "of ours alone",
        "ms/row above ours",
        "rounds",
        "spread",
    )
    title = f"Assigning {len(texts):,} bigbasket items in one process, {encoder.running}"
    return Table(title, columns, rows, ["Classes: those that can be answered. Milvus is the embedded engine."])


def _catalogs(store, settings, encoder: "TextEncoder", files: dict[str, Path]) -> "dict[str, Catalog]":
    """One catalogue for each taxonomy and way to search, the two ways on the same rows of the same store."""
    from nearclass import Catalog
    from nearclass.ingest.class_files import open_classes

    made = {}
    for name, path in files.items():
        mirror = Catalog(store, settings.model_copy(update={"catalog": name, "class_search": "mirror"}), encoder)
        mirror.import_classes(open_classes(str(path), mirror.classes.taxonomy).specs)
        made[f"{name} mirror"] = mirror
        again = settings.model_copy(update={"catalog": name, "class_search": "milvus"})
        made[f"{name} milvus"] = Catalog(store, again, encoder)
    return made


def _described(catalog: "Catalog") -> tuple[str, str]:
    classes = len(catalog.classes.taxonomy.assignable())
    return (
        f"{catalog.settings.catalog}, {classes:,} of {len(catalog.classes.taxonomy):,}",
        catalog.settings.class_search,
    )


def _pipeline(catalog: "Catalog", path: Path) -> None:
    """What the command does, but for its process."""
    import orjson

    from nearclass.ingest.labelled import mapped_items
    from nearclass.ingest.sources import open_sources

    with Path(os.devnull).open("wb") as out:
        out.writelines(
            orjson.dumps(asdict(answer), option=orjson.OPT_APPEND_NEWLINE)
            for answer in catalog.assign_each(mapped_items(open_sources([str(path)])))
        )


def _as_process(folder: Path, names: list[str], items: Path, n: int, rounds: int) -> Table:
    """The command on all rows and on one: the difference is what the rows take."""
    one = folder / "one.jsonl"
    common.first_lines(items, one, 1)

    def command(catalog: str, path: Path) -> float:
        line = common.nearclass(
            folder / "bench.db", "--catalog", catalog, "assign", "--input", str(path), "-o", "jsonl"
        )
        return common.run_child(line, folder, keep=False).seconds

    tasks = {}
    for name in names:
        tasks[f"{name} one"] = lambda name=name: command(name, one)
        tasks[f"{name} all"] = lambda name=name: command(name, items)
    seconds = common.in_turns(tasks, rounds, BUDGET_S)
    rows = []
    for name in names:
        start, whole = common.median(seconds[f"{name} one"]), common.median(seconds[f"{name} all"])
        done = len(seconds[f"{name} all"])
        rows.append([name, n, start, whole, n / whole, (n - 1) / (whole - start) if whole > start else None, done])
    columns = ("catalogue", "rows", "s for 1 row", "s for all", "rows/s", "rows/s without start-up", "rounds")
    notes = ["Default settings; 1 row: start of Python, imports, opening the database, loading the model."]
    return Table("nearclass assign --input FILE -o jsonl, the whole process", columns, rows, notes)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=2048, help="items (default 2048)")
    parser.add_argument("--every-class", action="store_true", help="answer inner classes too, not leaves alone")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
