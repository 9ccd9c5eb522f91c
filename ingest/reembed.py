"""One space brought up to another of its kind: items, labels, classes, what was learnt, answers.

The space that is brought up does not serve, or not yet, so nobody reads it meanwhile. Every step looks at what is there
and does the rest: it may be cut off anywhere, and done again.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from ..encoders.base import Encoder
from ..errors import NearclassError
from ..query.live import LiveSpace
from ..query.pair import LivePair
from ..schemas.learning import Learner
from ..schemas.spaces import Space
from ..schemas.taxonomy import Taxonomy
from ..store import Store
from ..store.calibration import CALIBRATION
from ..store.fusion import FUSION
from ..store.learned import Learned
from ..store.spaces import SpaceCollections
from ..store.state import State
from .classes import sync
from .intake import CHUNK_ROWS
from .item_copies import Copied, ItemCopier, OnRows
from .row_making import RowMaker
from .run import copy_mappings
from .space_learning import Outcome, SpaceLearning

__all__ = ["Pace", "Side", "SpaceFilling"]

_ROUNDS: Final = 50
"""Passes after which a catalogue that is written to without end is said to be so."""

_SAME: Final = 0.99
"""Cosine of a stored vector and the same content encoded again. Arithmetic in 16 bits stays above 0.999."""


class Pace:
    """Keeps to a rate of items a second, by waiting; no rate is no limit."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._started = time.monotonic()
        self._done = 0

    @property
    def page(self) -> int:
        """How many items at a time, so that one wait is about a second."""
        return CHUNK_ROWS if self._rate is None else max(1, min(CHUNK_ROWS, int(self._rate)))

    def wait(self, count: int) -> None:
        """Wait until this many more are due."""
        self._done += count
        if self._rate is not None:
            time.sleep(max(0.0, self._started + self._done / self._rate - time.monotonic()))


class Side(Protocol):
    """What is particular to bringing up a space of texts, or one of pictures."""

    @property
    def encoder(self) -> Encoder:
        """Of the space that is brought up."""
        ...

    @property
    def rows(self) -> RowMaker:
        """Makes its rows of items."""
        ...

    def evidence(self, source: SpaceCollections, target: SpaceCollections) -> Copied:
        """Bring the evidence that is not made of the classes' texts."""
        ...

    def live(self, pair: LivePair) -> LiveSpace | None:
        """What answers from the space alone."""
        ...

    def answer(self, pair: LivePair, since_ms: int, on_page: Callable[[int], None]) -> int:
        """Answer items that have no answer, or an older one; how many there were."""
        ...

    def alike(self, target: SpaceCollections) -> tuple[list[str], list[float]]:
        """Ids of some stored items, and the cosine of each one's vector with that of its content encoded again."""
        ...


@dataclass(frozen=True)
class SpaceFilling:
    """Brings the space ``target`` of a catalogue up to its space ``source``.

    Attributes:
        catalog: Name of the catalogue.
        store: Where it is.
        state: Its documents.
        source: The space that serves.
        target: The other one, of the same kind.
        side: What is particular to the kind, with the encoder of ``target``.
        lock: Held by whoever changes the classes.
        newest: Gives the taxonomy with every change, also one that is not complete yet.
        beside: Gives what answers from a space and the other kind's serving one, as its vectors are now.
    """

    catalog: str
    store: Store
    state: State
    source: Space
    target: Space
    side: Side
    lock: AbstractContextManager[object]
    newest: Callable[[], Taxonomy]
    beside: Callable[[Space], LivePair]

    @property
    def places(self) -> tuple[SpaceCollections, SpaceCollections]:
        """Collections of the source and of the target."""
        return SpaceCollections.of(self.catalog, self.source), SpaceCollections.of(self.catalog, self.target)

    def fill(self, pace: Pace, on_rows: OnRows = lambda _seen, _embedded: None) -> Copied:
        """Bring items and labels; only what differs is embedded."""
        source, target = self.places
        target.ensure(self.store)

        def paced(seen: int, embedded: int) -> None:
            on_rows(seen, embedded)
            pace.wait(embedded)

        follow = self.newest().follow
        copier = ItemCopier(self.store, source, target, self.side.rows, page=pace.page, follow=follow)
        copied = copier.every(paced)
        return copied + self.side.evidence(source, target)

    def bring_classes(self) -> int:
        """Bring evidence and class vectors up to the classes and to what was learnt; how many changed."""
        _, target = self.places
        learned = Learned(self.store, self.state, target)
        changed = 0
        while True:
            with self.lock:
                taxonomy = self.newest()
                changed += sync(self.store, self.state, target, taxonomy, self.side.encoder)
                if not learned.settled():
                    learned.settle()
            if self.newest().revision == taxonomy.revision:
                return changed

    def learn(self, taxonomy: Taxonomy) -> Outcome | None:
        """Learn where the source has learnt and the target has not; None where there is nothing to do."""
        source, target = self.places
        before = Learned(self.store, self.state, source).active_version()
        live = self.side.live(self.beside(self.target))
        learned = Learned(self.store, self.state, target)
        if not before or learned.active_version() or live is None or not taxonomy.assignable():
            return None
        learning = SpaceLearning(self.store, self.state, live, self.side.encoder)
        attempt = learning.attempt(taxonomy)
        if attempt is None or not attempt.outcome.kept:
            return attempt.outcome if attempt else None
        learning.write(attempt, taxonomy, max(before, learned.next_version()))
        self.bring_classes()
        return attempt.outcome

    def learner(self) -> Learner | None:
        """What the target has learnt."""
        return Learned(self.store, self.state, self.places[1]).active()

    def answered_by(self) -> str:
        """A mark of what the items of the target are answered by, besides the taxonomy."""
        pair = self.beside(self.target)
        names = [(CALIBRATION, self.target.name)]
        if pair.text is not None and pair.image is not None:
            names.append((FUSION, f"{pair.text.place.space.name}+{pair.image.place.space.name}"))
        documents = [self.state.get(*name) for name in names]
        version = Learned(self.store, self.state, self.places[1]).active_version()
        made_of = [version, [dict(one.body) if one else None for one in documents]]
        return hashlib.sha256(orjson.dumps(made_of, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def answer(self, *, since_ms: int = 0, on_page: Callable[[int], None] = lambda _count: None) -> int:
        """Answer the items of the target that have no answer, or an older one; how many there were."""
        return self.side.answer(self.beside(self.target), since_ms, on_page)

    def bring_mappings(self) -> None:
        """Bring what is remembered of the columns of sources; spaces of pictures have none."""
        copy_mappings(self.state, self.source.name, self.target.name)

    def catch_up(self) -> Copied:
        """Bring everything, again and again until a whole pass finds nothing that differs.

        Raises:
            NearclassError: There is no end of it.
        """
        done = Copied()
        for _ in range(_ROUNDS):
            copied = self.fill(Pace())
            done += copied
            changed = self.bring_classes()
            answered = self.answer()
            if not (copied or changed or answered):
                return done
        message = f"the space {self.source.name} changes faster than {self.target.name} can follow"
        raise NearclassError(message, hint="Wait until less is written, then run the command again.")

    def check(self) -> int:
        """Encode some stored items of the target again, and compare; how many were compared.

        Raises:
            NearclassError: A vector is another one.
        """
        _, target = self.places
        if self.store.resolve(target.items) is None:
            return 0
        ids, same = self.side.alike(target)
        if same and min(same) < _SAME:
            worst = ids[same.index(min(same))]
            what = "picture" if self.target.kind == "image" else "text"
            message = f"the vector of item {worst!r} in the space {self.target.name} is not that of its {what}"
            hint = "Has its model changed? `nearclass doctor` checks it. A new space can be removed with rollback."
            raise NearclassError(message, hint=hint)
        return len(ids)
