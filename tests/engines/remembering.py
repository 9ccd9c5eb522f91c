"""The real encoders, of which each is loaded once in a process of tests, and encodes each text once."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from nearclass import encoding
from nearclass.encoders import image
from nearclass.encoders.base import Encoded
from nearclass.encoders.text import TextEncoder

__all__ = ["RememberingEncoder", "loaded_once"]


class RememberingEncoder(TextEncoder):
    """The real encoder, which remembers the vectors that it has made."""

    def __init__(self, model, **options):
        super().__init__(model, **options)
        self._vectors = {}

    def encode(self, texts, role):
        """As any encoder does; the model sees only texts that it has not seen in this role."""
        if new := [text for text in dict.fromkeys(texts) if (text, role) not in self._vectors]:
            made = super().encode(new, role)
            pairs = zip(made.vectors, made.truncated, strict=True)
            self._vectors |= {(text, role): pair for text, pair in zip(new, pairs, strict=True)}
        if not texts:
            return super().encode(texts, role)
        vectors, truncated = zip(*(self._vectors[text, role] for text in texts), strict=True)
        return Encoded(np.stack(vectors), np.asarray(truncated, np.bool_))


def _once(made, make):
    def call(model, **options):
        key = (repr(model), *sorted(options.items()))
        if key not in made:
            made[key] = make(model, **options)
        return made[key]

    return call


_MADE = {}


@contextmanager
def loaded_once():
    """Catalogues that choose their encoders themselves, as those of a command do, get the same ones again."""
    with (
        patch.object(encoding, "TextEncoder", _once(_MADE, RememberingEncoder)),
        patch.object(image, "ImageEncoder", _once(_MADE, image.ImageEncoder)),
    ):
        yield
