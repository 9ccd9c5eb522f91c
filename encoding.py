"""Which encoder a catalogue has: the one given, else the one the settings name, else the one it was made with.

At open these must agree. From then on an open catalogue goes by what it remembers, which may become another one while
it is open: whoever has read which space serves asks for the encoder of that space.
"""

from functools import partial
from typing import Any

from .encoders.base import Encoder
from .encoders.fingerprint import TextModel, describe
from .encoders.presets import DEFAULT_TEXT_PRESET
from .encoders.process import EncoderProcess, PassingProcess
from .encoders.resolve import resolve
from .encoders.text import TextEncoder
from .schemas.spaces import Space
from .settings import Settings
from .space_encoders import SpaceEncoders
from .store.spaces import Spaces

__all__ = ["CatalogEncoder", "text_encoder"]


class CatalogEncoder(SpaceEncoders[Encoder]):
    """Gives the encoders of a catalogue's texts, one for each space; may be used from several threads."""

    def __init__(
        self,
        settings: Settings,
        spaces: Spaces,
        given: Encoder | None = None,
        *,
        brief: bool = False,
        apart: bool = False,
    ) -> None:
        """Choose by ``settings`` and by what ``spaces`` remembers, unless an encoder is given; see ``Catalog.open``."""
        super().__init__(
            partial(_encoder, settings, brief=brief, apart=apart), configured=settings.text_encoder, given=given
        )
        self._spaces = spaces

    def check(self) -> None:
        """Refuse, at open, an encoder that did not make the stored vectors; the model itself is not loaded.

        Raises:
            SpaceMismatchError: The stored vectors are of another space.
            ModelNotFoundError: The settings name a model that is not here.
        """
        self._check(self._spaces.text_space())

    def serving(self) -> tuple[Space, str]:
        """The space of texts that serves, and the mark of the switch that made it; that of an empty catalogue too."""
        texts = self._spaces.texts()
        stored = self._spaces.get(texts.serving) if texts.serving else None
        return (self._fresh().space if stored is None else stored), texts.mark

    def current(self) -> Encoder:
        """The encoder, for whoever reads; an empty catalogue does not remember it."""
        stored = self._spaces.text_space()
        return self._fresh() if stored is None else self.of(stored)

    def chosen(self) -> Encoder:
        """The encoder, which from now on is that of the catalogue; for whoever is about to write."""
        with self._lock:
            stored = self._spaces.text_space()
            if stored is not None:
                return self.of(stored)
            encoder = self._fresh()
            self._spaces.register(encoder.space)
            return encoder

    def _fresh(self) -> Encoder:
        """The one for an empty catalogue."""
        with self._lock:
            if self._first is None:
                self._first = self._wanted() or self.named(DEFAULT_TEXT_PRESET)
            return self._first


def text_encoder(settings: Settings, name: str) -> TextEncoder:
    """The encoder of a preset, a model id or a folder, in any process.

    Raises:
        ModelNotFoundError: There is none.
    """
    return TextEncoder(_model(settings, name), **_how(settings))


def _encoder(settings: Settings, name: str, *, brief: bool, apart: bool) -> Encoder:
    """The encoder for an open catalogue; see ``Catalog.open``.

    Raises:
        ModelNotFoundError: There is none.
    """
    model, how = _model(settings, name), _how(settings)
    here = TextEncoder(model, **how, brief=brief)
    if not apart:
        return here
    process = EncoderProcess(model, **how)
    return PassingProcess(here, process) if brief else process


def _how(settings: Settings) -> dict[str, Any]:
    return {"device": settings.device, "precision": settings.precision, "threads": settings.threads}


def _model(settings: Settings, name: str) -> TextModel:
    folder = resolve(name, offline=settings.offline)
    return describe(folder, class_prompt=settings.class_prompt, item_prompt=settings.item_prompt)
