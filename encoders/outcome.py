"""What a model made: vectors of unit length, or an error that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderError

__all__ = ["explained", "unit"]


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Say of what the model failed, such as ``3 texts``.

    Raises:
        EncoderError: In the place of the errors of torch.
    """
    try:
        yield
    except (RuntimeError, IndexError) as error:
        message = f"the model failed on {what}: {type(error).__name__}: {error}"
        hint = "Run `nearclass doctor`; if memory ran out, set NEARCLASS_DEVICE=cpu."
        raise EncoderError(message, hint=hint) from error


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same directions, of unit length; shape (n, dim).

    Raises:
        EncoderError: One is zero or not finite.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        message = "the model gave a vector that is zero or not finite"
        raise EncoderError(message, hint="Run `nearclass doctor`; the model's files may be damaged.")
    made: NDArray[np.float32] = vectors / norms
    return made
