"""Hostile pictures through ``ingest``: each a reject with its reason, and how much memory that takes above the encoder's.

The pictures are those of the tests: damaged and truncated files, wrong names, bombs of pixels, of scans and of tiles,
paths out of the folder, devices, addresses; and some that look odd and are harmless. Memory is counted as Linux does.
"""

import argparse
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import common
from common import Options, SkippedError, Table
from labelled.meaningless import Meaningless

SCRIPT = Path(__file__).resolve().parents[1] / "tests" / "pictures" / "hostile.py"
MOST_MB = 300
"""What should be taken above the encoder's memory at most."""


def measure(options: Options) -> Iterator[Table]:
    """Two tables: what became of the pictures, and by which reasons."""
    from nearclass import Catalog, Item, Settings
    from nearclass.encoders.image import ImageEncoder
    from nearclass.encoders.image_model import describe_image
    from nearclass.encoders.image_resolve import resolve_image

    if not Path("/proc/self/clear_refs").exists():
        message = "the peak of memory is counted anew only on Linux"
        raise SkippedError(message)
    hostile = _hostile()
    model = options.more.model or f"local-dir:{options.data.parent / 'models' / 'tinyclip'}"
    encoder = ImageEncoder(describe_image(resolve_image(model, offline=True)))
    with common.scratch() as scratch:
        folder = scratch / "in"
        folder.mkdir()
        expected: dict[str, str] = hostile.make(folder) | {"": "no_text"}  # a row without a picture, and nothing else
        limits = {"picture_max_mb": hostile.LIMIT_BYTES / 1e6, "picture_roots": (folder,)}
        settings = Settings(uri=str(scratch / "hostile.db"), **limits)
        rejects = scratch / "rejects.jsonl"
        with Catalog.open(settings=settings, encoder=Meaningless(), image_encoder=encoder) as catalog:
            catalog.classes.add("Things")
            _count_anew()
            warm = [Item(f"warm-{n}", image="good.jpg", folder=str(folder)) for n in range(64)]
            if catalog.ingest(warm, rejects=rejects).ok != len(warm):
                message = "the picture that is no hostile one was not taken"
                raise RuntimeError(message)
            items = [Item(str(n), image=name, folder=str(folder)) for n, name in enumerate(expected)]
            before = _peak()
            _count_anew()
            started = time.perf_counter()
            counts = catalog.ingest(items, rejects=rejects)
            seconds = time.perf_counter() - started
            more = (_peak() - before) / 1e6
        said = _codes(rejects)
    names, wanted = list(expected), {str(n): code for n, code in enumerate(expected.values()) if code}
    for one, code in wanted.items():
        if said.get(one) != code:
            print(f"{names[int(one)][:60]!r}: {said.get(one, 'taken')} in the place of {code}", flush=True)
    as_wanted = sum(said.get(one) == code for one, code in wanted.items())
    columns = (
        "hostile",
        "rejected for their reason",
        "harmless",
        "taken",
        "s",
        "memory above the encoder's, MB",
        "allowed",
    )
    row = [len(wanted), as_wanted, len(expected) - len(wanted), counts.ok, seconds, more, MOST_MB]
    yield Table(f"Hostile pictures, ingest with {Path(model).name}", columns, [row])
    reasons = Counter(said.values())
    yield Table("Their reasons", ("reason", "pictures"), [[code, count] for code, count in reasons.most_common()])
    if as_wanted < len(wanted) or counts.ok != len(expected) - len(wanted):
        message = "not every picture became what it should be"
        raise RuntimeError(message)


def _hostile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hostile_pictures", SCRIPT)
    if spec is None or spec.loader is None or not SCRIPT.is_file():
        message = f"the pictures are made by {SCRIPT}, which is not there"
        raise SkippedError(message)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _codes(rejects: Path) -> dict[str, str]:
    """Reasons by the ids of the items."""
    rows = map(json.loads, rejects.read_text(encoding="utf-8").splitlines())  # some names are no UTF-8
    return {row["row"]["id"]: row["code"] for row in rows}


def _count_anew() -> None:
    """The peak of memory counts from here."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """The most bytes of memory that this process had since they were counted."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="image encoder (default: the small one beside the data)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
