"""Changes to the taxonomy: checked, saved, brought into every space, and only then made the head."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoders.base import Encoder
from ..errors import TaxonomyError, UsageError
from ..schemas.records import ClassSpec
from ..schemas.spaces import Space
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.history import History
from ..store.learned import Learned
from ..store.spaces import SpaceCollections, Spaces
from ..store.state import State
from ..store.taxonomy import TaxonomyStore
from .change import Change, Encoders, Images, Signature, alone
from .class_pictures import ClassPictures, resolved
from .classes import sync
from .given import given_vectors, write_given_vectors
from .taxonomy import slug_id

if TYPE_CHECKING:
    from ..encoders.image import ImageEncoder

__all__ = ["Change", "ClassEditor", "Images"]


class ClassEditor:
    """Reads and changes the classes of one catalogue; may be used from several threads.

    Attributes:
        lock: Held while a change is made.
        signature: Who makes the changes, and why.
    """

    def __init__(
        self,
        catalog: str,
        store: Store,
        state: State,
        taxonomies: TaxonomyStore,
        spaces: Spaces,
        encoders: Encoders,
        images: Images,
        roots: Sequence[Path] = (),
        author: str = "",
    ) -> None:
        """Edit a catalogue.

        Args:
            catalog: Its name.
            store: Where it is.
            state: Its documents.
            taxonomies: Its classes.
            spaces: Its spaces.
            encoders: Gives the encoders of its spaces of texts when a text has to be embedded.
            images: Gives the encoder of pictures, if there is one.
            roots: Folders that pictures may be in besides that of the file that names them.
            author: Who makes the changes; by default the user of the operating system.
        """
        self._catalog = catalog
        self._store = store
        self._state = state
        self._taxonomies = taxonomies
        self._spaces = spaces
        self._encoders = encoders
        self._images = images
        self._roots = roots
        self._history = History(state, shared=not store.embedded)
        self.signature = Signature(author)
        self.lock = threading.RLock()

    @property
    def taxonomy(self) -> Taxonomy:
        """All classes as they are now."""
        return self._taxonomies.current()

    @alone
    def add(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 - the word of the vocabulary
        parent: str | None = None,
        descriptions: Sequence[str] = (),
        synonyms: Sequence[str] = (),
        examples: Sequence[str] = (),
        images: Sequence[str] = (),
        assignable: bool | None = None,
    ) -> ClassSpec:
        """Add one class; it can be assigned when this returns.

        Args:
            name: What people call it.
            id: Stable id; by default made of the path.
            parent: Id, full path or unique name of the class above it.
            descriptions: Sentences that say what belongs here.
            synonyms: Other names.
            examples: Texts of items that belong here.
            images: Pictures of what belongs here, paths from the working directory or addresses.
            assignable: Whether items may be assigned to it; by default if nothing is below it.

        Raises:
            ClassNotFoundError: There is no such parent.
            TaxonomyError: The id or the name is taken, or not allowed, or a picture cannot be used.
        """
        taxonomy = self._latest()
        parent_id = taxonomy.find(parent).id if parent else None
        path = (*taxonomy.path(parent_id), name) if parent_id is not None else (name,)
        spec = ClassSpec(
            id if id is not None else slug_id(path),
            name,
            parent_id,
            tuple(descriptions),
            tuple(synonyms),
            tuple(examples),
            tuple(images),
            assignable=assignable,
        )
        if spec.id in taxonomy:
            message = f"there is a class {spec.id!r} already"
            raise TaxonomyError(message, hint="Change it with `nearclass classes edit`, or give another --id.")
        return self._put_one(taxonomy, spec, "add")

    @alone
    def edit(self, /, class_id: str, **changes: Any) -> ClassSpec:
        """Change fields of one class, such as ``name`` or ``descriptions``; those not named stay.

        Raises:
            ClassNotFoundError: There is no such class.
            TaxonomyError: The change is not allowed.
        """
        taxonomy = self._latest()
        return self._put_one(taxonomy, replace(taxonomy.find(class_id), **changes), "edit")

    @alone
    def put(
        self,
        specs: Sequence[ClassSpec],
        *,
        text: bool = True,
        folder: Path | None = None,
        base: Taxonomy | None = None,
    ) -> Change:
        """Add classes, or replace those of the same id; refused ones are reported and the others go on.

        Args:
            specs: The classes, in any order.
            text: Whether to embed their texts; not needed in a catalogue that has given vectors only.
            folder: Folder of the file that they come from, which their pictures must be in; None where a person names
                the pictures, relative to the working directory.
            base: The taxonomy that the classes were made for, if they depend on it.

        Raises:
            TaxonomyError: A picture cannot be used, or the taxonomy is not the one they were made for any more; nothing
                was changed.
        """
        before = self._latest()
        if base is not None and list(before) != list(base):
            message = f"the classes were changed after revision {base.revision}, which this change started from"
            raise TaxonomyError(
                message, hint="Nothing was written. Look at `nearclass classes log`, then run it again."
            )
        return self._put(before, specs, "import", text=text, folder=folder)

    @alone
    def put_vectors(self, specs: Sequence[ClassSpec], space: Space) -> int:
        """Store the vectors that classes of the taxonomy bring for a space; how many there were."""
        place = SpaceCollections.of(self._catalog, space)
        taxonomy = self._latest()
        known = [spec for spec in specs if spec.id in taxonomy]
        vectors = given_vectors(known, space.dim)
        if not vectors:
            message = f"none of the {len(specs)} classes brings a vector for the space {space.name}"
            raise UsageError(message, hint="Give a column `vector` in JSONL or Parquet, or leave --space off.")
        write_given_vectors(self._store, place, vectors, taxonomy.revision)
        sync(self._store, self._state, place, taxonomy, None)
        # Readers see class vectors of a new head only.
        self._taxonomies.commit(taxonomy.revision + 1)
        return len(vectors)

    @alone
    def announce(self) -> None:
        """Raise the revision, so that every process reads anew what it answers by; stored answers are older now."""
        self._taxonomies.commit(self._latest().revision + 1)

    @alone
    def finish(self) -> bool:
        """Complete a change that was cut off, or bring in another version of a learner; whether there was either.

        A change that another process is in the middle of is written twice, to the same rows.
        """
        unsettled = self._unsettled()
        opened = self._history.left_open()
        if not unsettled and not self._taxonomies.pending():
            self._history.close(opened)
            return False
        encoder = self._encoders.chosen() if self._spaces.text_space() else None
        images = self._images.adopted() if self._spaces.image_space() else None
        revision = self._bring_in(encoder, images).revision
        # Readers see class vectors of a new head only.
        self._taxonomies.commit(revision + 1 if unsettled else revision, opened)
        self._history.close(opened)
        for learned in unsettled:
            learned.settle()
        return True

    def _unsettled(self) -> list[Learned]:
        places = [SpaceCollections.of(self._catalog, space) for space in self._spaces.every()]
        every = [Learned(self._store, self._state, place) for place in places]
        return [learned for learned in every if not learned.settled()]

    def _latest(self) -> Taxonomy:
        """The taxonomy that a change starts from, as it is in the store; what was cut off before is completed."""
        self._images.adopted()
        self.finish()
        return self._taxonomies.current()

    def _put(
        self,
        before: Taxonomy,
        specs: Sequence[ClassSpec],
        command: str,
        *,
        text: bool = True,
        folder: Path | None = None,
        checked: bool = False,
    ) -> Change:
        problems = [] if checked else before.check_change(specs)
        refused = {problem.index for problem in problems}
        accepted = self._kept(before, [spec for index, spec in enumerate(specs) if index not in refused], folder)
        differ = any(spec.id not in before or before[spec.id] != spec for spec in accepted)
        added: list[ClassSpec] = []
        changed: list[ClassSpec] = []
        after = before
        if differ or any(spec.images for spec in accepted):
            # Before anything is written, so that a missing model or picture changes nothing.
            encoder = self._encoders.chosen() if text or self._spaces.text_space() else None
            images = self._images.adopted()
            seen = self._look(before, accepted, images, folder)
            added = [spec for spec in accepted if spec.id not in before]
            changed = [spec for spec in accepted if spec.id in before and (before[spec.id] != spec or spec.id in seen)]
            if added or changed:
                after = self._write(before, [*added, *changed], command, encoder, images)
        return Change(
            after,
            tuple(spec.id for spec in added),
            tuple(spec.id for spec in changed),
            len(accepted) - len(added) - len(changed),
            tuple(problems),
        )

    def _write(
        self,
        before: Taxonomy,
        specs: Sequence[ClassSpec],
        command: str,
        encoder: Encoder | None,
        images: "ImageEncoder | None",
    ) -> Taxonomy:
        entry = self._history.open(before, specs, self.signature.name, command, self.signature.message)
        self._history.check(entry, self._taxonomies.head)
        revision = self._taxonomies.save(specs, entry.mark)
        self._bring_in(encoder, images)
        after = self._taxonomies.commit(revision, [replace(entry, revision=revision)])
        self._history.close([entry])
        return after

    def _kept(self, before: Taxonomy, specs: Sequence[ClassSpec], folder: Path | None) -> list[ClassSpec]:
        """Classes as they are kept: without vectors, their pictures as full paths and addresses."""
        return [replace(spec, vector=None, images=self._pictures(before, spec, folder)) for spec in specs]

    def _pictures(self, before: Taxonomy, spec: ClassSpec, folder: Path | None) -> tuple[str, ...]:
        known = before[spec.id].images if spec.id in before else ()
        return resolved(spec, known, folder, self._roots) if spec.images else ()

    def _look(
        self, before: Taxonomy, specs: Sequence[ClassSpec], images: "ImageEncoder | None", folder: Path | None
    ) -> set[str]:
        """Store what is new of the pictures of these classes; the ids of classes with other pictures than before."""
        with_pictures = [spec for spec in specs if spec.images]
        if images is None or not with_pictures:
            return set()
        pictures = self._class_pictures(images)
        owners = {one: spec.id for spec in before for one in spec.images}
        pictures.inherit(with_pictures, owners, before.revision + 1)
        return pictures.take(with_pictures, folder, before.revision + 1)

    def _class_pictures(self, images: "ImageEncoder") -> ClassPictures:
        place = SpaceCollections.of(self._catalog, images.space)
        return ClassPictures(self._store, place, images, self._images.loader)

    def _bring_in(self, encoder: Encoder | None, images: "ImageEncoder | None") -> Taxonomy:
        """Bring every space up to the newest taxonomy, which is returned."""
        taxonomy = self._taxonomies.newest()
        made = {one.space.fingerprint: one for one in (encoder, images) if one is not None}
        done: set[str] = set()
        # Asked again afterwards: another space of texts may serve by now, or be about to.
        while todo := [space for space in self._spaces.written() if space.name not in done]:
            for space in todo:
                done.add(space.name)
                self._sync(space, taxonomy, made)
        return taxonomy

    def _sync(self, space: Space, taxonomy: Taxonomy, made: Mapping[str, Encoder]) -> None:
        encoder = made.get(space.fingerprint)
        if encoder is None and space.kind != "precomputed":
            encoder = self._encoders.of(space) if space.kind == "text" else self._images.of(space)
        if space.kind == "image":
            active = [taxonomy[class_id] for class_id in taxonomy.assignable() if taxonomy[class_id].images]
            self._class_pictures(self._images.of(space)).complete(active, taxonomy.revision)
        if encoder is not None or space.kind == "precomputed":
            sync(self._store, self._state, SpaceCollections.of(self._catalog, space), taxonomy, encoder)

    def _put_one(self, before: Taxonomy, spec: ClassSpec, command: str) -> ClassSpec:
        change = self._put(before, [spec], command)
        if change.problems:
            raise TaxonomyError(change.problems[0].message, hint="`nearclass classes list` shows the tree.")
        return change.taxonomy[spec.id]
