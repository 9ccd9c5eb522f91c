"""What is shipped: the wheel holds the package and nothing else, and importing it does nothing."""

import doctest
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nearclass

ROOT = Path(nearclass.__file__).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the tree without what version control ignores."""
    folder = tmp_path_factory.mktemp("build")
    copy = folder / "copy"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "*.db", "nearclass-demo")
    shutil.copytree(ROOT, copy, ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"nearclass", f"nearclass-{nearclass.__version__}.dist-info"}
    assert not [name for name in names if "/tests/" in name or "/bench/" in name or name.endswith(".ipynb")]


def test_every_module_of_the_tree_and_every_data_file_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = [path for path in ROOT.iterdir() if (path / "__init__.py").is_file() and path.name != "tests"]
    wanted = {path for folder in folders for path in folder.rglob("*.py")} | set(ROOT.glob("*.py"))
    wanted |= {ROOT / "py.typed", *(ROOT / "demo" / "data").iterdir(), *(ROOT / "reports" / "templates").iterdir()}
    missing = {f"nearclass/{path.relative_to(ROOT).as_posix()}" for path in wanted} - names
    assert not {name for name in missing if "__pycache__" not in name}


def test_open_clip_is_declared_and_not_imported():
    code = "import sys, nearclass.catalog; print('open_clip' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    assert "open_clip_torch" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_public_name_is_there():
    for name in nearclass.__all__:
        assert getattr(nearclass, name) is not None


def modules():
    skipped = ("nearclass.tests", "nearclass.bench", "nearclass.build", "nearclass.docs", "nearclass.__main__")
    for found in pkgutil.walk_packages([str(ROOT)], "nearclass."):
        if not found.name.startswith(skipped):
            yield found.name


@pytest.mark.parametrize("name", sorted(modules()))
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_constraints_pin_what_is_needed_and_name_no_host():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("==" in line for line in lines)
    assert "://" not in text
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert {"torch", "torchvision", "pymilvus", "milvus-lite", "sentence-transformers", "open-clip-torch"} <= pinned


def test_the_command_lets_waiting_threads_sleep_unless_somebody_wants_otherwise(monkeypatch):
    from nearclass.__main__ import main

    def left():
        with pytest.raises(SystemExit, match="0"):
            main()
        return os.environ["OPENBLAS_THREAD_TIMEOUT"]

    monkeypatch.setattr("sys.argv", ["nearclass", "--version"])
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "20")
    assert left() == "20"
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT")
    assert left() == "4"
