"""The spaces of a catalogue and the collections of each."""

import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import SchemaMismatchError, SpaceMismatchError, StoreError, UsageError
from ..schemas.collections import SCHEMA_VERSION, CollectionSpec, classes_spec, evidence_spec, items_spec, learned_spec
from ..schemas.spaces import Serving, Space, precomputed
from .names import alias, first_version, next_version
from .state import Document, State
from .store import Store

__all__ = [
    "CATALOG",
    "FILLING",
    "SPACE_SPECS",
    "SpaceCollections",
    "Spaces",
    "check_same",
    "check_schema_version",
]

_SPACE: Final = "space"
CATALOG: Final = "catalog"
"""Kind and name of the document that every open reads first."""

FILLING: Final = "filling"
"""Entry of that document which says that the catalogue is being filled from elsewhere, and is not whole."""

SPACE_SPECS: Final[Mapping[str, Callable[[int], CollectionSpec]]] = {
    "classes": classes_spec,
    "evidence": evidence_spec,
    "items": items_spec,
    "learned": learned_spec,
}
"""Kinds of a space's collections, and the layout of each for vectors of a length."""

_UNSETTLED: Final = "active_learner"
"""Kind of the document that says, unsettled, that class vectors have to be written; as of ``store.learned``."""

_ENCODED: Final = {"text": "text_space", "image": "image_space"}
"""Kinds of spaces that a catalogue has one of, and where it remembers which."""

_OLDER: Final = (
    "With the nearclass that wrote it, run `nearclass backup FOLDER`; with this one, "
    "`nearclass --catalog NEW restore FOLDER`, which brings it up to date."
)


def _turning(kind: str) -> tuple[str, str, str, str]:
    """Entries of that document about a kind: what serves, what served before, what is next, and the mark."""
    return _ENCODED[kind], f"previous_{kind}_space", f"next_{kind}_space", f"{kind}_mark"


_ABOUT: Final = ("rules", "calibration", _UNSETTLED, "picture_level", "proposals", "answered")
"""Kinds of the documents that bear the name of the space that they are about."""
_ABOUT_AND_MORE: Final = {"learner": "\x1f", "fusion": "+", "mapping": ":", "proposal": "/", "left_out": "/"}
"""The same, where more follows the name, and what stands between."""

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
        return cls(space, *(alias(catalog, kind, space.name) for kind in SPACE_SPECS))

    def of_kind(self, kind: str) -> str:
        """Alias of the collection of a kind, one of ``SPACE_SPECS``."""
        return dict(zip(SPACE_SPECS, (self.classes, self.evidence, self.items, self.learned), strict=True))[kind]

    @property
    def specs(self) -> Mapping[str, CollectionSpec]:
        """Layout behind each alias."""
        return {self.of_kind(kind): spec(self.space.dim) for kind, spec in SPACE_SPECS.items()}

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

    def drop(self, store: Store) -> None:
        """Delete the collections with all that is in them; may be repeated."""
        for name in self.specs:
            behind = store.resolve(name) or first_version(name)
            store.release(name)
            for left in (first_version(name), next_version(behind)):  # without an alias, by a call that was cut off
                store.drop(left)


class Spaces:
    """What a catalogue remembers of its spaces; may be used from several threads."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.RLock()
        self._read: dict[tuple[str, str], tuple[int, Document | None]] = {}

    def check_version(self) -> None:
        """Refuse a catalogue whose layout this version does not read, or that is not whole yet.

        Raises:
            SchemaMismatchError: The catalogue has another schema version.
            StoreError: It is being filled from elsewhere, or that was cut off.
        """
        document = self._state.get(CATALOG, CATALOG)
        if document is None:
            return
        check_schema_version(document.body.get("schema_version", SCHEMA_VERSION), "the catalogue")
        if filling := document.body.get(FILLING):
            message = f"the catalogue is not whole: it is being filled from {filling['label']}, or that was cut off"
            raise StoreError(message, hint="Run the same command again; it goes on where it stopped.")

    @staticmethod
    def whole(body: Mapping[str, Any]) -> dict[str, Any]:
        """The body of the document that every open reads first, with the version of the layout that is written."""
        return {**body, "schema_version": SCHEMA_VERSION}

    def text_space(self) -> Space | None:
        """The space of the catalogue's text encoder, or None before the first text."""
        return self._encoded("text")

    def serving(self, kind: str) -> Serving:
        """Which spaces of a kind there are, ``text`` or ``image``."""
        body = self._body()
        return Serving(*(body.get(key) or "" for key in _turning(kind)))

    def texts(self) -> Serving:
        """Which spaces of texts there are."""
        return self.serving("text")

    def image_space(self) -> Space | None:
        """The space of the catalogue's encoder of pictures, or None where it has none yet."""
        return self._encoded("image")

    def get(self, name: str) -> Space | None:
        """The space with this name."""
        document = self._document(_SPACE, name)
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
        """Every space that is in use, by name: those of given vectors, and the serving ones of texts and pictures."""
        return self._among({str(self._body().get(key)) for key in _ENCODED.values()})

    def written(self) -> list[Space]:
        """Every space that a change has to reach: those in use, and those that are about to serve."""
        every = (self.serving(kind) for kind in _ENCODED)
        return self._among({name for one in every for name in (one.serving, one.next) if name})

    def stored(self) -> list[Space]:
        """Every space there is, in use or not, by name."""
        return [Space.from_dict(document.body) for document in self._state.every(_SPACE)]

    def add(self, space: Space) -> None:
        """Remember a space beside those in use."""
        self._state.put(Document(_SPACE, space.name, space.to_dict()))

    def prepare(self, kind: str, name: str) -> None:
        """From now on, what is written goes to this space of the kind too; an empty name ends it."""
        _, _, upcoming, _ = _turning(kind)
        self._change({upcoming: name})

    def settle(self) -> None:
        """No space is about to serve any more, where a process that meant it has died."""
        for kind in _ENCODED:
            if self.serving(kind).next:
                self.prepare(kind, "")

    def serve(self, kind: str, name: str, *, previous: str) -> None:
        """Answer from this space of the kind from now on, all at once: it is one document that says so."""
        values = (name, previous, "", secrets.token_hex(8))
        self._change(dict(zip(_turning(kind), values, strict=True)))

    def forget(self, name: str) -> None:
        """Remove every document about a space that is not in use, the space itself last; its collections stay."""
        for kind in _ENCODED:
            if self.serving(kind).previous == name:
                _, previous, _, _ = _turning(kind)
                self._change({previous: ""})
        for kind in _ABOUT:
            self._state.delete(kind, [name])
        for kind, between in _ABOUT_AND_MORE.items():
            every = [one.name for one in self._state.every(kind)]
            names = [one for one in every if one.startswith(f"{name}{between}")]
            names += [one for one in every if kind == "fusion" and one.endswith(f"+{name}")]  # it bears two names
            if names:
                self._state.delete(kind, names)
        self._state.delete(_SPACE, [name])

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
        documents = [Document(_SPACE, space.name, space.to_dict())]
        if space.kind == "image":
            documents.insert(0, Document(_UNSETTLED, space.name, {"version": 0, "settled": False}))
        self._change({_ENCODED[space.kind]: space.name} if space.kind in _ENCODED else {}, *documents)

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
        name = self._body().get(_ENCODED[kind])
        return self.get(name) if name else None

    def _among(self, encoded: set[str]) -> list[Space]:
        return [space for space in self.stored() if space.kind == "precomputed" or space.name in encoded]

    def _body(self) -> Mapping[str, Any]:
        document = self._document(CATALOG, CATALOG)
        return document.body if document else {}

    def _document(self, kind: str, name: str) -> Document | None:
        """A document that every answer asks for, so that it is read again only after a write."""
        writes = self._state.writes
        known = self._read.get((kind, name))
        if known is not None and known[0] == writes:
            return known[1]
        document = self._state.get(kind, name)
        if writes is not None:
            self._read[kind, name] = (writes, document)
        return document

    def _change(self, values: Mapping[str, str], *before: Document) -> None:
        """Write these values into the document of the catalogue, and other documents with it."""
        with self._lock:
            body = {"schema_version": SCHEMA_VERSION, **self._body(), **values}
            self._state.put(*before, Document(CATALOG, CATALOG, body))


def check_schema_version(version: Any, what: str, *, older: str = _OLDER) -> None:
    """Refuse a layout that this nearclass does not read.

    Args:
        version: The version.
        what: What has it, for the message.
        older: What to do where it is older than this nearclass.

    Raises:
        SchemaMismatchError: It is another one than ours.
    """
    if version == SCHEMA_VERSION:
        return
    message = f"{what} has schema version {version}, and this nearclass reads version {SCHEMA_VERSION}"
    hint = "Install the nearclass that wrote it, or a newer one: pip install --upgrade nearclass."
    if isinstance(version, int) and version < SCHEMA_VERSION:
        hint = older
    raise SchemaMismatchError(message, hint=hint)


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
    if "image" in {stored.kind, configured.kind}:
        setting, other = "NEARCLASS_IMAGE_ENCODER", "use another --catalog"
    else:
        setting, other = (
            "NEARCLASS_TEXT_ENCODER",
            f"move to the other: nearclass reembed plan --encoder {configured.encoder}",
        )
    raise SpaceMismatchError(message, hint=f"Leave {setting} unset or set it to {stored.encoder!r}, or {other}.")
