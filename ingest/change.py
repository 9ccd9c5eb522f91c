"""What a change of the classes is: who makes it, what it did, and that it is alone."""

import functools
import getpass
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from ..encoders.base import Encoder
from ..schemas.spaces import Space
from ..schemas.taxonomy import Problem, Taxonomy

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder
    from ..pictures.load import PictureLoader

__all__ = ["Change", "Encoders", "Images", "Signature", "alone"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Encoders(Protocol):
    """What the write path asks of the catalogue's texts."""

    def chosen(self) -> Encoder:
        """The encoder of the texts, which from now on is that of the catalogue."""
        ...

    def of(self, space: Space) -> Encoder:
        """The encoder that makes the vectors of a space of texts."""
        ...


class Images(Protocol):
    """What the write path asks of the catalogue's pictures."""

    def adopted(self) -> "ImageEncoder | None":
        """The encoder of pictures, which from now on is that of the catalogue, or None."""
        ...

    def of(self, space: Space) -> "ImageEncoder":
        """The encoder that makes the vectors of a space of pictures."""
        ...

    def loader(self) -> "PictureLoader":
        """A new loader; the caller closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What a change did.

    Attributes:
        taxonomy: The taxonomy after it.
        added: Ids of classes that are new.
        changed: Ids of classes that were there and are different now.
        unchanged: How many of the given classes were there just so.
        problems: Why some of the given classes were refused.
    """

    taxonomy: Taxonomy
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who makes a change, and why."""

    by: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        """Who: as given, else the user of the operating system."""
        if self.by:
            return self.by
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a container may run as a number that has no name
            return "unknown"


class _Locked(Protocol):
    lock: threading.RLock


_S = TypeVar("_S", bound=_Locked)


def alone(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Let one thread at a time into the methods of an object that are marked with this."""

    @functools.wraps(method)
    def locked(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked
