"""What the benchmarks share: options, the machine, timing in turns, children that are measured, tables.

Nothing here imports more than the standard library at the top: a child's peak memory, as the kernel counts it, is
never below that of the process it was started from.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from nearclass.cores import usable_cores

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from nearclass.encoders.resolve import ModelFolder
    from nearclass.encoders.text import TextEncoder

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Public labelled data, beside the repository and never in it."""

PEER: Final = "SentenceTransformer.encode(batch_size=64)"
OURS: Final = "our encoder, one call"
"""What the bare embedding of texts is called where something stands beside it."""

BIGBASKET: Final = "products_bigbasket"
SHOPIFY: Final = "taxonomy_shopify"

PACKAGES: Final = ("nearclass", "torch", "sentence-transformers", "pymilvus", "milvus-lite", "faiss-cpu", "numpy")
_CPU_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8")
_MIB: Final = 1 << 20
_LOOK_S: Final = 0.02

Cell = str | int | float | None


class SkippedError(Exception):
    """What is to be measured on is not here."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures under a heading, and what a reader must know of them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table as people read it."""
        cells = [[_shown(cell) for cell in row] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(self.columns, *cells, strict=True)]
        rule = ["-" * width for width in widths]
        padded = (
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            for line in (self.columns, rule, *cells)
        )
        lines = [f"### {self.title}", "", *(f"| {line} |" for line in padded)]
        return "\n".join([*lines, "", *self.notes, ""] if self.notes else [*lines, ""])

    def data(self) -> dict[str, Any]:
        """The table for programs: a list of rows, each a mapping."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class Options:
    """What every benchmark can be told."""

    data: Path
    quick: bool
    json_file: Path | None
    more: argparse.Namespace

    def folder(self, name: str) -> Path:
        """A folder of the data.

        Raises:
            SkippedError: It is not there.
        """
        folder = self.data / name
        if not folder.is_dir():
            raise SkippedError(f"no data at {folder}; give the folder that holds {name} with --data DIR")
        return folder


def main(
    description: str | None,
    measure: Callable[[Options], Iterator[Table]],
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> None:
    """Run one benchmark as a command: the machine, its tables as they come, and at the end the JSON file."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="default: ../shared/data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast")
    parser.add_argument(
        "--arithmetic", choices=("auto", "float32", "bfloat16"), default="auto", help="of the encoder (default auto)"
    )
    add_options(parser)
    given = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("NEARCLASS_")]:
        del os.environ[name]  # the defaults are what is measured
    os.environ["NEARCLASS_PRECISION"] = given.arithmetic
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    name = Path(sys.argv[0]).stem
    machine = Machine.here()
    print(f"## bench/{name}.py{' --quick' if given.quick else ''}\n\n{machine.line()}\n", flush=True)
    options = Options(given.data.resolve(), given.quick, given.json, given)
    tables, skipped = _collect(measure(options))
    if skipped:
        print(f"skipped: {skipped}\n", flush=True)
    print(f"Took {machine.age():.0f} s; load average at the end {_load()}.", flush=True)
    if given.json:
        report = {"benchmark": name, "quick": given.quick, "machine": machine.data(), "skipped": skipped}
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report | {"tables": [table.data() for table in tables]}, indent=1) + "\n")


def _collect(tables: Iterator[Table]) -> tuple[list[Table], str | None]:
    """The tables, each printed when it is there; and why the rest is missing."""
    done = []
    try:
        for table in tables:
            print(table.markdown(), flush=True)
            done.append(table)
    except SkippedError as reason:
        return done, str(reason)
    return done, None


# The machine


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and beside what the figures were taken."""

    cpu: str
    cores: int
    flags: Sequence[str]
    load: str
    versions: Mapping[str, str]
    at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        text = _read("/proc/cpuinfo")
        model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
        listed = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
        have = set(listed[1].split()) if listed else set()
        cpu = model[1] if model else platform.processor() or platform.machine()
        return cls(cpu, usable_cores(), [one for one in _CPU_FLAGS if one in have], _load(), _versions())

    def line(self) -> str:
        """All of it, for people."""
        flags = " ".join(self.flags) or "no AVX or AMX reported"
        if "amx_tile" not in self.flags:
            flags += ", no AMX"
        packages = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        python = f"Python {platform.python_version()} on {platform.system()}"
        return f"{self.at}: {self.cpu}, {self.cores} cores ({flags}); load average {self.load}; {python}; {packages}."

    def data(self) -> dict[str, Any]:
        """All of it, for programs."""
        names = ("at", "cpu", "cores", "flags", "load", "versions")
        return {name: getattr(self, name) for name in names} | {
            "python": platform.python_version(),
            "system": platform.platform(),
            "load_at_end": _load(),
            "seconds": round(self.age(), 1),
        }

    def age(self) -> float:
        """Seconds since this was made."""
        return time.perf_counter() - self.started


def _load() -> str:
    return " ".join(f"{one:.2f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# Time


def timed(task: Callable[[], object]) -> Callable[[], float]:
    """The task as one that gives the seconds it took."""

    def run() -> float:
        started = time.perf_counter()
        task()
        return time.perf_counter() - started

    return run


def in_turns(tasks: Mapping[str, Callable[[], float]], rounds: int, budget_s: float = 300.0) -> dict[str, list[float]]:
    """Seconds of each task in each round: A B A B, so that a slow minute of the machine strikes all alike.

    Another round is begun only where it is expected to end within the budget.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    started = time.perf_counter()
    for done in range(1, rounds + 1):
        for name, task in tasks.items():
            seconds[name].append(task())
        spent = time.perf_counter() - started
        if spent / done * (done + 1) > budget_s:
            break
    return seconds


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over the rounds of one figure through the other of the same round."""
    return median([one / other for one, other in zip(above, below, strict=True)])


def spread(values: Sequence[float]) -> str:
    """How far the rounds lie apart, (largest - smallest) / median; nothing of a single one."""
    return f"{(max(values) - min(values)) / median(values):.0%}" if len(values) > 1 else ""


# Children


@dataclass(frozen=True, slots=True)
class Child:
    """A process that has ended."""

    seconds: float
    peak_mib: float
    code: int
    output: str


def run_child(command: Sequence[str], folder: Path, *, keep: bool = True, accept: Sequence[int] = (0,)) -> Child:
    """Run a command in a folder to its end; without ``keep`` its output goes nowhere.

    Raises:
        SystemExit: It ended with a code that is not accepted.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out if keep else subprocess.DEVNULL, stderr=err
        )
        code, peak_mib = _wait(process)
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if code not in accept:
            sys.exit(f"exit code {code} of {' '.join(command)}\n{err.read().decode(errors='replace')}")
        return Child(seconds, peak_mib, code, out.read().decode())


def _wait(process: "subprocess.Popen[bytes]") -> tuple[int, float]:
    """Exit code of a process, and its peak memory: the most that it and its children held, looked at all the time.

    The kernel's own figure (``wait4``) is never below what this process held when it started the other one.
    """
    own, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        with suppress(psutil.Error):
            peak = max(peak, sum(one.memory_info().rss for one in (own, *own.children(recursive=True))))
        time.sleep(_LOOK_S)
    return process.returncode, peak / _MIB


def stop(process: "subprocess.Popen[bytes]", grace_s: float = 30.0) -> float | None:
    """End a process, by force if it takes long; its peak memory in MiB, None if it had ended by itself."""
    if process.returncode is not None:
        return None
    process.terminate()
    impatient = threading.Timer(grace_s, process.kill)
    impatient.start()
    try:
        return _wait(process)[1]
    finally:
        impatient.cancel()


def nearclass(uri: Path | str, *arguments: str) -> list[str]:
    """The command line of ``nearclass`` on a database."""
    return [*launcher(), "--uri", str(uri), *arguments]


def launcher() -> list[str]:
    """The installed command beside this Python, or the module where there is none."""
    script = Path(sys.executable).with_name("nearclass")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "nearclass"]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for databases that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="nearclass-bench-") as name:
        yield Path(name)


def first_lines(source: Path, target: Path, n: int) -> int:
    """Copy the first n lines of a file into a scratch folder; how many there were."""
    count = 0
    with source.open("rb") as lines, target.open("wb") as copy:
        for line in lines:
            if count == n:
                break
            copy.write(line)
            count += 1
    return count


def line_count(path: Path) -> int:
    """Lines of a file."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


# What nearclass embeds, and with what; these import it


def texts_of(path: Path, n: int | None = None) -> list[str]:
    """The texts that nearclass embeds for the items of a file, at most n."""
    from nearclass.ingest.labelled import mapped_items
    from nearclass.ingest.sources import open_sources
    from nearclass.schemas.records import Item
    from nearclass.schemas.text import item_text

    found: list[str] = []
    for row in mapped_items(open_sources([str(path)])):
        if n is not None and len(found) == n:
            break
        if isinstance(row, Item) and (text := item_text(row)):
            found.append(text)
    return found


def default_model() -> "ModelFolder":
    """The files of the default text encoder, offline."""
    from nearclass.encoders.presets import DEFAULT_TEXT_PRESET
    from nearclass.encoders.resolve import resolve

    return resolve(DEFAULT_TEXT_PRESET, offline=True)


def make_encoder(precision: str | None = None) -> "TextEncoder":
    """The default text encoder, offline; in the precision of the settings where none is given."""
    from nearclass.encoders.fingerprint import describe
    from nearclass.encoders.text import TextEncoder
    from nearclass.settings import Settings

    return TextEncoder(describe(default_model()), precision=precision or Settings().precision)


def make_peer() -> "SentenceTransformer":
    """The same model as one would load it by hand."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(default_model().path))


def encode_by_peer(peer: "SentenceTransformer", texts: Sequence[str]) -> Any:
    """Vectors of the texts, as one would ask for many of them by hand."""
    return peer.encode(list(texts), batch_size=64, show_progress_bar=False)


def precision_in_child() -> str:
    """Device and arithmetic that the default encoder chooses, found out without loading it here."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import common; "
    child = run_child([sys.executable, "-c", f"{code}print(common.make_encoder().running)"], Path.cwd())
    return child.output.strip()


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int):
        return f"{cell:,}"
    return _number(cell) if isinstance(cell, float) else cell


def _number(value: float) -> str:
    """Three figures or so.

    >>> [_number(value) for value in (1234.5, 12.34, 1.0, 0.0123)]
    ['1,234', '12.3', '1.00', '0.012']
    """
    for least, form in ((100, ",.0f"), (10, ".1f"), (0.1, ".2f")):
        if abs(value) >= least:
            return format(value, form)
    return f"{value:.2g}"
