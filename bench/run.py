"""Run every benchmark and collect the tables in bench/results/."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import common

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
NAMES = (
    "startup",
    "embedding",
    "images",
    "hostile",
    "assign",
    "ingest",
    "distributed",
    "worker",
    "catalogue",
    "memory",
    "scale",
    "accuracy",
    "adaptation",
    "newcomers",
    "decisions",
    "discovery",
    "pictures",
    "learn",
    "reembed",
    "preview",
    "serve",
    "pages",
)


def main() -> None:
    """The whole set, one after the other; a failure does not stop the rest but fails the run."""
    given = _parse()
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in given.only:
        started = time.monotonic()
        code = _run(name, given)
        print(f"\n[{name}: {time.monotonic() - started:.0f} s, exit code {code}]\n", flush=True)
        failed += [name] if code else []
    texts = [path.read_text() for name in NAMES if (path := RESULTS / f"{name}.md").is_file()]
    (RESULTS / "all.md").write_text("\n".join(texts))
    print(f"Collected in {RESULTS / 'all.md'}; figures for programs beside it, in NAME.json.")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(name: str, given: argparse.Namespace) -> int:
    """One benchmark in a process of its own, shown as it goes and kept."""
    line = [
        sys.executable,
        str(HERE / f"{name}.py"),
        "--data",
        str(given.data),
        "--json",
        str(RESULTS / f"{name}.json"),
    ]
    line += ["--quick"] if given.quick else []
    line += ["--vectors"] if name == "memory" and (given.quick or given.vectors) else []
    (RESULTS / f"{name}.md").unlink(missing_ok=True)  # a run that fails must not leave the figures of another
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        shown = []
        for text in process.stdout or ():
            print(text, end="", flush=True)
            shown.append(text)
    if process.returncode == 0:
        (RESULTS / f"{name}.md").write_text("".join(shown))
    return process.returncode


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast")
    parser.add_argument("--data", type=Path, default=common.DATA, metavar="DIR", help="default: ../shared/data")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--vectors", action="store_true", help="memory.py with given vectors: minutes less")
    return parser.parse_args()


if __name__ == "__main__":
    main()
