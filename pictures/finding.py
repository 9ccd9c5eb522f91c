"""The same pictures again, by the references that are stored with items."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import PictureError
from ..schemas.pictures import PictureCode
from .load import PictureLoader, PictureSource
from .reference import is_url

__all__ = ["PictureFinder"]


class PictureFinder:
    """Finds the file that a stored reference means: an address, a full path, or a path in one of the known folders."""

    def __init__(self, folders: Sequence[Path], loader: PictureLoader) -> None:
        """Look in ``folders``, the likeliest first."""
        self._folders = tuple(dict.fromkeys(Path(folder).absolute() for folder in folders))
        self._loader = loader

    def source(self, reference: str, digest: str) -> PictureSource | PictureError:
        """Where the picture is, or why that cannot be said; its content is not looked at unless it has to be.

        Args:
            reference: As it is stored.
            digest: SHA-256 of the bytes that it had, which says which file is meant where several folders have one.
        """
        try:
            if is_url(reference):
                return PictureSource(reference, Path())
        except PictureError as error:
            return error
        if Path(reference).is_absolute():
            inside = (folder for folder in self._folders if Path(reference).is_relative_to(folder))
            return PictureSource(reference, next(inside, Path()))
        there = [PictureSource(reference, folder) for folder in self._folders if (folder / reference).is_file()]
        if len(there) > 1:
            same = [source for source in there if self._digest(source) == digest]
            if not same:
                message = f"{len(there)} folders have a picture {reference[:200]!r}, none of them with the bytes it had"
                return PictureError(message, code=PictureCode.MISSING_PICTURE, hint="Ingest the item again.")
            there = same
        if there:
            return there[0]
        message = f"the picture {reference[:200]!r} is in none of the {len(self._folders)} folders that are known"
        return PictureError(message, code=PictureCode.MISSING_PICTURE, hint="Name its folder with --pictures DIR.")

    def gone(self, reference: str) -> bool:
        """Whether there is surely no file; an address may answer or not."""
        try:
            if is_url(reference):
                return False
        except PictureError:
            return True
        return not any((folder / reference).is_file() for folder in (*self._folders, Path()))

    def _digest(self, source: PictureSource) -> str:
        try:
            return self._loader.read(source).digest
        except PictureError:
            return ""
