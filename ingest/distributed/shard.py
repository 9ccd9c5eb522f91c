"""Shards: the files of a run, each with what another process needs to read it just as this one would."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from ...errors import InputError, UsageError
from ..run import Mappings
from ..sources import Source
from ..sources.address import is_address
from ..sources.expand import expand_files
from ..sources.mapping import ColumnMapping, RowMapper
from ..sources.origin import RemoteOrigin, local_origin

__all__ = ["Shard", "find_shards"]

_OPENED_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Shard:
    """One file.

    Attributes:
        number: Its place among the files, from 0.
        path: Full path or address.
        name: What messages and rejects call it.
        identity: Digest of place, size, time of change and first 64 KiB.
        size: In bytes; None where that is not known.
        mapping: Which column is which field, as typed; the rest is detected.
        format: Of the file, where its name does not say it.
        encoding: Of the file, where it is not UTF-8.
    """

    number: int
    path: str
    name: str
    identity: str
    size: int | None
    mapping: tuple[tuple[str, str], ...] = ()
    format: str | None = None
    encoding: str | None = None

    @property
    def digest(self) -> str:
        """Of everything that decides what its rows are."""
        said = [self.identity, self.name, self.mapping, self.format, self.encoding]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    def open(self) -> Source:
        """The source behind it.

        Raises:
            InputError: The file is gone, or is another one by now.
        """
        source = _source(self.path, self.name, self.format, self.encoding)
        if source.identity != self.identity:
            message = f"{self.name}: is another file than when the run began"
            raise InputError(message, hint="Run it again; every process must see the same files under the same path.")
        return source

    def mapper(self, source: Source) -> RowMapper:
        """Maps its rows."""
        return RowMapper(source.kind, ColumnMapping(dict(self.mapping)) if self.mapping else None, source.base)


def find_shards(
    paths: Sequence[str],
    mappings: Mappings,
    *,
    format: str | None = None,  # noqa: A002 - the word of the option
    encoding: str | None = None,
) -> list[Shard]:
    """The files behind files, folders, patterns and addresses, in the order given.

    Raises:
        InputError: A path is missing or cannot be read.
        UsageError: Standard input or pictures are named, or a column that a file does not have.
    """
    places = expand_files(paths, format=format, encoding=encoding)
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        sources = list(pool.map(lambda place: _source(_whole(place), place, format, encoding), places))
    shards = []
    for number, (place, source) in enumerate(zip(places, sources, strict=True)):
        if not source.identity:
            message = f"{source.name} is a stream, which only one process can read"
            raise UsageError(message, hint="Save it to files first, or leave --engine off.")
        given = mappings.given(source)
        fields = tuple(sorted(given.fields.items())) if given else ()
        facts = (source.name, source.identity, source.size, fields, format, encoding)
        shards.append(Shard(number, _whole(place), *facts))
    return shards


def _whole(place: str) -> str:
    return place if is_address(place) else str(Path(place).absolute())


def _source(path: str, name: str, format: str | None, encoding: str | None) -> Source:  # noqa: A002 - as above
    origin = RemoteOrigin(path) if is_address(path) else local_origin(path)
    if not is_address(path):
        origin.name = name
    return Source(origin, format=format, encoding=encoding)
