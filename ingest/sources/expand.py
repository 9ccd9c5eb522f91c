"""From the paths that somebody typed to the sources behind them."""

import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from ...errors import InputError, UsageError
from .address import display, file_system, is_address
from .formats import KNOWN_EXTENSIONS, check_format, has_known_extension
from .origin import Origin, RemoteOrigin, StreamOrigin, local_origin, unreadable
from .pictures import PictureFiles, is_picture
from .source import Source
from .text import check_encoding

__all__ = ["expand_files", "open_sources"]

_STDIN = "-"


def open_sources(
    paths: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002  the name of the option
    stdin: BinaryIO | None = None,
    encoding: str | None = None,
) -> Iterator[Source]:
    """Return the sources behind files, folders, addresses and ``-`` for standard input, in the order given.

    Folders are read with the folders inside them, sorted, files of known extensions only; names that begin
    with a dot, and links that lead out of the folder, are left out. A folder that holds nothing but pictures is one
    source of them, and so are pictures that are named after one another. All paths are looked up before this returns;
    a source is opened when its turn comes.

    Raises:
        InputError: A path is missing or cannot be read, a folder holds nothing known, or the format or
            encoding is not known; while iterating, a file is not what it claims to be.
        UsageError: Standard input is named twice.
    """
    if list(paths).count(_STDIN) > 1:
        message = "standard input (-) is named more than once"
        raise UsageError(message, hint="It can be read only once.")
    chosen = None if format is None else check_format(format)
    if encoding is not None:
        encoding = check_encoding(encoding)
    places = _joined([place for path in paths for place in _places(os.fspath(path))])
    return (
        PictureFiles(place.folder, place.names)
        if isinstance(place, _Pictures)
        else Source(_origin(place, stdin), format=chosen, encoding=encoding)
        for place in places
    )


def expand_files(
    paths: Sequence[str],
    *,
    format: str | None = None,  # noqa: A002  the name of the option
    encoding: str | None = None,
) -> list[str]:
    """Return the paths and addresses of the files that ``open_sources`` would open, in the same order.

    Raises:
        InputError: As ``open_sources``.
        UsageError: There is standard input or a picture among them, which are no files of rows.
    """
    for name, check in ((format, check_format), (encoding, check_encoding)):
        if name is not None:
            check(name)
    places = _joined([place for path in paths for place in _places(os.fspath(path))])
    files = [place for place in places if isinstance(place, str) and place != _STDIN]
    if len(files) < len(places):
        message = "only files of rows can be shared out, not standard input and not pictures themselves"
        raise UsageError(message, hint="Name the files, or ingest these without --engine.")
    return files


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Pictures of one folder, by their paths in it."""

    folder: str
    names: tuple[str, ...]


def _joined(places: Sequence[str | _Pictures]) -> list[str | _Pictures]:
    """The places, pictures of the same folder that follow one another in one."""
    joined: list[str | _Pictures] = []
    groups = groupby(places, lambda place: place.folder if isinstance(place, _Pictures) else None)
    for folder, group in groups:
        if folder is None:
            joined.extend(group)
        else:
            joined.append(
                _Pictures(folder, tuple(name for one in group if not isinstance(one, str) for name in one.names))
            )
    return joined


def _origin(place: str, stdin: BinaryIO | None) -> Origin:
    if place == _STDIN:
        return StreamOrigin("<stdin>", stdin or sys.stdin.buffer)
    return RemoteOrigin(place) if is_address(place) else local_origin(place)


def _places(path: str) -> Sequence[str | _Pictures]:
    if path.startswith("file://"):
        path = path.removeprefix("file://")
    if path == _STDIN:
        return [path]
    if is_address(path):
        return _remote_places(path)
    try:
        Path(path).stat()
    except FileNotFoundError as error:
        if has_magic(path) and (found := _matching(path)):
            return _joined([place for one in found for place in _places(one)])
        message = f"{path}: there is no such file"
        raise InputError(message, hint=_missing_hint(path)) from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not Path(path).is_dir():
        return [_Pictures(str(Path(path).parent), (Path(path).name,)) if is_picture(path) else path]
    found = _walk(path)
    pictures = [str(Path(one).relative_to(path)) for one in found if is_picture(one)]
    if pictures and not any(has_known_extension(one) and ".txt" not in Path(one).suffixes for one in found):
        return [_Pictures(path, tuple(pictures))]
    return _known_only(path, found)


def _matching(pattern: str) -> list[str]:
    found = glob(pattern, recursive=True)  # noqa: PTH207 - a Path has no pattern with a folder in it
    return sorted(one for one in found if Path(one).is_file())


def _walk(folder: str) -> list[str]:
    root = Path(folder).resolve()
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(parent, name)
            inside = not path.is_symlink() or path.resolve().is_relative_to(root)
            if inside and not name.startswith(".") and path.is_file():
                found.append(str(path))
    return sorted(found)


def _remote_places(url: str) -> list[str]:
    files, path = file_system(url)
    try:
        # The address of a web page may have a question mark.
        if has_magic(path.replace("?", "")) and not url.lower().startswith("http"):
            found = [str(files.unstrip_protocol(name)) for name in sorted(files.glob(path))]
            if found:
                return found
        if not files.isdir(path):
            return [url]
        found = [str(files.unstrip_protocol(name)) for name in sorted(files.find(path))]
    except Exception as error:  # every driver raises errors of its own
        raise unreadable(display(url), error) from error
    return _known_only(display(url), found)


def _known_only(folder: str, found: list[str]) -> list[str]:
    known = [path for path in found if has_known_extension(path)]
    if not known:
        message = f"{folder}: no file in this folder has an extension that is known"
        raise InputError(message, hint=f"Known are {' '.join(KNOWN_EXTENSIONS)}, each also with .gz.")
    return known


def _missing_hint(path: str) -> str:
    if any(char in path for char in "*?["):
        return "No file matches this pattern."
    folder = Path(path).parent
    try:
        names = [entry.name for entry in folder.iterdir()]
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(Path(path).name, names, 1)
    return f"Did you mean {folder / near[0]}?" if near else ""
