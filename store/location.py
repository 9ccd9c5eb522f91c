"""Where a store is: the address of a server, or the path of an embedded database."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError, StoreError

__all__ = ["DirectoryAddress", "ServerAddress", "is_database", "locate"]

_SCHEMES: Final = ("http", "https", "tcp", "unix")

_DEFAULT_PORT: Final = 19530
"""gRPC port of a Milvus server (Milvus documentation)."""

_SUFFIX: Final = ".db"
_DEFAULT_NAME: Final = "nearclass.db"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server: ``url`` without credentials, and what the given address said besides."""

    url: str
    host: str
    port: int
    token: str
    database: str


@dataclass(frozen=True, slots=True)
class DirectoryAddress:
    """An embedded database: the directory, absolute and free of links."""

    path: Path


def locate(uri: str) -> ServerAddress | DirectoryAddress:
    """Read an address or a path as a user types it.

    Raises:
        ConfigError: It is neither.
        StoreError: The path leads to a file, not to a directory.
    """
    if not isinstance(uri, str) or not uri.strip() or "\0" in uri:
        raise ConfigError(f"not an address of Milvus: {uri!r}", hint="give a path, or a URL such as http://host:19530")
    scheme, colon, _ = uri.partition(":")
    if "://" in uri or (colon and scheme == "unix"):
        return _server(uri, scheme.lower())
    if re.fullmatch(r"[A-Za-z0-9_.-]*:\d+", uri):
        raise ConfigError(f"address {uri!r} has no scheme", hint=f"write http://{uri}")
    return DirectoryAddress(_directory(uri))


def _server(uri: str, scheme: str) -> ServerAddress:
    if scheme not in _SCHEMES:
        raise ConfigError(f"address has the unknown scheme {scheme!r}", hint=f"use one of {', '.join(_SCHEMES)}")
    if scheme == "unix":
        return ServerAddress(uri, "", 0, "", "")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"address of Milvus cannot be read: {error}", hint="write http://host:19530") from error
    if not host or parts.query or parts.fragment:
        raise ConfigError(f"address of Milvus with no host or with more than a host: {_shown(uri)!r}")
    port = port or (443 if scheme == "https" else _DEFAULT_PORT)
    token = unquote(parts.username or "") + (f":{unquote(parts.password)}" if parts.password else "")
    name = f"[{host}]" if ":" in host else host
    return ServerAddress(f"{scheme}://{name}:{port}", host, port, token, parts.path.strip("/"))


def _shown(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


def _directory(text: str) -> Path:
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"path {text!r} cannot be read: {error}") from error
    # One with the suffix is the database itself even when it is empty: another process may be making it.
    if path.is_dir() and path.suffix != _SUFFIX and not is_database(path):
        path = path / _DEFAULT_NAME
    elif not path.exists() and path.suffix != _SUFFIX:
        path = path.with_name(path.name + _SUFFIX)
    if path.is_file():
        raise StoreError(
            f"{path} is a file: a database of Milvus Lite 2.x, or none; since 3.0 it is a directory",
            hint="give another path and load the data again",
        )
    return path.resolve()


def is_database(path: Path) -> bool:
    """Whether a directory is a database of Milvus Lite 3."""
    return (path / "collections").is_dir()
