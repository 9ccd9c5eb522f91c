"""The public face of stored items: list, confirm, delete, answer anew."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .ingest.editing import ClassEditor
from .ingest.stored import StoredItems
from .query.exporting import ItemExport
from .query.items import Found, ItemReader, item_filter
from .schemas.filters import Filter
from .schemas.records import Assignment, ClassSpec, Decision

__all__ = ["Items"]


@dataclass(frozen=True, slots=True)
class Items:
    """The stored items of one space."""

    reader: ItemReader
    stored: StoredItems
    classes: ClassEditor

    def list(
        self,
        *,
        class_id: str | None = None,
        where: Sequence[str] = (),
        limit: int | None = None,
        sort: str | None = None,
        reverse: bool = False,
    ) -> Sequence[Found]:
        """Stored items, in the order of their ids, or those that come first by a number.

        Args:
            class_id: Only this class and everything below it.
            where: Conditions such as ``price<40``, all of which must hold.
            limit: Items at most.
            sort: ``margin``, ``score`` or ``confidence``, the lowest first, or ``updated``, the latest first.
            reverse: Whether to begin at the other end.
        """
        condition = self._filter(class_id, where)
        if sort is None:
            return self.reader.matching(where=condition, limit=limit)
        most = self.reader.count(condition) if limit is None else limit
        return self.reader.first(sort, most, where=condition, reverse=reverse)

    def answers(self, item_ids: Sequence[str]) -> Mapping[str, Assignment]:
        """What stored items would be answered now, by id, with candidates; nothing is written or embedded."""
        return self.stored.answers(item_ids)

    def iterate(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> Iterator[Found]:
        """Every stored item that matches, in bounded memory."""
        return self.reader.iterate(where=self._filter(class_id, where))

    def export(self, *, class_id: str | None = None, where: Sequence[str] = ()) -> ItemExport:
        """Every stored item that matches, as rows that can be ingested again."""
        taxonomy = self.classes.taxonomy
        return ItemExport(self.reader, taxonomy, self._filter(class_id, where), vectors=self.stored.given)

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

    def confirm_each(self, classes: Mapping[str, str]) -> set[str]:
        """Note of each item, by its id, the id of the class that a person says, empty for none; ids of no item."""
        return self.stored.confirm_each(classes)

    def unconfirm(self, item_ids: Sequence[str]) -> None:
        """Take a confirmation back."""
        self.stored.unconfirm(item_ids)

    def decide(self, decisions: Mapping[str, tuple[Decision, str]]) -> None:
        """Note what a person decided on items, by their ids: the decision, and the id of the class or an empty text."""
        self.stored.decide(decisions)

    def delete(self, item_ids: Sequence[str]) -> int:
        """Remove items; how many of them there were."""
        return self.stored.delete(item_ids)

    def reassign(self, on_page: Callable[[int], None] = lambda _: None) -> Sequence[tuple[str, Assignment]]:
        """Answer items anew whose answer is older than the taxonomy; those whose answer changed."""
        return self.stored.reassign(on_page)

    def _filter(self, class_id: str | None, where: Sequence[str]) -> Filter | None:
        return item_filter(self.classes.taxonomy, class_id, where)
