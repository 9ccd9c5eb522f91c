"""A real Milvus server for tests and benchmarks: the binary of the package ``milvus``, kept off every network.

The server listens on every interface, without a password. So it runs in a network namespace that has nothing but a
loopback, and is reached through a Unix socket. ``python milvus_server.py install`` only fetches the package;
``python milvus_server.py run`` starts a server and says its address until standard input is closed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

VERSION = "2.3.5"
"""The newest release that there is as a package; its client API is the one that newer servers have too."""

INSIDE = Path(__file__).with_name("inside_namespace.py")
NAMESPACE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
START_S = 180.0

QUICK = {"proxy.timeTickInterval": "20"}
"""A call at strong consistency waits for a tick of this clock, each 200 ms by default. No answer depends on it."""


class NoNamespaceError(Exception):
    """This machine does not let this user make a network namespace."""


def package() -> Path:
    """Folder with the package, which has no dependencies: fetched at the first call, and kept for all checkouts."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nearclass-tests"
    folder = cache / f"milvus-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "lock"):
        if not folder.is_dir():
            partial = cache / f"partial-{os.getpid()}"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--target", str(partial), f"milvus=={VERSION}"], check=True)
            unpack = "import milvus, sys; milvus._initialize_data_files(sys.argv[1])"
            subprocess.run([sys.executable, "-c", unpack, str(partial)], check=True, env=_environment(partial))
            partial.rename(folder)
    return folder


def namespace() -> tuple[str, ...]:
    """The command that runs another one in namespaces of its own.

    Raises:
        NoNamespaceError: There is none; it says why.
    """
    if not (shutil.which("unshare") and shutil.which("mount")):
        raise NoNamespaceError("a network namespace needs the programs unshare and mount, of Linux")
    command = NAMESPACE if os.geteuid() == 0 else (*NAMESPACE, "--map-root-user")
    tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, check=False)
    if tried.returncode:
        raise NoNamespaceError(f"no network namespace can be made here: {tried.stderr.decode().strip()}")
    return command


@contextmanager
def serving(settings: Mapping[str, str] = QUICK, database: Path | None = None) -> Iterator[str]:
    """Address of a server, which is killed at the end; its database is gone then, unless it is in a folder of yours.

    Raises:
        NoNamespaceError: This machine has no namespaces for this user.
        RuntimeError: The server did not start; it says what the server printed.
    """
    with tempfile.TemporaryDirectory(prefix="nearclass-milvus-", ignore_cleanup_errors=True) as folder:
        path, data = Path(folder) / "socket", database or Path(folder) / "data"
        installed = package()
        data.mkdir(exist_ok=True)
        if not (data / "bin").is_symlink():
            (data / "bin").symlink_to(installed / "bin")
        command = [*namespace(), sys.executable, str(INSIDE), "--data", str(data), "--socket", str(path)]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        with (
            (Path(folder) / "log").open("w+b") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(installed),
                start_new_session=True,  # Ctrl-C is for the tests, which end the server when they are done
            ) as process,
        ):
            try:
                if process.stdout is None or process.stdout.readline() != b"ready\n":
                    log.seek(0)
                    raise RuntimeError(f"the Milvus server did not start: {log.read().decode()[-2000:]}")
                yield f"unix://{path}"
            finally:
                process.stdin and process.stdin.close()
                process.wait(timeout=START_S)


def _environment(installed: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("install", "run"))
    given = parser.parse_args()
    if given.what == "install":
        print(package())
        return
    started = time.monotonic()
    with serving() as uri:
        print(f"{uri}  (started in {time.monotonic() - started:.0f} s)", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
