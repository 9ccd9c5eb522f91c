"""Which arithmetic the encoder runs in: the fastest that gives the same vectors."""

import copy
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_COSINE", "MIN_SPEEDUP", "PROBES", "Ways", "bfloat16_speedup", "choose", "halved"]

_M = TypeVar("_M")

MIN_COSINE: Final = 0.999
"""Least cosine between the float32 and the bfloat16 vector of every probe for the two to count as equivalent."""

MIN_SPEEDUP: Final = 1.2
"""Below this bfloat16 is not worth it. Measured on matrix products: AVX512-BF16 alone runs at about half the rate of
float32, AMX at three to four times it, so the instruction set is no guide and the clock is."""

_ROUNDS: Final = 12

PROBES: Final = (
    "kettle",
    "Wireless over-ear headphones with active noise cancelling, 30 h battery, black",
    "How do I change the delivery address of an order that was already paid?",
    "Organic whole milk 1 l",
    "Schraubendreher-Set, 32-teilig, magnetisch",
    "A4 notebook, squared paper, hard cover, 96 sheets",
)


class Ways(Generic[_M]):
    """A model in float32 and, once that is tried, in bfloat16; one of them is in use.

    Attributes:
        bfloat16: Whether it is the second.
    """

    def __init__(self, exact: _M, halve: Callable[[_M], _M]) -> None:
        """Begin with the model in float32; ``halve`` makes the other of it."""
        self.bfloat16 = False
        self._models = {False: exact}
        self._halve = halve

    @property
    def model(self) -> _M:
        """The one in use."""
        return self._models[self.bfloat16]

    def turn(self, bfloat16: bool) -> None:  # noqa: FBT001 - which of two
        """Use one of them."""
        if bfloat16 and True not in self._models:
            self._models[True] = self._halve(self._models[False])
        self.bfloat16 = bfloat16

    def settle(self, bfloat16: bool) -> None:  # noqa: FBT001 - which of two
        """Use one of them that was tried, for good; the memory of the other is given back."""
        self.bfloat16 = bfloat16
        self._models = {bfloat16: self._models[bfloat16]}


def choose(wanted: str, device: str, encode: Callable[[bool], NDArray[np.float32]]) -> bool:
    """Whether to run in bfloat16 autocast.

    Args:
        wanted: ``auto``, ``float32`` or ``bfloat16`` (which is still refused where it is not equivalent).
        device: ``cpu``, ``cuda`` or ``mps``.
        encode: Gives the unit vectors of ``PROBES``, with bfloat16 (True) or without, shape (n, dim).
    """
    if wanted == "float32" or device == "mps":
        return False
    if wanted == "auto" and bfloat16_speedup(device) < MIN_SPEEDUP:
        return False
    fast, exact = (encode(bfloat16) for bfloat16 in (True, False))
    cosines = (fast * exact).sum(axis=1)
    return bool(cosines.min() >= MIN_COSINE)


def halved(module: Any) -> Any:
    """A copy of a torch module whose products have their weights in bfloat16, to be run under autocast.

    Autocast would make the same of them at every call, which on a CPU costs more than a small batch itself: with AMX,
    16 pictures through a ViT-B/32 take 0.25 s on a core, with autocast alone 2.4 s and in float32 1.0 s.
    """
    import torch  # noqa: PLC0415 - slow to import

    made = copy.deepcopy(module)
    for one in made.modules():
        if isinstance(one, torch.nn.Linear | torch.nn.Conv2d | torch.nn.MultiheadAttention):
            for parameter in one.parameters(recurse=False):
                parameter.data = parameter.data.to(torch.bfloat16)
    return made


def bfloat16_speedup(device: str) -> float:
    """How many times faster a matrix product of an encoder's size runs in bfloat16 than in float32 here."""
    import torch  # noqa: PLC0415 - slow to import

    if device == "cuda":
        return 2.0 if torch.cuda.is_bf16_supported(including_emulation=False) else 0.0
    dtypes = (torch.float32, torch.bfloat16)
    matrices = {dtype: torch.ones(768, 768, dtype=dtype) for dtype in dtypes}
    best = dict.fromkeys(dtypes, float("inf"))
    with torch.inference_mode():
        # In turn, and the best of many: a busy machine slows single rounds down tenfold.
        for _ in range(_ROUNDS):
            for dtype, matrix in matrices.items():
                start = time.perf_counter()
                torch.mm(matrix, matrix)
                best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best[torch.float32] / best[torch.bfloat16]
