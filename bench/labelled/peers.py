"""Peers in a virtual environment of their own, made here once: they are never a dependency of the project."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from labelled.sets import Floats

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE.parent / "peers.txt"
INSTALL_S = 900
NOTE = "Peers have an environment of their own, see bench/peers.txt, over the packages of ours: the same torch for all."


class PeerError(Exception):
    """A peer has no figures, and why."""


def run(task: Mapping[str, object], texts: Sequence[str], vectors: Floats, limit_s: float) -> list[str]:
    """Answers of a peer, a class name for each item.

    Args:
        task: ``peer``, ``classes`` (name to utterances), ``items`` and whatever else the runner reads.
        texts: Every text in it.
        vectors: Their vectors, shape (texts, d).
        limit_s: It is stopped after so many seconds.

    Raises:
        PeerError: It cannot be installed, failed, or took too long.
    """
    python = _python()
    with tempfile.TemporaryDirectory(prefix="nearclass-bench-") as name:
        place = Path(name)
        files = [place / "task.json", place / "vectors.npy", place / "answers.json"]
        files[0].write_text(json.dumps({**task, "texts": list(texts)}))
        np.save(files[1], vectors)
        line = [str(python), str(HERE / "peer_runner.py"), *map(str, files)]
        try:
            done = subprocess.run(
                line, cwd=place, env=_environment(), capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise PeerError(f"not done after {limit_s:.0f} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PeerError(f"failed: {last[:120]}")
        return [str(answer) for answer in json.loads(files[2].read_text())]


def ready() -> bool:
    """Whether the environment is there already."""
    return (_place() / "done").is_file()


def _place() -> Path:
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.prefix.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nearclass-bench-peers-{digest}"


@cache
def _python() -> Path:
    """The Python of the environment, which is made where it is not there yet."""
    place = _place()
    python = place / "bin" / "python"
    if ready():
        return python
    print(f"Installing {REQUIREMENTS.name} into {place} ...", file=sys.stderr, flush=True)
    venv.create(place, with_pip=True, clear=True)
    packages = next(place.glob("lib/python*/site-packages"))
    # What we have is not installed again, gigabytes of it; what the peers need beyond it goes into theirs.
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    line = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise PeerError(f"not installable: pip was not done after {INSTALL_S} s") from None
    if done.returncode:
        raise PeerError(f"not installable: {(done.stderr.strip().splitlines() or ['pip failed'])[-1][:120]}")
    (place / "done").touch()
    return python


def _environment() -> dict[str, str]:
    """Ours, offline."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
