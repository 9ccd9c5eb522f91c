"""A taxonomy that lives: its history, and the changes that concern several classes at once."""

import copy
from dataclasses import replace
from typing import Self

from ..errors import TaxonomyError
from ..schemas.records import ClassSpec, ClassState
from ..schemas.taxonomy import Taxonomy
from ..store.history import Entry
from .change import Signature, alone
from .editing import ClassEditor

__all__ = ["LivingClasses"]


class LivingClasses(ClassEditor):
    """The classes of a catalogue, with their history; may be used from several threads."""

    def signed(self, by: str = "", message: str = "") -> Self:
        """The same classes, whose changes are logged with who made them and why."""
        one = copy.copy(self)
        one.signature = Signature(by or self.signature.by, message)
        return one

    def log(self) -> list[Entry]:
        """Every change of the classes, newest first."""
        return self._history.entries()

    def at(self, revision: int) -> Taxonomy:
        """The taxonomy as it was at a revision.

        Raises:
            TaxonomyError: There was no such revision, or it is older than the history.
        """
        return self._history.at(self.taxonomy, revision)

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
        spec = taxonomy.find(class_id)
        if spec.state is state:
            message = f"class {spec.id!r} is {state.value} already"
            raise TaxonomyError(message, hint="`nearclass classes show` prints its state.")
        return self._put_one(taxonomy, replace(spec, state=state), command)
