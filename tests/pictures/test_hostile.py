"""Many pictures that are meant to break a reader, each read in a process whose memory is watched."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("hostile.py")
MOST_MORE_MIB = 300
MOST_S = 5

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is counted as Linux does")


@pytest.fixture(scope="module")
def made():
    spec = importlib.util.spec_from_file_location("hostile", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "in"
    folder.mkdir()
    expected = made.make(folder)
    command = [sys.executable, "-W", "always", str(SCRIPT), str(folder)]
    names = json.dumps(list(expected))
    done = subprocess.run(command, input=names, capture_output=True, text=True, timeout=300, check=True)
    return expected, json.loads(done.stdout), done.stderr


def test_each_is_refused_for_its_reason_or_taken_where_it_is_harmless(run):
    expected, report, _ = run
    assert len([code for code in expected.values() if code]) >= 60
    assert {name: code for name, (code, *_) in report["found"].items()} == expected


def test_each_reason_names_the_picture(run):
    _, report, _ = run
    for name, (code, said, *_) in report["found"].items():
        assert not code or repr(name)[1:150] in said or code == "bad_reference"


def test_none_takes_much_memory_or_time(run):
    _, report, _ = run
    more_kib = {name: more for name, (_, _, _, more) in report["found"].items()}
    assert {name: more for name, more in more_kib.items() if more > MOST_MORE_MIB << 10} == {}
    assert {name: seconds for name, (_, _, seconds, _) in report["found"].items() if seconds > MOST_S} == {}


def test_nothing_is_printed_but_what_libtiff_itself_prints(run):
    _, _, printed = run
    assert [line for line in printed.splitlines() if line.strip() and not line.startswith("TIFF")] == []


def test_no_thread_is_left(run):
    assert run[1]["threads"] == ["MainThread"]
