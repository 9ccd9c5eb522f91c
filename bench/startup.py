"""Start-up: how long whole processes take that have little to do."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import common
from common import Options, Table

ROUNDS = 20
ROUNDS_WITH_DATABASE = 7

CLASSES = {
    "Kitchen": ("Kettles", "Toasters", "Coffee grinders"),
    "Computers": ("Laptops", "Tablets", "Printers"),
    "Garden": ("Spades", "Hoses", "Lawn mowers"),
}


TITLES = 200
"""Too many to be embedded without torch."""

_PEER = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1]).encode([f"steel kettle {number}" for number in range(int(sys.argv[2]))])
"""


def measure(options: Options) -> Iterator[Table]:
    """One table: the commands in turns, those without a database more often."""
    with common.scratch() as folder:
        uri, titles = _catalogue(folder), folder / "titles.jsonl"
        titles.write_text(
            "".join(json.dumps({"id": str(n), "title": f"steel kettle {n}"}) + "\n" for n in range(TITLES))
        )
        peer = [sys.executable, "-c", _PEER, str(common.default_model().path)]
        bare = {"python -c pass": [sys.executable, "-c", "pass"], "nearclass --help": [*common.launcher(), "--help"]}
        stored = {
            "nearclass classes list": common.nearclass(uri, "classes", "list"),
            'nearclass assign "x"': common.nearclass(uri, "assign", "x"),
            f"nearclass assign --input {TITLES} titles": common.nearclass(uri, "assign", "--input", str(titles)),
            "the peer: SentenceTransformer encodes 1 title": [*peer, "1"],
            f"the peer: SentenceTransformer encodes {TITLES} titles": [*peer, str(TITLES)],
        }
        seconds = _in_turns(bare, folder, 2 if options.quick else ROUNDS)
        seconds |= _in_turns(stored, folder, 1 if options.quick else ROUNDS_WITH_DATABASE)
    yield Table(
        "Start-up, whole processes",
        ("command", "ms, median", "ms, least", "runs"),
        [[name, 1000 * common.median(taken), 1000 * min(taken), len(taken)] for name, taken in seconds.items()],
        ["After one run that does not count. Catalogue: an embedded database with 12 classes, 9 of them leaves."],
    )


def _in_turns(commands: dict[str, list[str]], folder: Path, rounds: int) -> dict[str, list[float]]:
    tasks = {
        name: lambda line=line: common.run_child(line, folder, keep=False).seconds for name, line in commands.items()
    }
    common.in_turns(tasks, 1)
    return common.in_turns(tasks, rounds)


def _catalogue(folder: Path) -> Path:
    """A small database in the folder."""
    rows = [{"path": path} for group, names in CLASSES.items() for path in ([group], *([group, one] for one in names))]
    classes = folder / "classes.jsonl"
    classes.write_text("".join(json.dumps({"id": "/".join(row["path"]), **row}) + "\n" for row in rows))
    uri = folder / "small.db"
    common.run_child(common.nearclass(uri, "classes", "import", str(classes)), folder)
    return uri


if __name__ == "__main__":
    common.main(__doc__, measure)
