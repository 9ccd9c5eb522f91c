"""The image encoder: an open_clip model, pictures and texts to unit vectors of one space."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..cores import usable_cores
from ..schemas.records import Role
from ..schemas.spaces import Space
from . import precision
from .base import Encoded
from .image_loading import LoadedImageModel, Prepared, load_image_model, picture_steps
from .image_model import ImageModel
from .lanes import Lanes
from .outcome import explained, unit

__all__ = ["ImageEncoder", "Picture", "Prepared"]

_log = logging.getLogger(__name__)

_PICTURES_AT_A_TIME: Final = {"cpu": 32}
_GPU_PICTURES_AT_A_TIME: Final = 256
_LEAST_PER_LANE: Final = 4
"""All lanes together have the pictures of one batch, so that they need no more memory, but none has fewer than this."""

Picture = Image.Image | Prepared
_K = TypeVar("_K")
_T = TypeVar("_T")


class ImageEncoder:
    """Pictures and texts to unit vectors; the model is loaded when first needed; for several threads."""

    def __init__(
        self, model: ImageModel, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        self._model = model
        self._wanted_device = device
        self._wanted_precision = precision
        self._threads = threads
        self._lock = threading.Lock()
        self._steps_lock = threading.Lock()
        self._loaded: LoadedImageModel | None = None
        self._lanes: Lanes | None = None
        self._steps: Callable[[Image.Image], Image.Image] | None = None

    @property
    def space(self) -> Space:
        """The space of the vectors, of pictures and of texts; known without loading the model."""
        return self._model.space

    @property
    def running(self) -> str:
        """Device and arithmetic in use, such as ``cpu float32``; loads the model."""
        with self._lock:
            loaded = self._load()
        return f"{loaded.device} {'bfloat16' if loaded.ways.bfloat16 else 'float32'}"

    def prepare(self, picture: Image.Image) -> Prepared:
        """The picture in the size and form that the model reads, shape (height, width, 3), uint8.

        It is open_clip's own preprocessing up to the pixels; scaling and normalising come with the batch. It needs no
        model and is meant to run in the threads that decode.

        Raises:
            EncoderError: open_clip would prepare pictures in another way than the model's makers say.
        """
        if self._steps is None:
            with self._steps_lock:
                self._steps = self._steps or picture_steps(self._model.preprocessing)
        # Converting what is RGB already would copy it, and a picture may have 50 million pixels.
        return np.asarray(self._steps(picture if picture.mode == "RGB" else picture.convert("RGB")))

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:  # noqa: ARG002 - both roles are encoded alike
        """Vectors of the texts, in their order, to compare with vectors of pictures.

        Each text is put into every prompt, and the unit vectors are averaged and brought to unit length. Both roles are
        treated alike: whether a text describes a class or is what somebody looks for, it is compared with pictures, and
        near pictures lie texts that read like captions.

        Raises:
            EncoderError: The model cannot be loaded, or gave something that is not a finite vector.
        """
        if not texts:
            return Encoded.none(self.space.dim)
        prompted = [prompt.replace("{}", text) for text in texts for prompt in self._model.prompts]
        vectors, truncated = self._run(lambda loaded: loaded.encode_texts(prompted), f"{len(texts)} texts")
        shape = (len(texts), len(self._model.prompts), -1)
        mean: NDArray[np.float32] = vectors.reshape(shape).mean(axis=1)
        cut = np.asarray(truncated.reshape(shape[:2]).any(axis=1), np.bool_)
        return Encoded(unit(mean), cut)

    def encode_pictures(self, pictures: Iterable[Picture]) -> NDArray[np.float32]:
        """Vectors of the pictures, in their order; shape (n, dim), float32, every row of unit length.

        Args:
            pictures: Pictures, or what ``prepare`` made of them; they are taken a batch at a time.

        Raises:
            EncoderError: The model cannot be loaded, or gave something that is not a finite vector.
        """
        found = [vector for _, vector in self.stream((None, picture) for picture in pictures) if vector is not None]
        return np.stack(found) if found else np.empty((0, self.space.dim), np.float32)

    def stream(self, pictures: Iterable[tuple[_K, Picture | None]]) -> Iterator[tuple[_K, NDArray[np.float32] | None]]:
        """Each key with the vector of its picture, shape (dim,), or with None where there is no picture; in order.

        Pictures are taken as the model gets to them, some batches ahead. With ``PictureLoader.prepare_all`` before it,
        they are read, decoded and prepared in threads while the model computes. On a CPU each core has batches of its
        own, see ``lanes``.

        Raises:
            EncoderError: As ``encode_pictures``.
        """
        rest = iter(pictures)
        start = list(islice(rest, 1))
        if not start:  # nobody the model would be loaded for
            return
        lanes, size = self._ready()
        start += islice(rest, lanes.count - 1)
        if len(start) < lanes.count:  # too few to share out: every core for each
            yield from self._encoded(start, in_lane=False)
            return
        batches = _batches(chain(start, rest), lanes.count, size)
        for found in lanes.each(partial(self._encoded, in_lane=lanes.count > 1), batches):
            yield from found

    def _encoded(
        self, batch: Sequence[tuple[_K, Picture | None]], *, in_lane: bool
    ) -> list[tuple[_K, NDArray[np.float32] | None]]:
        ready = [one if isinstance(one, np.ndarray) else self.prepare(one) for _, one in batch if one is not None]
        vectors: Iterator[NDArray[np.float32]] = iter(())
        if ready:
            run = self._run_in_lane if in_lane else self._run
            found = run(lambda loaded: loaded.encode_pictures(np.stack(ready)), f"{len(ready)} pictures")
            vectors = iter(unit(found))
        return [(key, None if picture is None else next(vectors)) for key, picture in batch]

    def _run(self, step: Callable[[LoadedImageModel], _T], what: str) -> _T:
        """One step of the model, on every core and alone."""
        with self._lock:
            loaded = self._load()
            with explained(what):
                return step(loaded)

    def _run_in_lane(self, step: Callable[[LoadedImageModel], _T], what: str) -> _T:
        """One step of the model, beside those of other lanes."""
        with self._lock:
            loaded = self._load()
        with explained(what):
            return step(loaded)

    def _ready(self) -> tuple[Lanes, int]:
        """The lanes that pictures go through, and how many pictures at a time through each; loads the model."""
        with self._lock:
            loaded = self._load()
            if self._lanes is None:
                self._lanes = Lanes((self._threads or usable_cores()) if loaded.device == "cpu" else 1)
        at_a_time = _PICTURES_AT_A_TIME.get(loaded.device, _GPU_PICTURES_AT_A_TIME)
        return self._lanes, max(_LEAST_PER_LANE, at_a_time // self._lanes.count)

    def _load(self) -> LoadedImageModel:
        if self._loaded is None:
            loaded = load_image_model(self._model, self._wanted_device, self._threads)
            loaded.ways.settle(precision.choose(self._wanted_precision, loaded.device, loaded.probe))
            _log.info("encoder %s runs on %s, bfloat16 %s", self.space.name, loaded.device, loaded.ways.bfloat16)
            self._loaded = loaded
        return self._loaded


def _batches(pieces: Iterable[_T], lanes: int, size: int) -> Iterator[list[_T]]:
    """The pieces in batches of ``size`` and less, as many for each lane and of like sizes.

    >>> list(_batches("abcdefg", 2, 2))
    [['a', 'b'], ['c', 'd'], ['e', 'f'], ['g']]
    """
    rest = iter(pieces)
    while taken := list(islice(rest, lanes * size)):
        share = -(-len(taken) // lanes)
        yield from (taken[at : at + share] for at in range(0, len(taken), share))
