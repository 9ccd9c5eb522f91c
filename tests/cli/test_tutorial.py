"""The tutorial runs from its first command to its last, and prints what it says."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from nearclass.cli.app import cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?%?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ANY = "..."


def settings(text):
    """What the page exports."""
    lines = [line for kind, block in _BLOCK.findall(text) if kind == "sh" for line in block.splitlines()]
    return dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))


def steps(text):
    """Commands in order, each with the lines that it prints."""
    found = []
    for kind, block in _BLOCK.findall(text):
        for line in block.splitlines() if kind == "console" else ():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ nearclass "), []))
            else:
                found[-1][1].append(line)
    return found


def arguments(line):
    """The words of a command, with rows as on a terminal."""
    words = shlex.split(line)
    command = cli.commands[words[0]]
    for word in words[1:]:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
    return [*words, "-o", "table"] if any("-o" in option.opts for option in command.params) else words


def alike(one, other):
    """Whether two words are the same, or numbers that another processor may have given."""
    if not (_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)):
        return one == other
    first, second = (float(word.rstrip("%").replace(",", "")) for word in (one, other))
    return abs(first - second) <= max(0.02 if "." in one else 2, 0.05 * abs(first))


def printed(expected, lines):
    """Whether these lines are those expected, of which ``...`` stands for any."""
    if not expected:
        return not lines
    if expected[0].strip() == _ANY:
        return any(printed(expected[1:], lines[start:]) for start in range(len(lines) + 1))
    if not lines:
        return False
    words, found = (_TIME.sub("TIME", line).split() for line in (expected[0], lines[0]))
    return len(words) == len(found) and all(map(alike, words, found)) and printed(expected[1:], lines[1:])


@pytest.mark.slow
def test_the_tutorial_runs_in_order_and_prints_what_it_says(run, tmp_path, encoder):  # skips without weights
    text = PAGE.read_text(encoding="utf-8")
    shutil.copytree(ROOT / "demo" / "data", tmp_path / "demo" / "data")
    environment = {**settings(text), "COLUMNS": "118"}
    assert set(environment) == {"NEARCLASS_URI", "NEARCLASS_AUTHOR", "COLUMNS"}
    commands = steps(text)
    assert len(commands) > 12
    for line, expected in commands:
        done = run(*arguments(line), cwd=tmp_path, env=environment)
        assert done.code == 0, f"{line}: {done.err}"
        lines = [one.rstrip() for one in (done.out + done.err).splitlines()]
        assert printed(expected, lines), f"{line}\n" + "\n".join(lines)


def test_what_is_printed_otherwise_would_be_noticed():
    assert printed(["a  0.71", "...", "z 3"], ["a 0.70", "b", "c", "z 4"])
    assert not printed(["a  0.71"], ["a 0.90"])
    assert not printed(["a", "..."], ["b"])
    assert not printed(["a"], ["a", "b"])
