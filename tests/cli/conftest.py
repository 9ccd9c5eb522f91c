"""The command as a user runs it: a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo" / "data"


class Outcome:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr
        assert "Traceback" not in self.err, self.err

    @property
    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self):
        return self.rows[0]


@pytest.fixture(scope="session")
def run():
    """Runs ``nearclass`` with these arguments, in a given folder and with a given standard input."""

    def call(*arguments, cwd, stdin=None, env=None):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NEARCLASS_")}
        process = subprocess.run(
            [sys.executable, "-m", "nearclass", *map(str, arguments)],
            cwd=cwd, input=stdin, env={**clean, **(env or {})}, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Outcome(process)

    return call


@pytest.fixture(scope="session")
def stocked(run, tmp_path_factory, encoder):  # skips where there are no weights
    """A folder with a database that has the demo's classes and forty of its items."""
    folder = tmp_path_factory.mktemp("shop")
    imported = run("classes", "import", DEMO / "classes.jsonl", cwd=folder)
    assert imported.code == 0
    assert imported.row["added"] == 64
    lines = (DEMO / "items.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "items.jsonl").write_text("".join(lines[:40]), encoding="utf-8")
    assert run("ingest", "items.jsonl", cwd=folder).row["ok"] == 40
    return folder
