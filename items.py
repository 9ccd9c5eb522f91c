"""The public face of stored items: list, confirm, delete, answer anew."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .ingest.editing import ClassEditor
from .ingest.stored import StoredItems
from .query.items import Found, ItemReader, item_filter
from .schemas.filters import Filter
from .schemas.records import Assignment, ClassSpec

__all__ = ["Items"]


@dataclass(frozen=True, slots=True)
class Items:
    """The stored items of one space."""

    reader: ItemReader
    stored: StoredItems
    classes: ClassEditor

    def list(
        self, *, class_id: str | None = None, where: Sequence[str] = (), limit: int | None = None
    ) -> Sequence[Found]:
        """Stored items, in the order of their ids."""
        return self.reader.matching(where=self._filter(class_id, where), limit=limit)

    def iterate(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> Iterator[Found]:
        """Every stored item that matches, in bounded memory."""
        return self.reader.iterate(where=self._filter(class_id, where))

    def get(self, item_id: str) -> Found:
        """One stored item."""
        return self.reader.get(item_id)

    def count(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> int:
        """How many stored items match."""
        return self.reader.count(self._filter(class_id, where))

    def confirm(self, item_ids: Sequence[str], class_id: str) -> ClassSpec:
        """Note that a person says these items belong to this class (id, full path or unique name)."""
        spec = self.classes.taxonomy.find(class_id)
        self.stored.confirm(item_ids, spec.id)
        return spec

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back."""
        self.stored.unconfirm(item_ids)

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        return self.stored.delete(item_ids)

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> Sequence[tuple[str, Assignment]]:
        """Answer items anew whose answer is older than the taxonomy; those whose answer changed."""
        return self.stored.reassign(on_page)

    def _filter(self, class_id: str | None, where: Sequence[str]) -> Filter | None:
        return item_filter(self.classes.taxonomy, class_id, where)
