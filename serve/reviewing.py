"""What reviewers decide: written at once, noted in the audit, and taken back if they say so."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ItemNotFoundError
from ..schemas.collections import key_of
from ..schemas.filters import In
from ..schemas.records import ClassSpec, Decision
from ..store.state import Document, State
from .access import Caller
from .nearest import Nearest
from .problems import Problem
from .queue import NOVEL, Queue

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Reviewing", "Step", "reviewer_of"]

_STEPS: Final = 100
_REVIEWERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """What a reviewer did, and what was there before.

    Attributes:
        kind: What it was.
        ids: The items.
        title: Of the first.
        class_id: The class that was confirmed, or empty.
        revision: Of the taxonomy.
        before: Of each item the confirmed class, the decision and the class.
    """

    kind: Literal["confirm", "novel", "skip"]
    ids: tuple[str, ...]
    title: str
    class_id: str
    revision: int
    before: Mapping[str, tuple[str, str, str]]


def reviewer_of(caller: Caller) -> str:
    """Whoever sits before one browser."""
    return caller.session or caller.id


class Reviewing:
    """Decisions on stored items through the page; may be used from several threads."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._state = State(service.catalog.store, service.catalog.settings.catalog)
        self.queue = Queue(service.catalog, self._state, service.pool.submit)
        self.nearest = Nearest(service.catalog)
        self._lock = threading.Lock()
        self._steps: dict[str, deque[Step]] = {}

    def confirm(self, caller: Caller, ids: Sequence[str], name: str, request_id: str) -> tuple[Step, ClassSpec]:
        """Note that a person says that these items belong to a class (id, full path or unique name).

        Items that somebody else has decided on since they were shown are left as they are.

        Raises:
            ClassNotFoundError: There is no such class.
            ItemNotFoundError: An item is not there any more.
            Problem: Somebody else has decided on all of them.
        """
        items = self._service.catalog.items()
        with self._service.item_lock:
            before, title = self._open(ids)
            spec = items.confirm(list(before), name)
        step = Step("confirm", tuple(before), title, spec.id, self._revision, before)
        self._note("review.confirm", caller, request_id, ids=list(before), class_id=spec.id)
        self._did(caller, step)
        return step, spec

    def novel(self, caller: Caller, item_id: str, request_id: str) -> Step:
        """Note that a person says that no class fits this item: it counts as novel, and waits no more.

        Raises:
            ItemNotFoundError: The item is not there any more.
            Problem: Somebody else has decided on it since it was shown.
        """
        with self._service.item_lock:
            before, title = self._open([item_id])
            body = {"by": caller.label, "at": time.time()}
            self._state.put(Document(NOVEL, item_id, body, self._revision))
            self._service.catalog.items().decide({item_id: (Decision.NOVEL, "")})
        step = Step("novel", (item_id,), title, "", self._revision, before)
        self._note("review.novel", caller, request_id, ids=[item_id])
        self._did(caller, step)
        return step

    def skip(self, caller: Caller, item_id: str) -> Step:
        """Leave an item for later; nothing is written."""
        step = Step("skip", (item_id,), "", "", self._revision, {})
        self._remember(caller, step)
        self.queue.skip(reviewer_of(caller), item_id)
        return step

    def undo(self, caller: Caller, request_id: str) -> Step | None:
        """Take the latest step of this reviewer back; None where there is none that this process knows of.

        Raises:
            Problem: Somebody else has decided on an item since.
        """
        with self._lock:
            steps = self._steps.get(reviewer_of(caller))
            step = steps.pop() if steps else None
        if step is None:
            return None
        if step.kind != "skip":
            with self._service.item_lock:
                self._restore(step)
            self._note("review.undo", caller, request_id, ids=list(step.ids))
        self.queue.put_back(reviewer_of(caller), step.ids)
        return step

    def steps(self, caller: Caller) -> int:
        """How many steps can be taken back."""
        with self._lock:
            return len(self._steps.get(reviewer_of(caller), ()))

    def is_decided(self, item_id: str, confirmed: str, decision: str) -> bool:
        """Whether somebody has decided on an item that has this confirmed class and this decision."""
        if confirmed or decision != Decision.NOVEL.value:
            return bool(confirmed)
        return self._state.get(NOVEL, item_id) is not None

    def _open(self, ids: Sequence[str]) -> tuple[dict[str, tuple[str, str, str]], str]:
        """What ``_before`` gives, of the items that nobody has decided on; the others wait no more.

        Raises:
            Problem: There is none.
        """
        before, title = self._before(ids)
        decided = [one for one, (confirmed, made, _) in before.items() if self.is_decided(one, confirmed, made)]
        self.queue.take_out(decided)
        left = {one: before[one] for one in ids if one not in decided}
        if not left:
            raise Problem("changed-meanwhile", "somebody has decided on this meanwhile, so it is left as it is")
        return left, title

    def _before(self, ids: Sequence[str]) -> tuple[dict[str, tuple[str, str, str]], str]:
        where = In("key", [key_of(one) for one in ids])
        found = {one.id: one for one in self._service.catalog.items().reader.matching(where=where)}
        missing = next((one for one in ids if one not in found), None)
        if missing is not None:
            message = f"no item {missing!r}"
            raise ItemNotFoundError(message, hint="It may have been removed meanwhile.")
        before = {one.id: (one.confirmed_class or "", one.decision, one.class_id or "") for one in found.values()}
        return before, found[ids[0]].title if ids else ""

    def _restore(self, step: Step) -> None:
        items = self._service.catalog.items()
        now, _ = self._before(step.ids)
        if any(confirmed != step.class_id for confirmed, _, _ in now.values()):
            message = "somebody else has decided on this item since, so it is left as it is"
            raise Problem("changed-meanwhile", message)
        by_class: dict[str, list[str]] = {}
        for item_id, (confirmed, _, _) in step.before.items():
            by_class.setdefault(confirmed, []).append(item_id)
        for confirmed, ids in by_class.items():
            if confirmed or step.revision == self._revision:
                items.stored.confirm(ids, confirmed)
            else:  # some may have kept an older answer only because they were confirmed
                items.unconfirm(ids)
        if step.kind == "novel":
            if step.revision == self._revision:
                before = {one: (Decision(made), to) for one, (_, made, to) in step.before.items() if made}
                items.decide(before)
            self._state.delete(NOVEL, step.ids)

    @property
    def _revision(self) -> int:
        return self._service.catalog.classes.taxonomy.revision

    def _did(self, caller: Caller, step: Step) -> None:
        self._remember(caller, step)
        self.queue.take_out(step.ids)

    def _remember(self, caller: Caller, step: Step) -> None:
        with self._lock:
            steps = self._steps.pop(reviewer_of(caller), deque(maxlen=_STEPS))
            self._steps[reviewer_of(caller)] = steps  # the latest reviewer last
            while len(self._steps) > _REVIEWERS:
                del self._steps[next(iter(self._steps))]
            steps.append(step)

    def _note(self, action: str, caller: Caller, request_id: str, **facts: Any) -> None:
        self._service.audit.note(action, by=caller.label, request_id=request_id, **facts)
