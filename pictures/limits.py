"""How much of a picture is taken: bytes, pixels, memory, formats."""

from dataclasses import dataclass
from typing import Final

__all__ = ["FORMATS", "PictureLimits"]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What shops and cameras write, as Pillow names them. Every further decoder is code that strangers' bytes reach."""

_BYTES_PER_PIXEL: Final = 5
"""Pillow keeps a colour in four bytes; one more covers a decoder that works in lines."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Bounds that are checked before anything is decoded.

    Attributes:
        max_bytes: Largest file; catalogue photos have 0.1 to 5 MB, the largest phone photos about 20 MB.
        max_pixels: Most pixels, width times height; the largest common phone photos have 50 million.
        formats: Formats that are decoded, as Pillow names them.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    formats: tuple[str, ...] = FORMATS

    @property
    def max_memory(self) -> int:
        """Most bytes that decoding one picture may take, by the estimate of ``decode.examine``.

        An upright opaque JPEG or PNG may have ``max_pixels``; one that has to be turned, that has an alpha channel or
        whose decoder needs more (WebP, progressive JPEG) takes more memory and may have fewer.
        """
        return _BYTES_PER_PIXEL * self.max_pixels
