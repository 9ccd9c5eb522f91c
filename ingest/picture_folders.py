"""Labelled pictures without a table: a folder for each class, and its pictures in it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..errors import TaxonomyError
from ..schemas.records import PATH_SEPARATOR, Item
from ..schemas.taxonomy import Taxonomy
from .labelled import Labelled
from .sources import BadRow
from .sources.formats import has_known_extension

__all__ = ["is_picture_folder", "labelled_pictures"]

_EXTENSIONS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
"""How the formats are named that are decoded (``pictures.limits.FORMATS``)."""


def is_picture_folder(path: str) -> bool:
    """Whether this is a folder with pictures somewhere below it, and no file of rows."""
    if not Path(path).is_dir():
        return False
    found = False
    for _, _, names in os.walk(path):
        if any(has_known_extension(name) for name in names):
            return False
        found = found or any(_is_picture(name) for name in names)
    return found


def labelled_pictures(path: str, taxonomy: Taxonomy) -> Iterator[Labelled | BadRow]:
    """Every picture below a folder, sorted, with the class that its folder names.

    The folders between are read as the id of a class (``fruit/apple``), as its full path, or the last one as a unique
    name; where they name no class the picture is a bad row.
    """
    root = Path(path)
    for position, file in enumerate(sorted(one for one in root.rglob("*") if _is_picture(one.name) and one.is_file())):
        inner = file.relative_to(root)
        name = inner.as_posix()
        try:
            truth = _class_of(inner.parts[:-1], taxonomy)
        except TaxonomyError as error:
            yield BadRow({"image": name}, path, position + 1, position, "unknown_label", error.message)
        else:
            yield Labelled(Item(name, image=name, folder=path), frozenset({truth}))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _EXTENSIONS and not name.startswith(".")


def _class_of(folders: Sequence[str], taxonomy: Taxonomy) -> str:
    for name in ("/".join(folders), PATH_SEPARATOR.join(folders)):
        if name in taxonomy:
            return name
    try:
        return taxonomy.find(PATH_SEPARATOR.join(folders)).id
    except TaxonomyError:
        return taxonomy.find(folders[-1] if folders else "").id
