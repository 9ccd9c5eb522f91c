"""One encoder for each space of a catalogue: the one given or configured, else the one that the space itself names."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from .errors import ModelNotFoundError
from .schemas.spaces import Space
from .store.spaces import check_same

__all__ = ["SpaceEncoders"]


class _OfSpace(Protocol):
    """Whatever makes the vectors of one space."""

    @property
    def space(self) -> Space: ...


@runtime_checkable
class _Closable(Protocol):
    """One that has something running."""

    def close(self) -> None: ...


_E = TypeVar("_E", bound=_OfSpace)


class SpaceEncoders(Generic[_E]):
    """Keeps encoders of one kind; each is made once, when it is first asked for; may be used from several threads."""

    def __init__(self, make: Callable[[str], _E], *, configured: str | None, given: _E | None) -> None:
        """Make encoders by their names.

        Args:
            make: Gives the encoder of a preset, a hub id or a folder, or raises ``ModelNotFoundError``.
            configured: Name of the one that the settings want, if they want one.
            given: An encoder to use in its place.
        """
        self._make = make
        self._configured = configured
        self._given = self._first = given
        self._made: dict[str, _E] = {}
        self._lock = threading.RLock()

    def of(self, space: Space) -> _E:
        """The encoder that makes the vectors of a space.

        Raises:
            ModelNotFoundError: It is not here.
            SpaceMismatchError: What is here under its name makes other vectors.
        """
        with self._lock:
            known = self._made.get(space.fingerprint)
            if known is None:
                first = self._wanted()
                mine = first is not None and first.space.fingerprint == space.fingerprint
                known = first if first is not None and mine else self.named(space.encoder)
                check_same(space, known.space)
                self._made[space.fingerprint] = known
            return known

    def named(self, name: str) -> _E:
        """The encoder of a preset, a hub id or a folder.

        Raises:
            ModelNotFoundError: There is none.
        """
        return self._make(name)

    def know(self, encoder: _E) -> None:
        """Use this one for its space."""
        with self._lock:
            self._made.setdefault(encoder.space.fingerprint, encoder)

    def close(self) -> None:
        """End what some of those that were made here have running."""
        with self._lock:
            for one in (self._first, *self._made.values()):
                if one is not self._given and isinstance(one, _Closable):
                    one.close()

    def _check(self, stored: Space | None) -> None:
        """Refuse an encoder that did not make the stored vectors; the model itself is not loaded.

        Raises:
            SpaceMismatchError: The stored vectors are of another space.
            ModelNotFoundError: The settings name a model that is not here.
        """
        if stored is None:
            return
        try:
            check_same(stored, (self._wanted() or self.of(stored)).space)
        except ModelNotFoundError:
            if self._configured is not None:
                raise
            # Said again, in full, by the first command that needs the model.

    def _wanted(self) -> _E | None:
        """The one given or named by the settings."""
        with self._lock:
            if self._first is None and self._configured is not None:
                self._first = self.named(self._configured)
            return self._first
