"""The main job as documented, command by command, with its quality and times; and the import of a large taxonomy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
from common import Options, Table

QUICK_ITEMS = 200
QUICK_CLASSES = 300
FIGURES = ("accuracy", "top5", "macro_f1", "hierarchical_f1", "coverage", "precision")


def measure(options: Options) -> Iterator[Table]:
    """Three tables: quality, times, and the large taxonomy."""
    source = options.folder(common.BIGBASKET)
    with common.scratch() as folder:
        print(f"Encoder: {common.precision_in_child()}.\n", flush=True)
        items = folder / "items.jsonl"
        n = common.first_lines(source / "items.jsonl", items, QUICK_ITEMS if options.quick else 1 << 60)
        job = _Job(folder)
        imported = job.run("classes import", "classes", "import", str(source / "classes.jsonl"), "-o", "json")
        counts = job.run("ingest", "ingest", str(items), "-o", "json")
        job.run("assign", "assign", "--input", str(items), "-o", "jsonl")
        figures = job.run("evaluate", "evaluate", "--labels", str(items), "-o", "json")
        yield _quality(figures)
        yield _times(job, {"classes import": imported["classes"]}, n, counts, figures)
    classes = options.folder(common.SHOPIFY) / "classes.jsonl"
    with common.scratch() as folder:
        yield _large(folder, classes, quick=options.quick)


class _Job:
    """Commands on one embedded database, each timed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float] = {}

    def run(self, name: str, *arguments: str) -> dict[str, Any]:
        """The answer of a command that gives one object; of one that gives many, nothing."""
        many = arguments[-1] == "jsonl"
        line = common.nearclass(self.folder / "main.db", *arguments)
        # Rows that were rejected are said in the table, not a failure of the benchmark.
        child = common.run_child(line, self.folder, keep=not many, accept=(0, 3))
        self.seconds[name] = child.seconds
        self.peaks[name] = child.peak_mib
        answer: dict[str, Any] = {} if many else json.loads(child.output)
        return answer


def _quality(figures: dict[str, Any]) -> Table:
    rows: list[list[common.Cell]] = [[name, _three(figures[name])] for name in FIGURES]
    interval = f"95 % interval of the accuracy {_three(figures['accuracy_low'])} to {_three(figures['accuracy_high'])}"
    decided = ", ".join(f"{count:,} {name}" for name, count in figures["decisions"].items())
    title = f"Zero labels: {figures['n']:,} bigbasket items, {figures['classes']:,} classes"
    return Table(title, ("figure", "value"), rows, [f"{interval}; decisions: {decided}."])


def _three(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _times(job: _Job, rows_of: dict[str, int], n: int, counts: dict[str, Any], figures: dict[str, Any]) -> Table:
    rows = []
    for name, seconds in job.seconds.items():
        size = rows_of.get(name, n)
        rows.append([f"nearclass {name}", size, seconds, size / seconds, job.peaks[name]])
    columns = ("command", "rows", "s", "rows/s", "peak RSS, MiB")
    said = ", ".join(f"{name} {counts[name]:,}" for name in ("read", "ok", "unchanged", "rejected", "truncated"))
    notes = [
        "Whole processes, once each, start-up included.",
        f"Ingest: {said}. Evaluate: {figures['items_per_s']:,.0f} items/s once running, {figures['rejected']} rejected.",
    ]
    return Table("The same job, time", columns, rows, notes)


def _large(folder: Path, classes: Path, *, quick: bool) -> Table:
    path = folder / "classes.jsonl"
    n = common.first_lines(classes, path, QUICK_CLASSES if quick else 1 << 60)
    job = _Job(folder)
    rows: list[list[common.Cell]] = []
    for what in ("first", "again"):
        counts = job.run(what, "classes", "import", str(path), "-o", "json")
        rows.append([what, *(counts[name] for name in ("added", "unchanged", "rejected", "classes", "assignable"))])
        rows[-1] += [job.seconds[what], n / job.seconds[what], job.peaks[what]]
    columns = ("import", "added", "unchanged", "rejected", "classes", "assignable", "s", "rows/s", "peak RSS, MiB")
    return Table(f"nearclass classes import, Shopify's taxonomy of {n:,} classes", columns, rows)


if __name__ == "__main__":
    common.main(__doc__, measure)
