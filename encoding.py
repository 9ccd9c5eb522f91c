"""Which encoder a catalogue has: the one given, else the one the settings name, else the one it was made with."""

import threading

from .encoders.base import Encoder
from .encoders.fingerprint import describe
from .encoders.presets import DEFAULT_TEXT_PRESET
from .encoders.resolve import resolve
from .encoders.text import TextEncoder
from .errors import ModelNotFoundError
from .schemas.spaces import Space
from .settings import Settings
from .store.spaces import Spaces, check_same

__all__ = ["CatalogEncoder"]


class CatalogEncoder:
    """Gives the encoder of a catalogue's texts, always the same one; may be used from several threads."""

    def __init__(self, settings: Settings, spaces: Spaces, given: Encoder | None = None) -> None:
        """Choose by ``settings`` and by what ``spaces`` remembers, unless an encoder is given."""
        self._settings = settings
        self._spaces = spaces
        self._encoder = given
        self._lock = threading.RLock()

    def check(self) -> None:
        """Refuse, at open, an encoder that did not make the stored vectors; the model itself is not loaded.

        Raises:
            SpaceMismatchError: The stored vectors are of another space.
            ModelNotFoundError: The settings name a model that is not here.
        """
        stored = self._spaces.text_space()
        if stored is None:
            return
        try:
            encoder = self._made(stored)
        except ModelNotFoundError:
            if self._settings.text_encoder is not None:
                raise
            return  # said again, in full, by the first command that needs the model
        check_same(stored, encoder.space)

    def current(self) -> Encoder:
        """The encoder, for whoever reads; an empty catalogue does not remember it."""
        return self._made(self._spaces.text_space())

    def chosen(self) -> Encoder:
        """The encoder, which from now on is that of the catalogue; for whoever is about to write."""
        with self._lock:
            encoder = self.current()
            self._spaces.register(encoder.space)
            return encoder

    def _made(self, stored: Space | None) -> Encoder:
        with self._lock:
            if self._encoder is None:
                settings = self._settings
                name = settings.text_encoder or (stored.encoder if stored else DEFAULT_TEXT_PRESET)
                model = describe(
                    resolve(name, offline=settings.offline),
                    class_prompt=settings.class_prompt,
                    item_prompt=settings.item_prompt,
                )
                self._encoder = TextEncoder(
                    model, device=settings.device, precision=settings.precision, threads=settings.threads
                )
            return self._encoder
