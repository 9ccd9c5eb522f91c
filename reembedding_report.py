"""What moving to another encoder would do, and what it did: plans and reports, as data."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .ingest.agreement import Agreement
from .learn.judged import Judged
from .learn.metrics import wilson_interval
from .reembedding_pictures import PicturesThere

__all__ = ["Accuracies", "Plan", "Report", "Status", "accuracies"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What moving to another encoder would do; nothing is written.

    Attributes:
        encoder: As it was named.
        old: Name of the space that serves.
        new: Name of the space that would.
        old_dim: Length of a vector there.
        new_dim: Length of a vector in the new space.
        items: Stored items with a text, or with a picture, which would be encoded.
        filled: Those of them that an earlier run has encoded already.
        labels: Labels that would be encoded.
        classes: Classes that may be answered.
        class_texts: Texts of classes that would be encoded, and pictures of them.
        items_per_s: Stored texts or pictures encoded in a second here, loading excluded; None where none can be tried.
        seconds: How long embedding would take at that rate, without a limit.
        disk_mb: Disk that the new space would take beside the old one, in millions of bytes.
        memory_mb: Memory that an embedded database would take for it; 0 on a server, which has its own.
        learnt: Whether the old space has learnt, so that the new one will.
        calibrated: Whether the old space is calibrated; the new one will be if labels are given.
        pictures: Whether the pictures are where they were; None in a space of texts.
    """

    encoder: str
    old: str
    new: str
    old_dim: int
    new_dim: int
    items: int
    filled: int
    labels: int
    classes: int
    class_texts: int
    items_per_s: float | None
    seconds: float | None
    disk_mb: float
    memory_mb: float
    learnt: bool
    calibrated: bool
    pictures: PicturesThere | None = None

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able data, what is said of pictures beside the rest."""
        found = asdict(self)
        return found | (found.pop("pictures") or {})


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Two spaces on the same labelled items, none of which either learnt from.

    Attributes:
        n: Items in scope.
        old: Share of them whose best candidate is right in the old space.
        old_low: Lower end of its 95 % Wilson interval.
        old_high: Upper end.
        new: The same in the new space.
        new_low: Lower end.
        new_high: Upper end.
        mended: Items that only the new space has right.
        broken: Items that only the old one has right.
        p: Probability of a difference as large or larger between the two, either way, were both equally good.
    """

    n: int
    old: float
    old_low: float
    old_high: float
    new: float
    new_low: float
    new_high: float
    mended: int
    broken: int
    p: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was found when a new space was filled.

    Attributes:
        old: Name of the space that serves.
        new: Name of the one that was filled.
        items: Items in both.
        agreement: Stored answers compared.
        accuracy: Labelled items answered in both; None without labels.
        learnt: What was learnt in the new space, in words.
        calibrated: Whether the new space is calibrated, and if not why, in words.
        embedded: Items and labels that this run encoded.
        left_out: Pictures that could not be read again, and that the new space is without.
        seconds: How long this run took.
    """

    old: str
    new: str
    items: int
    agreement: Agreement
    accuracy: Accuracies | None
    learnt: str
    calibrated: str
    embedded: int
    left_out: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Status:
    """Where a move stands.

    Attributes:
        step: ``none``, ``filling``, ``filled``, ``swapped`` or ``dropping``.
        serving: Name of the space of texts, or of pictures where these move, that answers come from; or empty.
        other: Name of the other space of the move, or empty.
        encoder: What gives the encoder of the new space, or empty.
        items: Items in the serving space.
        other_items: Items in the other one.
        next: What to do next, in words.
    """

    step: str
    serving: str
    other: str
    encoder: str
    items: int
    other_items: int
    next: str

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON-able data."""
        return asdict(self)


def accuracies(old: Sequence[Judged], new: Sequence[Judged]) -> Accuracies | None:
    """Compare answers to the same items in the same order; None where none is in scope."""
    pairs = [(mine.right, theirs.right) for mine, theirs in zip(old, new, strict=True) if mine.truth]
    if not pairs:
        return None
    n = len(pairs)
    before, after = (sum(column) for column in zip(*pairs, strict=True))
    mended = sum(theirs and not mine for mine, theirs in pairs)
    broken = sum(mine and not theirs for mine, theirs in pairs)
    sides = (before / n, *wilson_interval(before, n)), (after / n, *wilson_interval(after, n))
    return Accuracies(n, *sides[0], *sides[1], mended, broken, _p(mended, broken))


def _p(mended: int, broken: int) -> float:
    """Two-sided probability, were mending and breaking equally likely.

    The exact form of McNemar's test (McNemar, Psychometrika 12, 1947).

    >>> _p(0, 0), _p(1, 5) == _p(5, 1), round(_p(8, 1), 4)
    (1.0, True, 0.0391)
    """
    n = mended + broken
    tail: float = sum(math.comb(n, k) for k in range(max(mended, broken), n + 1)) / 2**n
    return min(1.0, 2 * tail)
