"""Pictures that show nothing: what any class scores on them, it scores without being there."""

from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["unrelated_pictures"]

_SIDE: Final = 224
_GRAINS: Final = (1, 2, 4, 7, 14, 28, 56, 112)
_EACH: Final = 10
_SHAPES: Final = 24


@cache
def unrelated_pictures() -> tuple[Image.Image, ...]:
    """Sixty-two pictures of 224 by 224, always the same: plain colours, gradients, noise, stripes, shapes."""
    random = np.random.default_rng(0)
    plain = [np.broadcast_to(_colour(random), (_SIDE, _SIDE, 3)) for _ in range(_EACH)]
    gradients = [_blend(random, _across(turn)) for turn in range(_EACH)]
    noise = [_noise(random, grain) for grain in _GRAINS]
    stripes = [_blend(random, np.sin(2 * np.pi * 2 ** (1 + turn % 5) * _across(turn)) > 0) for turn in range(_EACH)]
    drawn = [_shapes(random) for _ in range(_SHAPES)]
    return (*(Image.fromarray(np.asarray(one, np.uint8)) for one in (*plain, *gradients, *noise, *stripes)), *drawn)


def _colour(random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 256, 3)


def _across(turn: int) -> np.ndarray:
    """From 0 to 1 across the picture, in a direction."""
    down, right = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    values = right * np.cos(turn) + down * np.sin(turn)
    return np.asarray((values - values.min()) / np.ptp(values))


def _blend(random: np.random.Generator, share: np.ndarray) -> np.ndarray:
    one, other = _colour(random), _colour(random)
    return np.asarray(one + (other - one) * share[..., None])


def _noise(random: np.random.Generator, grain: int) -> np.ndarray:
    side = _SIDE // grain
    return np.kron(random.integers(0, 256, (side, side, 3)), np.ones((grain, grain, 1)))


def _shapes(random: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (_SIDE, _SIDE), _fill(random))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(1, 8))):
        left, right = sorted(random.integers(0, _SIDE, 2).tolist())
        top, bottom = sorted(random.integers(0, _SIDE, 2).tolist())
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((left, top, right, bottom), fill=_fill(random))
    return picture


def _fill(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = _colour(random).tolist()
    return red, green, blue
