"""The spaces of a catalogue and the collections of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import SchemaMismatchError, SpaceMismatchError, UsageError
from ..schemas.collections import SCHEMA_VERSION, CollectionSpec, classes_spec, evidence_spec, items_spec, learned_spec
from ..schemas.spaces import Space, precomputed
from .names import alias, first_version
from .state import Document, State
from .store import Store

__all__ = ["SpaceCollections", "Spaces", "check_same"]

_SPACE: Final = "space"
_CATALOG: Final = "catalog"
_UNSETTLED: Final = "active_learner"
"""Kind of the document that says, unsettled, that class vectors have to be written; as of ``store.learned``."""

_ENCODED: Final = {"text": "text_space", "image": "image_space"}
"""Kinds of spaces that a catalogue has one of, and where it remembers which."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class SpaceCollections:
    """Aliases of a space's four collections, and their layouts."""

    space: Space
    classes: str
    evidence: str
    items: str
    learned: str

    @classmethod
    def of(cls, catalog: str, space: Space) -> "SpaceCollections":
        """The collections of a space."""
        names = (alias(catalog, kind, space.name) for kind in ("classes", "evidence", "items", "learned"))
        return cls(space, *names)

    @property
    def specs(self) -> Mapping[str, CollectionSpec]:
        """Layout behind each alias."""
        dim = self.space.dim
        return {
            self.classes: classes_spec(dim),
            self.evidence: evidence_spec(dim),
            self.items: items_spec(dim),
            self.learned: learned_spec(dim),
        }

    def ensure(self, store: Store) -> None:
        """Make the collections that are missing and check the layout of those that are there.

        Raises:
            SchemaMismatchError: A collection has another layout.
        """
        for name, spec in self.specs.items():
            physical = store.resolve(name)
            store.create(physical or first_version(name), spec)
            if physical is None:
                store.point(name, first_version(name))


class Spaces:
    """What a catalogue remembers of its spaces."""

    def __init__(self, state: State) -> None:
        self._state = state

    def check_version(self) -> None:
        """Refuse a catalogue whose layout this version does not read.

        Raises:
            SchemaMismatchError: The catalogue has another schema version.
        """
        document = self._state.get(_CATALOG, _CATALOG)
        stored = document.body.get("schema_version") if document else SCHEMA_VERSION
        if stored != SCHEMA_VERSION:
            message = f"the catalogue has schema version {stored}, and this nearclass reads version {SCHEMA_VERSION}"
            raise SchemaMismatchError(
                message, hint="Use the nearclass version that wrote it, or export from there and import here."
            )

    def text_space(self) -> Space | None:
        """The space of the catalogue's text encoder, or None before the first text."""
        return self._encoded("text")

    def image_space(self) -> Space | None:
        """The space of the catalogue's encoder of pictures, or None where it has none yet."""
        return self._encoded("image")

    def get(self, name: str) -> Space | None:
        """The space with this name."""
        document = self._state.get(_SPACE, name)
        return Space.from_dict(document.body) if document else None

    def named(self, name: str) -> Space:
        """The space with this name, which must be there.

        Raises:
            UsageError: There is none; the hint lists those there are.
        """
        space = self.get(name)
        if space is None:
            message = f"there is no space {name!r}"
            have = ", ".join(one.name for one in self.every()) or "none"
            raise UsageError(message, hint=f"Spaces of this catalogue: {have}.")
        return space

    def every(self) -> list[Space]:
        """Every space, by name."""
        return [Space.from_dict(document.body) for document in self._state.every(_SPACE)]

    def register(self, space: Space) -> None:
        """Remember a space; one of an encoder becomes the catalogue's for its kind.

        A new image space is left unsettled: the classes that are there have no vectors in it yet.

        Raises:
            SpaceMismatchError: There is a space of this name, or of this encoder's kind, with another fingerprint.
        """
        stored = self._encoded(space.kind) if space.kind in _ENCODED else self.get(space.name)
        if stored is not None:
            check_same(stored, space)
            return
        body: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
        known = self._state.get(_CATALOG, _CATALOG)
        if known is not None:
            body.update(known.body)
        if space.kind in _ENCODED:
            body[_ENCODED[space.kind]] = space.name
        documents = [Document(_SPACE, space.name, space.to_dict()), Document(_CATALOG, _CATALOG, body)]
        if space.kind == "image":
            documents.insert(0, Document(_UNSETTLED, space.name, {"version": 0, "settled": False}))
        self._state.put(*documents)

    def register_given(self, name: str, dim: int | None) -> Space:
        """Remember a space of given vectors; without ``dim`` it must be known already.

        Raises:
            UsageError: The name cannot be one, or the dimension is not known.
            SpaceMismatchError: The space is known with another dimension.
        """
        if not _NAME.fullmatch(name):
            message = f"{name!r} cannot be the name of a space"
            raise UsageError(message, hint="Use letters, digits and underscores, at most 64, not a digit first.")
        known = self.get(name)
        if known is None and not dim:
            message = f"there is no space {name!r}, and no row brings a vector to start one with"
            raise UsageError(message, hint="Give a column `vector` in JSONL or Parquet.")
        space = precomputed(name, dim or (known.dim if known else 0))
        self.register(space)
        return space

    def _encoded(self, kind: str) -> Space | None:
        document = self._state.get(_CATALOG, _CATALOG)
        name = document.body.get(_ENCODED[kind]) if document else None
        return self.get(name) if name else None


def check_same(stored: Space, configured: Space) -> None:
    """Refuse to mix two spaces.

    Raises:
        SpaceMismatchError: Their fingerprints differ; the message names both and what is different.
    """
    if stored.fingerprint == configured.fingerprint:
        return
    different = sorted(
        key for key in {*stored.details, *configured.details} if stored.details.get(key) != configured.details.get(key)
    )
    sides = [f"{one.name} (dimension {one.dim}, encoder {one.encoder or 'none'})" for one in (stored, configured)]
    message = (
        f"the catalogue's vectors were made in the space {sides[0]}, and the configured one is {sides[1]}; "
        f"different: {', '.join(different) or 'the fingerprint'}"
    )
    setting = "NEARCLASS_IMAGE_ENCODER" if "image" in {stored.kind, configured.kind} else "NEARCLASS_TEXT_ENCODER"
    raise SpaceMismatchError(
        message, hint=f"Leave {setting} unset or set it to {stored.encoder!r}, or use another --catalog."
    )
