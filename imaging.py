"""Which encoder of pictures a catalogue has, if any: the one given, else that of the settings, else the remembered."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ModelNotFoundError, UsageError
from .schemas.spaces import Space
from .settings import Settings
from .store.spaces import Spaces, check_same

if TYPE_CHECKING:  # decoders and connections that a catalogue of texts has no use for
    from PIL.Image import Image

    from .encoders.image import ImageEncoder
    from .pictures.load import PictureLoader

__all__ = ["CatalogImages"]


class CatalogImages:
    """Gives the encoder of a catalogue's pictures, always the same one; may be used from several threads.

    Attributes:
        settle: Builds the classes of an image space that has just been remembered; set by the catalogue.
    """

    def __init__(self, settings: Settings, spaces: Spaces, given: "ImageEncoder | None" = None) -> None:
        """Choose by ``settings`` and by what ``spaces`` remembers, unless an encoder is given."""
        self.settle: Callable[[], object] = lambda: None
        self._settings = settings
        self._spaces = spaces
        self._encoder = given
        self._lock = threading.RLock()

    def check(self) -> None:
        """Refuse, at open, an encoder that did not make the stored vectors; the model itself is not loaded.

        Raises:
            SpaceMismatchError: The stored vectors of pictures are of another space.
            ModelNotFoundError: The settings name a model that is not here.
        """
        stored = self._spaces.image_space()
        if stored is None:
            return
        try:
            encoder = self._made(stored)
        except ModelNotFoundError:
            if self._settings.image_encoder is not None:
                raise
            return  # said again, in full, by the first command that needs the model
        if encoder is not None:
            check_same(stored, encoder.space)

    def current(self) -> "ImageEncoder | None":
        """The encoder, for whoever reads; None where none is configured or remembered.

        Raises:
            ModelNotFoundError: There is one, and its model is not here.
        """
        return self._made(self._spaces.image_space())

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
        from .pictures.fetch import Fetcher  # noqa: PLC0415 - slow to import
        from .pictures.limits import PictureLimits  # noqa: PLC0415
        from .pictures.load import PictureLoader  # noqa: PLC0415
        from .pictures.urls import UrlPolicy  # noqa: PLC0415

        settings = self._settings
        limits = PictureLimits(
            max_bytes=int(settings.picture_max_mb * 1_000_000),
            max_pixels=int(settings.picture_max_megapixels * 1_000_000),
        )
        fetcher = Fetcher(UrlPolicy.parse(settings.picture_urls), max_bytes=limits.max_bytes)
        roots = [root.expanduser() for root in settings.picture_roots]
        return PictureLoader(limits, roots=roots, anywhere=not roots, fetcher=fetcher)

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

    def _made(self, stored: Space | None) -> "ImageEncoder | None":
        with self._lock:
            name = self._settings.image_encoder or (stored.encoder if stored else None)
            if self._encoder is None and name is not None:
                self._encoder = _encoder(name, self._settings)
            return self._encoder


def _encoder(name: str, settings: Settings) -> "ImageEncoder":
    from .encoders.image import ImageEncoder  # noqa: PLC0415 - slow to import
    from .encoders.image_model import describe_image  # noqa: PLC0415
    from .encoders.image_resolve import resolve_image  # noqa: PLC0415

    model = describe_image(resolve_image(name, offline=settings.offline), prompts=settings.image_prompts)
    return ImageEncoder(model, device=settings.device, precision=settings.precision, threads=settings.threads)
