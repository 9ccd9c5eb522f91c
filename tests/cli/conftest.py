"""The command: in this process, which is quick, and as a user runs it, a process of its own."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from remembering import loaded_once

from nearclass.cli.app import run as run_command

DEMO = Path(__file__).parents[2] / "demo" / "data"


class Outcome:
    """Exit code, standard output and standard error of a command that has ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err, err

    @property
    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self):
        return self.rows[0]


def environment(extra):
    """No setting of whoever runs the tests, and an arithmetic that need not be measured before every command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NEARCLASS_")}
    return clean | {"NEARCLASS_PRECISION": "float32"} | (extra or {})


def stream(text=""):
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline="", write_through=True)


@pytest.fixture(scope="session")
def run():
    """Runs ``nearclass`` with these arguments, in a given folder and with a given standard input.

    What no command may let out, an exception that is none of ours, goes through to the test and fails it.
    """

    def call(*arguments, cwd, stdin=None, env=None):
        out, err = stream(), stream()
        with (
            loaded_once(),
            contextlib.chdir(cwd),
            patch.dict(os.environ, environment(env), clear=True),
            patch.object(sys, "stdin", stream(stdin or "")),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run_command([str(one) for one in arguments])
        return Outcome(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())

    return call


@pytest.fixture(scope="session")
def run_process():
    """Runs the same in a process of its own, for what only shows there."""

    def call(*arguments, cwd, stdin=None, env=None):
        process = subprocess.run(
            [sys.executable, "-m", "nearclass", *map(str, arguments)],
            cwd=cwd, input=stdin, env=environment(env), capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Outcome(process.returncode, process.stdout, process.stderr)

    return call


@pytest.fixture(scope="session")
def _stocked(run, tmp_path_factory, encoder):  # skips where there are no weights
    folder = tmp_path_factory.mktemp("stocked")
    imported = run("classes", "import", DEMO / "classes.jsonl", cwd=folder)
    assert imported.code == 0
    assert imported.row["added"] == 64
    lines = (DEMO / "items.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "items.jsonl").write_text("".join(lines[:40]), encoding="utf-8")
    assert run("ingest", "items.jsonl", cwd=folder).row["ok"] == 40
    return folder


@pytest.fixture
def stocked(_stocked, tmp_path):
    """A folder with a database that has the demo's classes and forty of its items, to be changed at will."""
    return Path(shutil.copytree(_stocked, tmp_path / "stocked"))
