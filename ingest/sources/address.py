"""Addresses of remote files, through fsspec, which is imported only when there is one."""

import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ...errors import InputError

__all__ = ["display", "file_system", "is_address"]

_PACKAGES: Final = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "adl": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "hdfs": "pyarrow",
    "gdrive": "gdrivefs",
}
"""Protocol to the package on PyPI that fsspec needs for it. Source: fsspec.registry.known_implementations."""


def is_address(path: str) -> bool:
    r"""Return whether fsspec has to open this.

    >>> is_address("s3://shop/items.csv"), is_address("items.csv"), is_address("C:\\items.csv")
    (True, False, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)", path) is not None


def display(url: str) -> str:
    """Return an address without the secrets that may be in it: user, password, query.

    >>> display("https://me:secret@shop.example/items.csv?sig=abc")
    'https://shop.example/items.csv'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system for an address, and the path within it.

    Raises:
        InputError: The protocol is not known, its driver is not installed, or the address is not well-formed.
    """
    import fsspec  # noqa: PLC0415  only where it is needed

    protocol = re.split(r"://|::", url, maxsplit=1)[0].lower()
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol, "")
        hint = f"Type: pip install {package}" if package else str(error)
        message = f"{display(url)}: the driver for {protocol}:// is not installed"
        raise InputError(message, hint=hint) from error
    except Exception as error:  # every driver raises errors of its own
        message = f"{display(url)}: cannot be opened: {error}"
        raise InputError(message, hint=_known_protocols(protocol)) from error
    return files, path


def _known_protocols(protocol: str) -> str:
    from fsspec.registry import known_implementations  # noqa: PLC0415  only where it is needed

    if protocol in known_implementations:
        return ""
    return f"{protocol}:// is not known; among those that are: s3://, gs://, az://, https://, file://."
