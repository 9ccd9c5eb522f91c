"""Which encoder of pictures a catalogue has, if any: the one given, else that of the settings, else the remembered.

At open these must agree. From then on an open catalogue goes by what it remembers, which may become another one while
it is open, as with ``encoding``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .settings import Settings
from .space_encoders import SpaceEncoders
from .store.picture_folders import PictureFolders
from .store.spaces import Spaces

if TYPE_CHECKING:  # decoders and connections that a catalogue of texts has no use for
    from PIL.Image import Image

    from .encoders.image import ImageEncoder
    from .pictures.finding import PictureFinder
    from .pictures.load import PictureLoader

__all__ = ["CatalogImages", "image_encoder", "picture_loader"]


class CatalogImages(SpaceEncoders["ImageEncoder"]):
    """Gives the encoders of a catalogue's pictures, one for each space; may be used from several threads.

    Attributes:
        settle: Builds the classes of an image space that has just been remembered; set by the catalogue.
        folders: Where pictures of items came from.
    """

    def __init__(
        self, settings: Settings, spaces: Spaces, folders: PictureFolders, given: "ImageEncoder | None" = None
    ) -> None:
        """Choose by ``settings`` and by what ``spaces`` remembers, unless an encoder is given."""
        super().__init__(partial(image_encoder, settings), configured=settings.image_encoder, given=given)
        self.settle: Callable[[], object] = lambda: None
        self.folders = folders
        self._settings = settings
        self._spaces = spaces
        self._more: tuple[Path, ...] = ()

    def check(self) -> None:
        """Refuse, at open, an encoder that did not make the stored vectors; the model itself is not loaded.

        Raises:
            SpaceMismatchError: The stored vectors of pictures are of another space.
            ModelNotFoundError: The settings name a model that is not here.
        """
        self._check(self._spaces.image_space())

    def current(self) -> "ImageEncoder | None":
        """The encoder, for whoever reads; None where none is configured or remembered.

        Raises:
            ModelNotFoundError: There is one, and its model is not here.
        """
        stored = self._spaces.image_space()
        return self._wanted() if stored is None else self.of(stored)

    def adopted(self) -> "ImageEncoder | None":
        """The encoder, which from now on is that of the catalogue, or None; its classes may have no vectors yet.

        Raises:
            ModelNotFoundError: There is one, and its model is not here.
            SpaceMismatchError: The catalogue remembers another.
        """
        with self._lock:
            encoder = self.current()
            if encoder is not None:
                self._spaces.register(encoder.space)
            return encoder

    def chosen(self) -> "ImageEncoder":
        """The encoder, remembered and with every class in its space; for whoever is about to write pictures.

        Raises:
            UsageError: None is configured or remembered.
            ModelNotFoundError: Its model is not here.
            SpaceMismatchError: The catalogue remembers another.
        """
        from .encoders.image_presets import DEFAULT_IMAGE_PRESET  # noqa: PLC0415 - slow to import

        known = self._spaces.image_space()
        encoder = self.adopted()
        if encoder is None:
            message = "no encoder of pictures is configured"
            hint = f"Set NEARCLASS_IMAGE_ENCODER, for example to {DEFAULT_IMAGE_PRESET} or to local-dir:FOLDER."
            raise UsageError(message, hint=hint)
        if known is None:
            self.settle()
        return encoder

    def loader(self) -> "PictureLoader":
        """A new loader within the limits, the folders and the hosts of the settings; the caller closes it.

        Raises:
            ConfigError: A host in ``picture_urls`` is written in a way that no address has.
        """
        return picture_loader(self._settings)

    def known_folders(self) -> list[Path]:
        """Folders that stored paths may begin in: those of the settings, of earlier rows, that of the process."""
        roots = [root.expanduser() for root in self._settings.picture_roots]
        return [*self._more, *roots, *self.folders.every(), Path()]

    def look_in(self, folders: Iterable[Path]) -> None:
        """Look for stored paths in these folders too, as long as this lives."""
        self._more = tuple(folders)

    @contextmanager
    def finder(self) -> "Iterator[PictureFinder]":
        """What finds the files of stored paths again."""
        from .pictures.finding import PictureFinder  # noqa: PLC0415 - slow to import

        with self.loader() as loader:
            yield PictureFinder(self.known_folders(), loader)

    def picture(self, reference: str) -> "Image":
        """The pixels behind a stored reference: an address, an absolute path, or one from the allowed folders.

        Raises:
            PictureError: It is not there any more, or cannot be used.
        """
        from .pictures.load import PictureSource  # noqa: PLC0415

        folders = [*(root.expanduser() for root in self._settings.picture_roots), Path()]
        folder = next((one for one in folders if (one / reference).is_file()), folders[-1])
        with self.loader() as loader:
            return loader.decode(loader.read(PictureSource(reference, folder)))


def image_encoder(settings: Settings, name: str) -> "ImageEncoder":
    """The encoder of pictures of this name, in any process.

    Raises:
        ModelNotFoundError: There is none.
    """
    from .encoders.image import ImageEncoder  # noqa: PLC0415 - slow to import
    from .encoders.image_model import describe_image  # noqa: PLC0415
    from .encoders.image_resolve import resolve_image  # noqa: PLC0415

    model = describe_image(resolve_image(name, offline=settings.offline), prompts=settings.image_prompts)
    return ImageEncoder(model, device=settings.device, precision=settings.precision, threads=settings.threads)


def picture_loader(settings: Settings) -> "PictureLoader":
    """A new loader within the limits, the folders and the hosts of the settings, in any process; the caller closes it.

    Raises:
        ConfigError: A host in ``picture_urls`` is written in a way that no address has.
    """
    from .pictures.fetch import Fetcher  # noqa: PLC0415 - slow to import
    from .pictures.limits import PictureLimits  # noqa: PLC0415
    from .pictures.load import PictureLoader  # noqa: PLC0415
    from .pictures.urls import UrlPolicy  # noqa: PLC0415

    limits = PictureLimits(
        max_bytes=int(settings.picture_max_mb * 1_000_000),
        max_pixels=int(settings.picture_max_megapixels * 1_000_000),
    )
    fetcher = Fetcher(UrlPolicy.parse(settings.picture_urls), max_bytes=limits.max_bytes)
    roots = [root.expanduser() for root in settings.picture_roots]
    return PictureLoader(limits, roots=roots, anywhere=not roots, fetcher=fetcher)
