"""From the bytes of a file to upright RGB pixels, within limits that are checked first."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from PIL import Image, UnidentifiedImageError

from ..errors import PictureError
from ..schemas.pictures import PictureCode
from .limits import PictureLimits
from .quiet import quiet

__all__ = ["Examined", "decode", "examine", "pixels"]

_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by its orientation in Exif (CIPA DC-008, table 6)."""

_MAX_SCANS: Final = 100
"""A progressive JPEG has about ten scans (the default script of libjpeg); each costs a pass over all pixels."""

_BEGINNINGS: Final = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
}
"""How files of the formats begin, to tell a damaged one from something else."""

_STRIP_ROWS: Final = 256
_MIN_TILE_PIXELS: Final = 4_000_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Examined:
    """A picture of which only the header was read.

    Attributes:
        image: The picture; its pixels are not loaded yet.
        memory: Bytes that loading it takes at most, by an estimate from its format, mode and size.
    """

    image: Image.Image
    memory: int


def decode(data: bytes, limits: PictureLimits) -> Image.Image:
    """The first frame of the picture in ``data`` as RGB, upright, with white behind what is transparent.

    The format is known by the content, whatever the file is called. Colour profiles are not applied, as encoders were
    trained without; 16-bit grey is scaled, not cut off. JPEG files are decoded in full size: the smaller sizes that a
    decoder can make at once (Pillow's draft mode) give other pixels than the model's own resizing does (cosines down to
    0.995 between the vectors of 100 photos, measured).

    Raises:
        PictureError: It is too large, no picture of an allowed format, or damaged; nothing is decoded in part.
    """
    return pixels(examine(data, limits))


def examine(data: bytes, limits: PictureLimits) -> Examined:
    """The header of a picture, checked against the limits; no pixel is decoded.

    Raises:
        PictureError: As ``decode``.
    """
    if not data:
        raise PictureError("the file is empty", code=PictureCode.DAMAGED_PICTURE)
    if len(data) > limits.max_bytes:
        raise _too_large(f"the file has {len(data)} bytes; at most {limits.max_bytes}")
    image = _safely(lambda: _opened(data, limits))
    _check_size(image.size, limits)
    _check_structure(image, data)
    # In a PNG the orientation may stand behind the pixels.
    turned = b"eXIf" in data if image.format == "PNG" else _turn(image) is not None
    memory = int(image.width * image.height * _bytes_per_pixel(image, turned=turned))
    if memory > limits.max_memory:
        raise _too_large(
            f"{image.width} x {image.height} pixels ({image.format}, {image.mode}) need {memory >> 20} MiB to decode; "
            f"at most {limits.max_memory >> 20}"
        )
    return Examined(image, memory)


def pixels(examined: Examined) -> Image.Image:
    """The pixels of an examined picture, as ``decode`` gives them; at most once for each.

    Raises:
        PictureError: The file is damaged, or has pixels that are no colours.
    """
    image = examined.image
    size = image.size
    _safely(image.load)
    if image.size != size:
        message = f"the picture claims to have {size[0]} x {size[1]} pixels and has {image.width} x {image.height}"
        raise PictureError(message, code=PictureCode.DAMAGED_PICTURE)
    turn = _turn(image)
    plain = _safely(lambda: _rgb(image))
    if plain is not image:
        image.close()
    return plain if turn is None else plain.transpose(turn)


def _opened(data: bytes, limits: PictureLimits) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=limits.formats)
    except UnidentifiedImageError:
        if any(_BEGINNINGS[one].match(data) for one in limits.formats if one in _BEGINNINGS):
            message = "the picture is damaged: its header cannot be read"
            raise PictureError(message, code=PictureCode.DAMAGED_PICTURE) from None
        message = f"the content is no picture of the formats {', '.join(limits.formats)}"
        raise PictureError(message, code=PictureCode.NOT_A_PICTURE) from None
    except Image.DecompressionBombError:
        raise _too_large(f"the picture has far more than {limits.max_pixels / 1e6:g} million pixels") from None


def _safely(step: Callable[[], _T]) -> _T:
    """The step's result; whatever a decoder raises on bad bytes means that the picture is damaged."""
    try:
        with quiet():
            return step()
    except PictureError:
        raise
    except Exception as error:  # decoders raise what their parsing happens to: struct.error, KeyError, EOFError, ...
        said = (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__
        raise PictureError(f"the picture is damaged: {said}", code=PictureCode.DAMAGED_PICTURE) from error


def _check_size(size: tuple[int, int], limits: PictureLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError(f"the picture has {width} x {height} pixels", code=PictureCode.DAMAGED_PICTURE)
    if width * height > limits.max_pixels:
        raise _too_large(
            f"{width} x {height} are {width * height / 1e6:.1f} million pixels; at most {limits.max_pixels / 1e6:g}"
        )


def _check_structure(image: Image.Image, data: bytes) -> None:
    """What makes decoders work or allocate far beyond the size of the picture."""
    if image.format in {"JPEG", "MPO"} and data.count(b"\xff\xda") > _MAX_SCANS:
        raise _too_large(f"a JPEG of more than {_MAX_SCANS} scans")
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        tile = _number(tags.get(322)) * _number(tags.get(323))
        if tile > max(_MIN_TILE_PIXELS, 2 * image.width * image.height):
            raise _too_large(f"TIFF tiles of {tile} pixels in a picture of {image.width} x {image.height}")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _bytes_per_pixel(image: Image.Image, *, turned: bool) -> float:
    """Memory of loading and converting a pixel; Pillow stores every mode of more than one band in four bytes."""
    own = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}.get(image.mode, 4)
    if image.format == "WEBP":
        loading = 4.0 * own  # libwebp's canvas, the one before, its copy, and Pillow's
    elif image.format in {"JPEG", "MPO"} and image.info.get("progressive"):
        loading = own + _coefficients(image)
    elif image.format == "TIFF":
        loading = 2.0 * own  # a strip may be the whole picture
    else:
        loading = own
    if image.mode.startswith("I;16"):
        converting = 11  # two copies in four bytes on the way to one byte of grey
    elif image.mode == "RGB":
        converting = 0
    else:
        converting = own + 4 + (4 if own == 1 and _transparent(image) else 0)
    return max(loading, converting, 8 if turned else 0)


def _coefficients(image: Image.Image) -> float:
    """Bytes a pixel that libjpeg keeps of a progressive file: two for each sample of each component."""
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    samples = [across * down for _, across, down, _ in layers]
    return 2 * sum(samples) / max(samples, default=1) if all(samples) else 2.0 * len(samples)


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        with quiet():
            return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a picture with broken Exif is shown as it is stored, as browsers do
        return None


def _transparent(image: Image.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA", "RGBa"} or "transparency" in image.info


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return _from_16_bit(image).convert("RGB")
    if image.mode in {"I", "F", "LAB", "HSV", "La"}:
        message = f"pixels of the kind {image.mode} have no agreed colours"
        raise PictureError(message, code=PictureCode.UNSUPPORTED_PICTURE, hint="Save it as 8-bit RGB or grey.")
    if _transparent(image):
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """The darkest value to 0 and the lightest to 255: Pillow's own conversion makes everything above 255 white."""
    wide = image if image.mode in {"I;16", "I"} else image.convert("I")
    return wide.point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    """The picture on white, strip by strip, so that there is no third copy of it."""
    flat = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, _STRIP_ROWS):
        box = (0, top, image.width, min(top + _STRIP_ROWS, image.height))
        strip = image.crop(box).convert("RGBA")
        flat.paste(strip, box, strip)
    return flat


def _too_large(message: str) -> PictureError:
    hint = "Make it smaller, or raise NEARCLASS_PICTURE_MAX_MB or NEARCLASS_PICTURE_MAX_MEGAPIXELS."
    return PictureError(message, code=PictureCode.PICTURE_TOO_LARGE, hint=hint)
