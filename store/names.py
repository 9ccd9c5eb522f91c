"""Names of a catalogue's collections: an alias that is read through, and behind it a physical name with a version."""

import re
from collections.abc import Iterable
from typing import Final

__all__ = [
    "alias",
    "catalogs_in",
    "claims_collection",
    "first_version",
    "next_version",
    "state_collection",
    "versions_collection",
]

_STATE: Final = re.compile(r"nc_(.+)_state")


def alias(catalog: str, kind: str, space: str) -> str:
    """Name that reads and writes use.

    >>> alias("default", "items", "minilm_0a1b")
    'nc_default_items_minilm_0a1b'
    """
    return f"nc_{catalog}_{kind}_{space}"


def first_version(alias_name: str) -> str:
    """Physical name of the first collection behind an alias."""
    return f"{alias_name}_v1"


def next_version(physical: str) -> str:
    """Physical name of the collection that takes the place of one.

    >>> next_version("nc_default_items_minilm_0a1b_v9")
    'nc_default_items_minilm_0a1b_v10'
    """
    stem, _, number = physical.rpartition("_v")
    return f"{stem}_v{int(number) + 1}"


def state_collection(catalog: str) -> str:
    """Name of the collection with a catalogue's documents.

    >>> state_collection("default")
    'nc_default_state'
    """
    return f"nc_{catalog}_state"


def catalogs_in(collections: Iterable[str]) -> list[str]:
    """Names of the catalogues that have these collections, in order.

    >>> catalogs_in(["nc_default_items_minilm_0a1b_v1", "nc_default_state"])
    ['default']
    """
    return sorted(match[1] for name in collections if (match := _STATE.fullmatch(name)))


def versions_collection(catalog: str) -> str:
    """Name of the collection with the versions that a source gave of items and classes."""
    return f"nc_{catalog}_versions"


def claims_collection(catalog: str) -> str:
    """Name of the collection with what workers are writing."""
    return f"nc_{catalog}_claims"
