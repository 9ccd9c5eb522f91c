"""A taxonomy that lives: its history, and the changes that concern several classes at once."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from ..errors import TaxonomyError
from ..schemas.differences import Difference, differences
from ..schemas.records import ClassSpec, ClassState
from ..schemas.taxonomy import Taxonomy
from ..store.history import Entry
from .change import Change, Signature, alone
from .editing import ClassEditor
from .merging import merged, split_up
from .versions import Version

__all__ = ["LivingClasses"]


class LivingClasses(ClassEditor):
    """The classes of a catalogue, with their history; may be used from several threads."""

    def signed(self, by: str = "", message: str = "") -> Self:
        """The same classes, whose changes are logged with who made them and why."""
        one = copy.copy(self)
        one.signature = Signature(by or self.signature.by, message)
        return one

    def log(self, class_id: str | None = None) -> list[Entry]:
        """Every change of the classes, or those that added or replaced one class, newest first.

        Raises:
            ClassNotFoundError: There is no such class.
        """
        if class_id is None:
            return self._history.entries()
        taxonomy = self.taxonomy
        # A merged class has a history of its own.
        return self._history.of(class_id if class_id in taxonomy else taxonomy.find(class_id).id)

    def at(self, revision: int) -> Taxonomy:
        """The taxonomy as it was at a revision.

        Raises:
            TaxonomyError: There was no such revision, or it is older than the history.
        """
        return self._history.at(self.taxonomy, revision)

    def diff(self, before: int, after: int | None = None) -> list[Difference]:
        """How the classes of one revision differ from those of another, or from those of now.

        Raises:
            TaxonomyError: There was no such revision, or it is older than the history.
        """
        return differences(self.at(before), self.taxonomy if after is None else self.at(after))

    def diff_version(self, version: Version) -> list[Difference]:
        """What importing a new version would change, and the classes that it does not have."""
        taxonomy = self.taxonomy
        folder = None if version.file.folder is None else Path(version.file.folder)
        refused = {problem.index for problem in taxonomy.check_change(version.specs)}
        taken = [spec for index, spec in enumerate(version.specs) if index not in refused]
        after = taxonomy.with_changes(self._kept(taxonomy, taken, folder), taxonomy.revision)
        left = [class_id for class_id in version.missing if after.is_live(class_id)]
        return differences(taxonomy, after, frozenset(left))

    @alone
    def retire(self, class_id: str) -> ClassSpec:
        """Stop answering a class and what is below it; everything stored stays."""
        return self._set_state(class_id, ClassState.RETIRED, "retire")

    @alone
    def restore(self, class_id: str) -> ClassSpec:
        """Answer a retired class again."""
        return self._set_state(class_id, ClassState.ACTIVE, "restore")

    def _set_state(self, class_id: str, state: ClassState, command: str) -> ClassSpec:
        taxonomy = self._latest()
        spec = taxonomy.get(class_id) or taxonomy.find(class_id)
        if spec.state is state:
            message = f"class {spec.id!r} is {state.value} already"
            raise TaxonomyError(message, hint="`nearclass classes show` prints its state.")
        return self._put_one(taxonomy, replace(spec, state=state), command)

    def rename(self, class_id: str, name: str) -> ClassSpec:
        """Give a class another name; its id stays."""
        return self._replaced(class_id, "rename", name=name)

    def move(self, class_id: str, under: str | None) -> ClassSpec:
        """Put a class, with all that is below it, below another one, or with None at the top.

        Raises:
            ClassNotFoundError: There is no such class.
            TaxonomyError: It would be below itself, or its name is taken there.
        """
        parent = None if under is None else self.taxonomy.find(under).id
        return self._replaced(class_id, "move", parent_id=parent)

    def merge(self, class_ids: Sequence[str], into: str, *, evidence: bool = True) -> Change:
        """Merge classes into another one, to which they lead for ever: in labels, questions and confirmed items.

        Args:
            class_ids: The classes that go.
            into: The class that stays.
            evidence: Whether it gets their names as synonyms, and their synonyms, descriptions, examples and pictures.

        Raises:
            ClassNotFoundError: A class is not there.
            TaxonomyError: The classes cannot be merged; nothing was changed.
        """
        return self._change(lambda taxonomy: merged(taxonomy, class_ids, into, evidence=evidence), "merge")

    def split(self, class_id: str, parts: Sequence[Mapping[str, Any]], *, retire: bool = False) -> Change:
        """Split a class into new ones; ``Catalog.split`` moves its stored items too.

        Args:
            class_id: The class; it stays above the parts, or with ``retire`` is retired beside them.
            parts: Class rows, at least two.
            retire: Whether the class is retired.

        Raises:
            ClassNotFoundError: There is no such class.
            TaxonomyError: The parts cannot be classes; nothing was changed.
        """
        return self._change(lambda taxonomy: split_up(taxonomy, class_id, parts, retire=retire)[0], "split")

    @alone
    def rollback(self, revision: int) -> Change:
        """Bring the classes of an earlier revision back, as a new one; those that are new since then are retired.

        Raises:
            TaxonomyError: There was no such revision, or it is older than the history.
        """
        taxonomy = self._latest()
        old = self._history.at(taxonomy, revision)
        specs = [spec for spec in old if taxonomy.get(spec.id) != spec]
        specs += [
            replace(spec, state=ClassState.RETIRED)
            for spec in taxonomy
            if spec.id not in old and spec.state is ClassState.ACTIVE
        ]
        return self._put(taxonomy, specs, f"rollback {revision}", checked=True)

    def _replaced(self, class_id: str, command: str, **values: Any) -> ClassSpec:
        ids: list[str] = []

        def make(taxonomy: Taxonomy) -> list[ClassSpec]:
            spec = taxonomy.find(class_id)
            ids.append(spec.id)
            return [replace(spec, **values)]

        return self._change(make, command).taxonomy[ids[-1]]

    @alone
    def _change(self, make: Callable[[Taxonomy], Sequence[ClassSpec]], command: str) -> Change:
        """Add or replace the classes that ``make`` gives for the taxonomy as it is, all of them or none."""
        taxonomy = self._latest()
        specs = make(taxonomy)
        if problems := taxonomy.check_change(specs):
            raise TaxonomyError(problems[0].message, hint="`nearclass classes list` shows the tree.")
        return self._put(taxonomy, specs, command)
