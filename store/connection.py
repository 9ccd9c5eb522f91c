"""A client for a running engine, and what it is a client of."""

import contextlib
import functools
import logging
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.request import getproxies

from ..errors import ConfigError, StoreError, StoreUnavailableError
from .location import ServerAddress
from .translate import translated

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["check_engine", "connect", "disconnect", "import_client", "version_of"]

_CONNECT_S: Final = 10.0
"""The client's own patience for a first connection (pymilvus 3.0.2)."""

_PROBE_S: Final = 3.0
"""A host of the other side of the world answers within a third of a second."""

_FLOORS: Final[dict[str, tuple[tuple[int, ...], str]]] = {
    "milvus": ((2, 3), "cannot replace rows"),
    # Fixed in 3.2.1 (milvus-lite, issue 366).
    "milvus-lite": ((3, 2, 1), "repeats and drops rows of queries in order of their keys"),
}
"""First release of each engine that can be used, and what earlier ones lack."""

_KEEPALIVE_MS: Final = 330_000
"""A gRPC server may close a connection that is pinged more often than each 300 s; the client's default is 10 s."""


@functools.cache
def import_client() -> "type[MilvusClient]":
    """The client class, imported without what the import does besides.

    It would load a ``.env`` file of the working directory into the environment, and print each error to
    stderr with a traceback although every one is raised as well.
    """
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        from pymilvus import MilvusClient  # noqa: PLC0415  # Costs a second to import.
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return cast("type[MilvusClient]", MilvusClient)


def connect(
    address: ServerAddress, *, token: str, database: str, tls_ca: Path | None, timeout_s: float
) -> "MilvusClient":
    """A client of its own connection, which ``close`` really closes.

    Raises:
        ConfigError: The certificate does not exist or the address has no TLS.
        StoreUnavailableError: Nobody answers there.
    """
    options: dict[str, Any] = {"grpc_options": {"grpc.keepalive_time_ms": _KEEPALIVE_MS}}
    if tls_ca is not None:
        if not address.url.startswith("https://") or not tls_ca.is_file():
            raise ConfigError(f"certificate {tls_ca} needs to be a file, and the address to begin with https://")
        options |= {"server_pem_path": str(tls_ca), "secure": True}
    _probe(address, timeout_s)
    client = import_client()
    with translated("connect", address.url):
        return client(
            uri=address.url,
            token=token or address.token,
            db_name=database or address.database,
            timeout=min(timeout_s, _CONNECT_S),
            dedicated=True,
            **options,
        )


def _probe(address: ServerAddress, timeout_s: float) -> None:
    """Fail at once where nobody listens; the client would try again until its deadline."""
    if not address.host or getproxies().keys() & {"http", "https", "grpc"}:
        return
    try:
        socket.create_connection((address.host, address.port), timeout=min(timeout_s, _PROBE_S)).close()
    except TimeoutError:
        return
    except OSError as error:
        raise StoreUnavailableError(
            f"nobody listens at {address.url}: {error}", hint="check that Milvus runs and is reachable"
        ) from error


def version_of(client: "MilvusClient", target: str, timeout_s: float) -> str:
    """Engine and version: ``milvus-lite 3.2.2`` or ``milvus 2.3.5``."""
    with translated("read the version", target):
        text = str(client.get_server_version(timeout=timeout_s))
    name, _, number = text.rpartition("-") if text.startswith("milvus_lite") else ("", "", text)
    return f"{'milvus-lite' if name else 'milvus'} {number.lstrip('v')}"


def check_engine(version: str, target: str) -> None:
    """Pass if an engine has what every call here needs; one that says no version is taken at its word.

    Raises:
        StoreError: It is too old; the message says what it lacks.

    >>> check_engine("milvus 2.3.5-lite", "http://host:19530")
    """
    kind, _, number = version.partition(" ")
    numbers = tuple(int(part) for part in re.findall(r"\d+", number)[:3])
    floor, lacks = _FLOORS.get(kind, ((), ""))
    if numbers and numbers < floor:
        needed = ".".join(map(str, floor))
        raise StoreError(f"{version} at {target} {lacks}", hint=f"use {kind} {needed} or later")


def disconnect(client: "MilvusClient") -> None:
    """Close a client, whatever state it is in."""
    with contextlib.suppress(Exception):
        client.close()
