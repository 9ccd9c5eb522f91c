"""The manifest: which files a backup has, of which tables, with how many rows and which checksum.

It is written last, so that a folder without one is a backup that was cut off. What stands in it is not trusted: paths
are compared with those that this module makes, and never followed as they are.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import BackupError
from ..schemas.collections import MAX_ID_BYTES
from ..store.copying import STATE, VERSIONS
from ..store.spaces import SPACE_SPECS, check_schema_version

__all__ = [
    "FORMAT_VERSION",
    "LEFT_OUT",
    "MANIFEST",
    "FileEntry",
    "Manifest",
    "SpaceEntry",
    "TableEntry",
    "digest_of",
    "file_path",
]

MANIFEST: Final = "manifest.json"
FORMAT_VERSION: Final = 1
"""Raised whenever the files or the manifest change in a way that an earlier nearclass cannot read."""

LEFT_OUT: Final = frozenset({"api_key", "checkpoint", "job", "job_result", "reply"})
"""Kinds of documents that are no part of a backup: what lets people in, which a forged backup must not bring, and what
means nothing elsewhere: work in progress of the service, and where in which file of this machine an ingest stopped."""

_FORMAT: Final = "nearclass backup"
_MAX_BYTES: Final = 64 * 1024 * 1024
"""Some 400,000 files."""

_MAX_DIM: Final = 32_768
"""Milvus documentation, limits."""

_COUNT: Final = 2**53
_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,200}$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SpaceEntry(_Part):
    """A space: its name, and the length of its vectors."""

    name: str = Field(pattern=_NAME)
    dim: int = Field(ge=1, le=_MAX_DIM)


class FileEntry(_Part):
    """One Parquet file; ``path`` begins at the folder of the backup."""

    path: str = Field(max_length=512)
    rows: int = Field(ge=1, le=_COUNT)
    bytes: int = Field(ge=1, le=_COUNT)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class TableEntry(_Part):
    """One table: its kind, its space (none for documents and versions), and its files in order."""

    kind: str
    space: str | None = None
    rows: int = Field(ge=0, le=_COUNT)
    files: list[FileEntry]


class Manifest(_Part):
    """What a backup holds.

    Attributes:
        format: What this file is.
        format_version: Of the files and of this one.
        schema_version: Of the layout that the rows have.
        catalog: Name of the catalogue.
        revision: Revision of its taxonomy.
        made_at: When, in UTC.
        made_by: By which nearclass, from which engine.
        spaces: The spaces in the order of their folders.
        tables: The documents, the versions if there are any, then the tables of the spaces.
        sha256: Of everything else in here; tells this backup from every other.
    """

    format: Literal["nearclass backup"] = _FORMAT
    format_version: int = FORMAT_VERSION
    schema_version: int
    catalog: str = Field(min_length=1, max_length=MAX_ID_BYTES)
    revision: int = Field(ge=0, le=_COUNT)
    made_at: str = Field(max_length=64)
    made_by: str = Field(max_length=200)
    spaces: list[SpaceEntry]
    tables: list[TableEntry]
    sha256: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "Manifest":
        names = [space.name for space in self.spaces]
        if len(set(names)) < len(names):
            raise ValueError("a space is named twice")
        tables = [(table.kind, table.space) for table in self.tables]
        possible = [(STATE, None), (VERSIONS, None), *((kind, name) for name in names for kind in SPACE_SPECS)]
        if tables != [one for one in possible if one in tables] or (STATE, None) not in tables:
            raise ValueError("the tables are not those of these spaces, each once and in order")
        for table in self.tables:
            for number, file in enumerate(table.files):
                wanted = file_path(table.kind, names.index(table.space) if table.space else 0, table.space, number)
                if file.path != wanted:
                    raise ValueError(f"the file {file.path!r} is not {wanted!r}")
            if sum(file.rows for file in table.files) != table.rows:
                raise ValueError(f"the files of {table.kind} have not the {table.rows} rows of the table")
        return self

    @property
    def files(self) -> Iterator[FileEntry]:
        """Every file, in order."""
        return (file for table in self.tables for file in table.files)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def label(self) -> str:
        """What it is, for messages."""
        return f"the backup of {self.catalog!r} made at {self.made_at}"

    def write(self, folder: Path) -> "Manifest":
        """Put it into the folder in one step, durably; the manifest with its checksum."""
        sealed = self.model_copy(update={"sha256": _seal(self.model_dump())})
        part = folder / f"{MANIFEST}.part"
        with part.open("wb") as file:
            file.write(orjson.dumps(sealed.model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / MANIFEST)
        return sealed

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a backup, checked.

        Raises:
            BackupError: There is none, or it is damaged.
            SchemaMismatchError: It is of a layout that this version does not read.
        """
        path = folder / MANIFEST
        data = _loaded(path)
        if data.get("format") != _FORMAT:
            raise BackupError(f"{path} is not the manifest of a backup")
        version = data.get("format_version")
        if version != FORMAT_VERSION:
            message = f"{path} has format version {version}, and this nearclass reads version {FORMAT_VERSION}"
            raise BackupError(message, hint="Install a newer nearclass: pip install --upgrade nearclass.")
        if data.get("sha256") != _seal(data):
            message = f"{path} was changed or damaged: its checksum is another"
            raise BackupError(message, hint="Take another copy of the backup; nothing was written.")
        by = data.get("made_by")
        check_schema_version(data.get("schema_version"), f"the backup {folder}", older=f"Restore it with {by}.")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = f"{path} cannot be used: {place + ': ' if place else ''}{first['msg']}"
            raise BackupError(message) from None


def file_path(kind: str, place: int, space: str | None, number: int) -> str:
    """Where a file of a table is in the folder; ``place`` is that of the space, and keeps names apart everywhere.

    >>> file_path("items", 0, "minilm_0a1b", 2)
    'spaces/0-minilm_0a1b/items/00002.parquet'
    >>> file_path("state", 0, None, 0)
    'state/00000.parquet'
    """
    folder = kind if space is None else f"spaces/{place}-{space}/{kind}"
    return f"{folder}/{number:05d}.parquet"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(data: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in data.items() if name != "sha256"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _loaded(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BackupError(f"{path} is not the manifest of a backup: it is larger than {_MAX_BYTES} bytes")
        data = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        message = f"{path.parent} is not a backup that is whole: it has no {MANIFEST}"
        hint = "The manifest is written last: what has none was cut off, or is no backup. Name the folder of another."
        raise BackupError(message, hint=hint) from None
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise BackupError(f"{path} is damaged: {error}") from error
    if not isinstance(data, dict):
        raise BackupError(f"{path} is not the manifest of a backup")
    return data
