"""Pictures that tests write, and the errors they come to."""

import io
from collections.abc import Callable
from contextlib import contextmanager

import pytest
from PIL import Image

from nearclass.errors import PictureError

Saved = Callable[..., bytes]


@pytest.fixture(scope="session")
def four_corners() -> Image.Image:
    """A picture of 40 by 20 whose corners are red, green, blue and white, clockwise from the top left."""
    picture = Image.new("RGB", (40, 20), (255, 255, 255))
    for box, colour in (((0, 0), (255, 0, 0)), ((20, 0), (0, 255, 0)), ((20, 10), (0, 0, 255))):
        picture.paste(colour, (*box, box[0] + 20, box[1] + 10))
    return picture


@pytest.fixture(scope="session")
def saved() -> Saved:
    """The bytes of a picture in a format."""

    def save(picture: Image.Image, kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return save


@pytest.fixture
def refused():
    """A context that must end in a PictureError of this code."""

    @contextmanager
    def refuse(code: str, words: str = ""):
        with pytest.raises(PictureError) as caught:
            yield caught
        assert caught.value.code == code
        assert words in str(caught.value)

    return refuse
