"""Python, the packages that nearclass stands on, and whether torch and torchvision belong together."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .finding import Finding, Findings, ok, problem, warning

__all__ = [
    "Pair",
    "check_packages",
    "milvus_floor",
    "package_range",
    "python_version",
    "ranges",
    "torch_floor",
    "torch_pair",
]

_OURS: Final = "nearclass"
_WATCHED: Final = (
    "pymilvus",
    "milvus-lite",
    "sentence-transformers",
    "torch",
    "transformers",
    "open-clip-torch",
    "timm",
    "pillow",
)
_DEMANDING: Final = (_OURS, "sentence-transformers", "open_clip_torch")
"""Packages whose own metadata say which versions of the watched ones they take."""

_SAFE_TORCH: Final = "2.10"
"""Earlier releases have published flaws in loading and compiling models."""

_SAFE_MILVUS: Final = {(2, 5): "2.5.27", (2, 6): "2.6.10"}
"""First safe release of each line of the server that has one; later lines are safe, earlier ones are not."""

_IMPORT_S: Final = 300.0
"""A first import from a slow disk takes a minute."""

_PROBE: Final = """
import json, torch
print(json.dumps(["torch", torch.__version__]), flush=True)
import torchvision
print(json.dumps(["torchvision", torchvision.__version__]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """What importing torch and then torchvision came to, in a process of its own.

    Attributes:
        torch: Version with its build, such as ``2.15.0+cpu``; None if it is not installed.
        torchvision: The same.
        error: Last line of what the import said, or empty if it worked.
    """

    torch: str | None
    torchvision: str | None
    error: str


def check_packages() -> Findings[None]:
    """Findings about Python and the packages."""
    yield python_version(sys.version_info[:2], metadata(_OURS)["Requires-Python"])
    wanted = ranges({name: requires(name) or [] for name in _DEMANDING if _installed(name)})
    for name in _WATCHED:
        yield package_range(name, _installed(name), wanted.get(name, {}))
    pair = _import_pair()
    yield torch_pair(pair, _needed_torch())
    if pair.torch:
        yield torch_floor(pair.torch)


def python_version(running: tuple[int, int], supported: str) -> Finding:
    """Whether this Python is one that nearclass is made for.

    >>> python_version((3, 12), ">=3.11,<3.14").state
    <State.OK: 'ok'>
    """
    name = ".".join(map(str, running))
    if name in SpecifierSet(supported):
        return ok("python", f"{name} at {sys.executable}")
    fix = "python3.13 -m venv .venv && .venv/bin/pip install nearclass, or with another supported version"
    return problem("python", f"{name}; nearclass needs {supported}", fix)


def ranges(requirements: Mapping[str, Iterable[str]]) -> dict[str, dict[str, SpecifierSet]]:
    """Versions wanted of each package, by who wants them, from the requirements of installed packages.

    >>> ranges({"a": ["Torch>=2,<3", 'x; extra == "dev"'], "b": ["torch>=1"]})
    {'torch': {'a': <SpecifierSet('<3,>=2')>, 'b': <SpecifierSet('>=1')>}}
    """
    wanted: dict[str, dict[str, SpecifierSet]] = {}
    for who, lines in requirements.items():
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.setdefault(canonicalize_name(requirement.name), {})[who] = requirement.specifier
    return wanted


def package_range(name: str, installed: str | None, wanted: Mapping[str, SpecifierSet]) -> Finding:
    """Whether a package is there, in a version that all who need it take."""
    together = SpecifierSet(",".join(str(one) for one in wanted.values() if str(one)))
    fix = f'pip install "{name}{together}"'
    if installed is None:
        return problem(f"package {name}", "not installed", fix)
    refusing = [f"{who} needs {one}" for who, one in wanted.items() if not one.contains(installed, prereleases=True)]
    if refusing:
        return problem(f"package {name}", f"{installed}; {', '.join(refusing)}", fix)
    return ok(f"package {name}", f"{installed} (wanted: {together or 'any'})")


def torch_pair(pair: Pair, needed: SpecifierSet) -> Finding:
    """Whether torch and torchvision come from one build, judged by importing them and by their versions.

    Args:
        pair: What the import came to.
        needed: Versions of torch that this torchvision asks for.
    """
    name, found = (
        "torch and torchvision",
        f"torch {pair.torch or 'absent'}, torchvision {pair.torchvision or 'absent'}",
    )
    fix = _pair_fix(pair, needed)
    if pair.error:
        return problem(name, f"{found} cannot be imported together{_why(pair, needed)}: {pair.error}", fix)
    if why := _why(pair, needed):
        return warning(name, f"{found} can be imported{why}", fix)
    return ok(name, f"{found}: one build")


def torch_floor(installed: str) -> Finding:
    """Whether torch is recent enough to be safe."""
    if Version(installed) >= Version(_SAFE_TORCH):
        return ok("torch security", f"{installed}, at least {_SAFE_TORCH}")
    fix = f'pip install --upgrade "torch>={_SAFE_TORCH}" torchvision'
    return warning("torch security", f"{installed} has known flaws; {_SAFE_TORCH} is the first without", fix)


def milvus_floor(engine: str) -> Finding | None:
    """Whether a server is recent enough to be safe; None for an engine that is no server of Milvus.

    >>> milvus_floor("milvus 2.6.3").state
    <State.WARNING: 'warning'>
    >>> milvus_floor("milvus-lite 3.2.2")
    """
    kind, _, text = engine.partition(" ")
    if kind != "milvus":
        return None
    floors = " or ".join(_SAFE_MILVUS.values())
    fix = f"Upgrade the Milvus server to {floors}, or later, and keep its ports off open networks."
    try:
        installed = Version(re.split(r"[-+ ]", text)[0])
    except InvalidVersion:
        return warning("milvus security", f"the server says that it is {text!r}, which is no version", fix)
    floor = _SAFE_MILVUS.get((installed.major, installed.minor), next(iter(_SAFE_MILVUS.values())))
    if installed >= Version(floor):
        return ok("milvus security", f"{installed}, at least {floor}")
    return warning("milvus security", f"{installed} has known flaws; {floor} is the first of its line without", fix)


def _why(pair: Pair, needed: SpecifierSet) -> str:
    """What does not fit, in words to go on with, or nothing."""
    if not pair.torch or not pair.torchvision:
        return ""
    here, there = Version(pair.torch), Version(pair.torchvision)
    if not needed.contains(here.public, prereleases=True):
        return f", and this torchvision needs torch {needed}"
    if here.local != there.local:
        return f", and they are of different builds ({_build(here)} and {_build(there)})"
    return ""


def _build(installed: Version) -> str:
    return f"+{installed.local}" if installed.local else "the default one"


def _pair_fix(pair: Pair, needed: SpecifierSet) -> str:
    wanted = ['"torch>=2.10"', '"torchvision>=0.25"']
    if pair.torch and pair.torchvision and needed.contains(Version(pair.torch).public, prereleases=True):
        wanted = [f"torch=={Version(pair.torch).public}", f"torchvision=={Version(pair.torchvision).public}"]
    # Without the first half pip would take an installed 2.15.0+cpu for the 2.15.0 that is asked for.
    return f"pip uninstall -y torch torchvision && pip install {' '.join(wanted)}"


def _import_pair() -> Pair:
    # In a process of its own: two builds that do not fit can end the process.
    command = [sys.executable, "-P", "-c", _PROBE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Pair(_installed("torch"), _installed("torchvision"), f"no end after {_IMPORT_S:.0f} s")
    said = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    error = ""
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        error = lines[-1] if lines and done.returncode > 0 else f"the process ended with code {done.returncode}"
    return Pair(said.get("torch") or _installed("torch"), said.get("torchvision") or _installed("torchvision"), error)


def _needed_torch() -> SpecifierSet:
    lines = requires("torchvision") or [] if _installed("torchvision") else []
    return ranges({"torchvision": lines}).get("torch", {}).get("torchvision", SpecifierSet())


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
